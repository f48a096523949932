"""What CrewAI-Studio exports: one JSON file in which parts refer to each other by id."""

from __future__ import annotations

import typing as t
from collections.abc import Mapping

from ..problem_messages import kind_of
from ..problem_messages import listing
from ..problem_messages import quote
from .crew_parts import Parts
from .crewai_fields import CREW
from .crewai_fields import Fields
from .crewai_fields import fields_of
from .crewai_fields import keep_carried
from .crewai_fields import KNOWLEDGE
from .crewai_fields import TOOL
from .draft import Draft
from .files import Files
from .import_result import FILES
from .import_result import Json
from .import_result import Options
from .import_result import Place
from .name_mapping import Names

_OWN: t.Final = frozenset({"id", "created_at"})
"""Fields that say something to CrewAI-Studio only."""
_CREW: t.Final = CREW._replace(
    carried=(CREW.carried | {"tools"}) - {"inputs"},
    refused={**CREW.refused, "knowledge_source_ids": KNOWLEDGE},
)
_CONTEXT: t.Final = ("context_from_async_tasks_ids", "context_from_sync_tasks_ids")


def read_studio(files: Files, options: Options, names: Names, draft: Draft) -> None:
    """Read the only file."""
    if len(files.texts) != 1:
        detail = f"There are {len(files.texts)} files. Send the one that was exported."
        draft.refuse(FILES, "one-file", detail, breaks=True)
        return
    (file,) = files.texts
    value = files.jsonc(file)
    if value is None:
        draft.broken = True
        return
    fields = keep_carried(_without_own(value, Place(file)), _CREW, draft)
    draft.origins[""] = Place(file)
    draft.top["name"] = fields.value("name") or options.name or "crew"
    draft.top["process"] = fields.value("process") or "sequential"
    _Studio(draft, names, Place(file), fields).read()


def _without_own(value: Json, place: Place) -> Fields:
    return fields_of({key: member for key, member in value.items() if key not in _OWN}, place)


class _Studio:
    def __init__(self, draft: Draft, names: Names, place: Place, fields: Fields) -> None:
        self._draft = draft
        self._parts = Parts(draft, names)
        self._place = place
        self._fields = fields
        self._tools: dict[str, object] = {}

    def read(self) -> None:
        for value, place in self._list("tools"):
            self._read_tool(value, place)
        for value, place in self._list("agents"):
            self._read_agent(value, place)
        self._read_manager()
        self._parts.plan(self._fields)
        for value, place in self._list("tasks"):
            self._read_task(value, place)
        self._parts.check_edges(self._place / "tasks")

    def _list(self, name: str) -> list[tuple[Json, Place]]:
        """Return the objects in one of the file's lists, each with an id of its own."""
        values, place = self._fields.get(name, ([], self._place / name))
        if not isinstance(values, list):
            detail = f"{quote(name)} must be a list, not {kind_of(values)}."
            self._draft.refuse(place, "wrong-type", detail, breaks=True)
            return []
        if not self._parts.fits(values, place):
            return []
        members = [self._parts.members(value, place / at) for at, value in enumerate(values)]
        return [(value, place / at) for at, value in enumerate(members) if value is not None]

    def _id(self, value: Json, key: str, taken: Mapping[str, object], place: Place) -> str | None:
        id = value.get(key)
        if isinstance(id, str) and id and id not in taken:
            return id
        detail = f"{quote(key)} must be a text that nothing else has as its id."
        self._draft.refuse(place / key, "invalid-id", detail, breaks=True)
        return None

    def _read_tool(self, value: Json, place: Place) -> None:
        id = self._id(value, "tool_id", self._tools, place)
        if id is None:
            return
        settings = value.get("parameters")
        if isinstance(settings, dict):
            # Studio writes every setting that there is, most of them as null.
            settings = {name: given for name, given in settings.items() if given is not None}
        keep_carried(fields_of({**value, "parameters": settings}, place), TOOL, self._draft)
        self._tools[id] = value.get("name")

    def _read_agent(self, value: Json, place: Place) -> None:
        id = self._id(value, "id", self._parts.agents, place)
        if id is None:
            return
        fields = _without_own(value, place)
        model, at = fields.pop("llm_provider_model", (None, place))
        temperature = fields.pop("temperature", (None, place))
        if model is not None:
            given = Fields({"model": (_model(model), at), "temperature": temperature})
            fields["llm"] = (given, at)
        ids, at = fields.pop("tool_ids", (None, place))
        if isinstance(ids, list):
            ids = [self._tool(id, at / index) for index, id in enumerate(ids)]
        fields["tools"] = (ids, at)
        self._parts.agent(id, fields, place)

    def _tool(self, id: object, place: Place) -> object:
        if isinstance(id, str) and id in self._tools:
            return self._tools[id]
        detail = f"There is no tool with this id. Those are {listing(self._tools)}."
        self._draft.refuse(place, "unknown-tool", detail, breaks=True)
        return ""

    def _read_manager(self) -> None:
        agent, agent_place = self._fields.get("manager_agent", (None, self._place))
        model, model_place = self._fields.get("manager_llm", (None, self._place))
        if self._draft.top["process"] == "sequential":
            for name in ("manager_agent", "manager_llm"):
                if self._fields.value(name) is not None:
                    detail = f"The process is sequential, so {quote(name)} is left out."
                    self._draft.note(self._place / name, "not-carried", detail)
        elif isinstance(agent, str) and agent in self._parts.agents:
            self._parts.manage(agent, agent_place)
        elif agent is not None:
            detail = f"There is no such agent. Those are {listing(self._parts.agents)}."
            self._draft.refuse(agent_place, "unknown-agent", detail, breaks=True)
        elif model is not None:
            self._parts.manage(None, model_place, _model(model))

    def _read_task(self, value: Json, place: Place) -> None:
        id = value.get("id")
        fields = _without_own(value, place)
        fields["name"] = (id, place / "id")
        fields["agent"] = fields.pop("agent_id", (None, place))
        read = [fields.pop(name) for name in _CONTEXT if name in fields]
        given = [found for found in read if found[0]]
        if given:
            odd = next((found for found in given if not isinstance(found[0], list)), None)
            names = [name for ids, _ in given if isinstance(ids, list) for name in ids]
            fields["context"] = odd or (names, given[0][1])
        self._parts.task("task", fields, place)


def _model(written: object) -> object:
    """Return ``openai/gpt-4o`` for ``OpenAI: gpt-4o``."""
    if not isinstance(written, str) or ": " not in written:
        return written
    provider, _, model = written.partition(": ")
    return f"{provider.lower()}/{model}"
