"""Agents, tasks and managers with CrewAI's fields, read from JSON or YAML."""

from __future__ import annotations

import typing as t
from collections.abc import Mapping
from collections.abc import Sequence

from ..problem_messages import kind_of
from ..problem_messages import listing
from ..problem_messages import quote
from .crew_resources import CrewResources
from .crewai_fields import AGENT
from .crewai_fields import TASK
from .draft import Draft
from .guardrails import read_checks
from .import_result import Place
from .name_mapping import Names
from .supported_fields import Fields
from .supported_fields import keep_supported

MAX_ITER: t.Final = 25
"""CrewAI's default of an agent's ``max_iter``."""
_SAME_FIELDS: t.Final = (
    "name",
    "description",
    "expected_output",
    "markdown",
    "guardrail_max_retries",
)
"""Fields of tasks that graphs have, too."""
_MAX_PARTS: t.Final = 200
_MAX_EDGES: t.Final = 1000


class CrewParts:
    """Adds CrewAI's agents, tasks and managers to a draft, as nodes and edges."""

    def __init__(self, draft: Draft, names: Names) -> None:
        self.agents: dict[str, str] = {}
        """The nodes of agents by their names in the files."""
        self.resources = CrewResources(draft, names)
        self._draft = draft
        self._delegating: set[str] = set()
        self._tasks: dict[str, str] = {}
        self._last_sync: str | None = None
        self._task_ids: list[str] = []

    def has_valid_size(self, parts: Sequence[object] | Mapping[str, object], place: Place) -> bool:
        """Return whether there are not too many *parts*, and report it otherwise."""
        if len(parts) > _MAX_PARTS:
            detail = f"There are {len(parts)} of them; at most {_MAX_PARTS} are allowed."
            self._draft.refuse(place, "too-many", detail, breaks=True)
        return len(parts) <= _MAX_PARTS

    def add_agent(self, name: str, fields: Fields, place: Place) -> None:
        """Add an agent with its model and tools."""
        kept = keep_supported(fields, AGENT, self._draft)
        given = {key: found for key, found in kept.items() if key not in ("llm", "tools")}
        data = {key: value for key, (value, _) in given.items() if value is not None}
        data.setdefault("max_iter", MAX_ITER)
        places = {key: at for key, (_, at) in given.items()}
        id = self._draft.add_node(name, "agent", data, place, places)
        self.agents[name] = id
        if data.get("allow_delegation"):
            self._delegating.add(id)
        if kept.value("llm") is not None:
            self.resources.connect_model(*kept["llm"], [id])
        self.resources.connect_tools(kept, id)

    def add_task(self, default_name: str, fields: Fields, place: Place) -> None:
        """Add a task after the existing ones."""
        kept = keep_supported(fields, TASK, self._draft)
        given, rule_places = self._task_fields(kept)
        is_async = "async" in given
        id = self._add_task_node(default_name, given, rule_places, place)
        self._assign(kept, id)
        self.resources.connect_tools(kept, id)
        self._read_context(kept, id, place, is_async)
        self._task_ids.append(id)
        if not is_async:
            self._last_sync = id
        name = given.get("name", (None, place))[0]
        if isinstance(name, str):
            self._tasks.setdefault(name, id)

    def _task_fields(self, kept: Fields) -> tuple[Fields, dict[str, Place]]:
        """Return the data of a task's node, and the places of its rules."""
        given = Fields({key: kept[key] for key in _SAME_FIELDS if key in kept})
        checks, rule_places = read_checks(kept, self._draft)
        given.update(checks)
        if self._is_async(kept):
            given["async"] = kept["async_execution"]
        return given, rule_places

    def _add_task_node(
        self, default_name: str, given: Fields, rule_places: Mapping[str, Place], place: Place
    ) -> str:
        data = {key: value for key, (value, _) in given.items() if value is not None}
        places = {**{key: at for key, (_, at) in given.items()}, **rule_places}
        name = data.get("name")
        wanted = name if isinstance(name, str) and name else default_name
        id = self._draft.add_node(wanted, "task", data, place, places)
        if name == id:
            del data["name"]
        return id

    def _is_async(self, kept: Fields) -> bool:
        value, place = kept.get("async_execution", (None, Place("")))
        if value in (None, False):
            return False
        managed = self._draft.top.get("process") == "hierarchical"
        agent = kept.value("agent")
        if managed or (isinstance(agent, str) and self.agents.get(agent) in self._delegating):
            who = "A manager runs" if managed else "Agents that may delegate run"
            detail = f"{who} one task at a time, so 'async_execution' is left out."
            self._draft.add_note(place, "left-out", detail)
            return False
        return True

    def add_manager(self, manager: str | None, place: Place, model: object = None) -> None:
        """Let an agent, or CrewAI's own manager with a *model*, manage the other agents."""
        others = [id for name, id in self.agents.items() if name != manager]
        if manager is None:
            self.resources.connect_model(model, place, others, "manager")
            return
        for other in others:
            self._draft.add_edge(self.agents[manager], other, place, "manager")

    def check_edges(self, place: Place) -> None:
        """Refuse tasks that read so many others that a graph would have too many edges."""
        count = len(self._draft.document["edges"])
        if count > _MAX_EDGES:
            self._draft.refuse(
                place,
                "too-many",
                f"This makes {count} edges; at most {_MAX_EDGES} are allowed. A task without"
                " 'context' reads all tasks before it. Add 'context' with those that it needs.",
                breaks=True,
            )

    def _assign(self, kept: Fields, id: str) -> None:
        agent, place = kept.get("agent", (None, Place("")))
        if agent is None:
            return
        if not isinstance(agent, str) or agent not in self.agents:
            self._refuse_unknown(place, "agent", agent, self.agents)
        else:
            self._draft.add_edge(self.agents[agent], id, place)

    def _read_context(self, kept: Fields, id: str, place: Place, is_async: bool) -> None:
        if "context" not in kept:
            self._add_default_context(id, place, is_async)
            return
        context, place = kept["context"]
        if context is not None and not isinstance(context, list):
            self._draft.refuse_type(place, "a list of names", context)
            return
        used: set[str] = set()
        for index, name in enumerate(context or ()):
            if not isinstance(name, str) or name not in self._tasks:
                self._refuse_unknown(place / index, "task", name, self._tasks, " before this one")
            elif name not in used:
                used.add(name)
                self._draft.add_edge(self._tasks[name], id, place / index)

    def _add_default_context(self, id: str, place: Place, is_async: bool) -> None:
        # By default CrewAI's tasks read all outputs before them; async tasks only read the output
        # of the last synchronous task.
        last = [self._last_sync] if self._last_sync else []
        for earlier in last if is_async else self._task_ids:
            self._draft.add_edge(earlier, id, place)

    def _refuse_unknown(
        self, place: Place, kind: str, name: object, known: Mapping[str, str], where: str = ""
    ) -> None:
        shown = quote(name) if isinstance(name, str) else f"called {kind_of(name)}"
        detail = f"There is no {kind} {shown}{where}. Available: {listing(known)}."
        self._draft.refuse(place, f"unknown-{kind}", detail, breaks=True)
