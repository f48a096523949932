"""Exports of CrewAI-Studio: a JSON file whose parts refer to each other by id."""

from __future__ import annotations

import typing as t
from collections.abc import Mapping

from ..problem_messages import kind_of
from ..problem_messages import listing
from ..problem_messages import quote
from .choose_crew import choose_crew
from .crew_parts import CrewParts
from .crew_tools import ToolUse
from .crewai_fields import CREW
from .crewai_fields import Omission
from .draft import Draft
from .files import Files
from .import_result import FILES
from .import_result import Json
from .import_result import Options
from .import_result import Place
from .name_mapping import Names
from .studio_entities import Entities
from .supported_fields import Fields
from .supported_fields import fields_of
from .supported_fields import keep_supported

Parts = list[tuple[Json, Place]]

_STUDIO_FIELDS: t.Final = frozenset({"id", "created_at"})
"""Fields that only CrewAI-Studio uses."""
_KNOWLEDGE: t.Final = CREW.omitted["knowledge_sources"]
_CREW: t.Final = CREW._replace(
    supported={**CREW.supported, "tools": "tool nodes"},
    omitted={**CREW.omitted, "knowledge_source_ids": _KNOWLEDGE, "inputs": Omission("info", "")},
)
_TOOL_FIELDS: t.Final = ("tool_id", "name", "description", "parameters", "created_at")
_CONTEXT: t.Final = ("context_from_async_tasks_ids", "context_from_sync_tasks_ids")


def read_studio(files: Files, options: Options, names: Names, draft: Draft) -> None:
    """Read the exported file: one crew, or a list of all that is stored."""
    if len(files.texts) != 1:
        detail = f"There are {len(files.texts)} files. Send only the exported one."
        draft.refuse(FILES, "one-file", detail, breaks=True)
        return
    (file,) = files.texts
    value = files.json(file)
    draft.origins[""] = Place(file)
    crew = _one_crew(value, Place(file), options, draft)
    if crew is None:
        draft.broken = True
        return
    fields = keep_supported(crew, _CREW, draft)
    planner, at = fields.get("planning_llm", (None, Place(file)))
    fields["planning_llm"] = (_model(planner), at)
    draft.top["name"] = fields.value("name") or options.name or "crew"
    draft.top["process"] = fields.value("process") or "sequential"
    _StudioReader(draft, names, Place(file), fields).read()


def _one_crew(value: object, place: Place, options: Options, draft: Draft) -> Fields | None:
    """Return the fields of the crew, whose parts are lists of objects or of placed objects."""
    if isinstance(value, list):
        entities = Entities(value, place, draft)
        return choose_crew(entities.crews(), options, draft)
    if value is None or (members := draft.members(value, place)) is None:
        return None
    return _without_studio_fields(members, place)


def _without_studio_fields(value: Json, place: Place) -> Fields:
    return fields_of(
        {key: member for key, member in value.items() if key not in _STUDIO_FIELDS}, place
    )


class _StudioReader:
    """Reads the parts of an exported crew."""

    def __init__(self, draft: Draft, names: Names, place: Place, fields: Fields) -> None:
        self._draft = draft
        self._parts = CrewParts(draft, names)
        self._place = place
        self._fields = fields
        self._tools: dict[str, tuple[str, Json, Place]] = {}

    def read(self) -> None:
        for value, place in self._list("tools"):
            self._read_tool(value, place)
        for value, place in self._list("agents"):
            self._read_agent(value, place)
        self._read_manager()
        self._parts.models.add_planning(self._fields)
        for value, place in self._list("tasks"):
            self._read_task(value, place)
        self._parts.finish(self._place / "tasks")

    def _list(self, name: str) -> Parts:
        """Return the objects in one of the file's lists, with their places."""
        values, place = self._fields.get(name, ([], self._place / name))
        if not isinstance(values, list):
            detail = f"{quote(name)} must be a list, not {kind_of(values)}."
            self._draft.refuse(place, "wrong-type", detail, breaks=True)
            return []
        if not self._parts.has_valid_size(values, place):
            return []
        placed = [
            each if isinstance(each, tuple) else (each, place / at)
            for at, each in enumerate(values)
        ]
        members = [(self._draft.members(value, at), at) for value, at in placed]
        return [(value, at) for value, at in members if value is not None]

    def _id(self, value: Json, key: str, taken: Mapping[str, object], place: Place) -> str | None:
        id = value.get(key)
        if isinstance(id, str) and id and id not in taken:
            return id
        detail = f"{quote(key)} must be a text that is not used as an id elsewhere."
        self._draft.refuse(place / key, "invalid-id", detail, breaks=True)
        return None

    def _read_tool(self, value: Json, place: Place) -> None:
        id = self._id(value, "tool_id", self._tools, place)
        if id is None:
            return
        name = value.get("name")
        if not isinstance(name, str):
            self._draft.refuse_type(place / "name", "the name of a tool", name)
        parameters = value.get("parameters")
        given = {key: each for key, each in value.items() if key not in _TOOL_FIELDS}
        if isinstance(parameters, dict):
            given.update(parameters)
        self._tools[id] = (str(name), given, place / "parameters" if parameters else place)

    def _read_agent(self, value: Json, place: Place) -> None:
        id = self._id(value, "id", self._parts.agents, place)
        if id is None:
            return
        fields = _without_studio_fields(value, place)
        model, at = fields.pop("llm_provider_model", (None, place))
        temperature = fields.pop("temperature", (None, place))
        if model is not None:
            given = Fields({"model": (_model(model), at), "temperature": temperature})
            fields["llm"] = (given, at)
        ids, at = fields.pop("tool_ids", (None, place))
        if isinstance(ids, list):
            ids = [self._tool(id, at / index) for index, id in enumerate(ids)]
        fields["tools"] = (ids, at)
        self._parts.add_agent(id, fields, place)

    def _tool(self, id: object, place: Place) -> ToolUse | str:
        if isinstance(id, str) and id in self._tools:
            name, arguments, at = self._tools[id]
            return ToolUse(name, arguments, options=(id,), place=at)
        detail = f"There is no tool with this id. Available: {listing(self._tools)}."
        self._draft.refuse(place, "unknown-tool", detail, breaks=True)
        return ""

    def _read_manager(self) -> None:
        agent, agent_place = self._fields.get("manager_agent", (None, self._place))
        model, model_place = self._fields.get("manager_llm", (None, self._place))
        if self._draft.top["process"] == "sequential":
            for name in ("manager_agent", "manager_llm"):
                if self._fields.value(name) is not None:
                    detail = f"The process is sequential, so {quote(name)} is left out."
                    self._draft.add_note(self._fields[name][1], "left-out", detail, "info")
        elif isinstance(agent, str) and agent in self._parts.agents:
            self._parts.add_manager(agent, agent_place)
        elif agent is not None:
            detail = f"There is no such agent. Available: {listing(self._parts.agents)}."
            self._draft.refuse(agent_place, "unknown-agent", detail, breaks=True)
        elif model is not None:
            self._parts.add_manager(None, model_place, _model(model))

    def _read_task(self, value: Json, place: Place) -> None:
        id = value.get("id")
        fields = _without_studio_fields(value, place)
        fields["name"] = (id, place / "id")
        fields["agent"] = fields.pop("agent_id", (None, place))
        if context := _context(fields):
            fields["context"] = context
        self._parts.add_task("task", fields, place)


def _context(fields: Fields) -> tuple[object, Place] | None:
    """Remove both lists of context from *fields*; return them as one, or the invalid one."""
    lists = [fields.pop(name) for name in _CONTEXT if name in fields]
    given = [(ids, place) for ids, place in lists if ids]
    if not given:
        return None
    invalid = next((found for found in given if not isinstance(found[0], list)), None)
    names = [name for ids, _ in given if isinstance(ids, list) for name in ids]
    return invalid or (names, given[0][1])


def _model(name: object) -> object:
    """Return ``openai/gpt-4o`` for ``OpenAI: gpt-4o``."""
    if not isinstance(name, str) or ": " not in name:
        return name
    provider, _, model = name.partition(": ")
    return f"{provider.lower()}/{model}"
