"""Agents, tasks and managers as CrewAI writes them, be it in JSON or in YAML."""

from __future__ import annotations

import typing as t
from collections.abc import Mapping
from collections.abc import Sequence

from ..graph import DEFAULT_MODEL
from ..problem_messages import kind_of
from ..problem_messages import listing
from ..problem_messages import quote
from .crewai_fields import AGENT
from .crewai_fields import Fields
from .crewai_fields import fields_of
from .crewai_fields import keep_carried
from .crewai_fields import MODEL
from .crewai_fields import TASK
from .draft import Draft
from .guardrails import read_checks
from .import_result import Json
from .import_result import Place
from .name_mapping import Names

MAX_ITER: t.Final = 25
"""What CrewAI takes where an agent says nothing."""
_SAID: t.Final = ("name", "description", "expected_output", "markdown", "guardrail_max_retries")
"""Fields of tasks that say the same in a graph."""
_MAX_PARTS: t.Final = 200
_MAX_EDGES: t.Final = 1000


class Parts:
    """Turns CrewAI's parts into nodes and edges of a draft."""

    def __init__(self, draft: Draft, names: Names) -> None:
        self.agents: dict[str, str] = {}
        """The nodes of agents by their names in the files."""
        self._draft = draft
        self._names = names
        self._delegating: set[str] = set()
        self._tasks: dict[str, str] = {}
        self._last_sync: str | None = None
        self._task_ids: list[str] = []
        self._shared: dict[tuple[object, ...], str] = {}

    def fits(self, parts: Sequence[object] | Mapping[str, object], place: Place) -> bool:
        """Tell whether there are few enough *parts* to look at."""
        if len(parts) > _MAX_PARTS:
            detail = f"There are {len(parts)} of them; at most {_MAX_PARTS} are allowed."
            self._draft.refuse(place, "too-many", detail, breaks=True)
        return len(parts) <= _MAX_PARTS

    def members(self, value: object, place: Place) -> Json | None:
        """Return *value* if it is an object."""
        if isinstance(value, dict):
            return value
        self._wrong_type(place, "an object", value)
        return None

    def agent(self, name: str, fields: Fields, place: Place) -> None:
        """Add an agent with its model and tools."""
        kept = keep_carried(fields, AGENT, self._draft)
        given = {key: found for key, found in kept.items() if key not in ("llm", "tools")}
        data = {key: value for key, (value, _) in given.items() if value is not None}
        data.setdefault("max_iter", MAX_ITER)
        places = {key: at for key, (_, at) in given.items()}
        id = self._draft.node(name, "agent", data, place, places)
        self.agents[name] = id
        if data.get("allow_delegation"):
            self._delegating.add(id)
        if kept.value("llm") is not None:
            self.model(*kept["llm"], [id])
        self._tools(kept, id)

    def task(self, wanted: str, fields: Fields, place: Place) -> None:
        """Add a task behind those that are there; without a name it is called *wanted*."""
        kept = keep_carried(fields, TASK, self._draft)
        given = {key: kept[key] for key in _SAID if key in kept}
        checks, rules = read_checks(kept, self._draft)
        given.update(checks)
        if self._is_async(kept):
            given["async"] = kept["async_execution"]
        data = {key: value for key, (value, _) in given.items() if value is not None}
        places = {**{key: at for key, (_, at) in given.items()}, **rules}
        name = data.get("name")
        id = self._draft.node(
            name if isinstance(name, str) and name else wanted, "task", data, place, places
        )
        if name == id:
            del data["name"]
        self._assign(kept, id)
        self._tools(kept, id)
        self._read_context(kept, id, place, "async" in given)
        self._task_ids.append(id)
        if "async" not in given:
            self._last_sync = id
        if isinstance(name, str):
            self._tasks.setdefault(name, id)

    def plan(self, fields: Fields) -> None:
        """Let a model plan the crew, if its *fields* say so."""
        planning, place = fields.get("planning", (None, Place("")))
        if planning not in (None, False):
            self._draft.top["planning"] = planning
            self._draft.origins["/planning"] = place
        value, place = fields.get("planning_llm", (None, Place("")))
        if value is None:
            return
        if not planning:
            detail = "Nothing is planned, so 'planning_llm' is left out."
            self._draft.note(place, "not-carried", detail)
        elif found := self._read_model(value, place):
            self._plan_with(*found, place)

    def _plan_with(self, written: str, options: Fields, place: Place) -> None:
        name = self._names.model(written)
        if name is None:
            self._draft.note(place, "model-replaced", self._replaced(written))
        for option, (_, at) in options.items():
            detail = f"The host says how the model plans, so {quote(option)} is left out."
            self._draft.note(at, "not-carried", detail)
        self._draft.top["planning_model"] = name or DEFAULT_MODEL
        self._draft.origins["/planning_model"] = place

    def _is_async(self, kept: Fields) -> bool:
        value, place = kept.get("async_execution", (None, Place("")))
        if value in (None, False):
            return False
        managed = self._draft.top.get("process") == "hierarchical"
        agent = kept.value("agent")
        if managed or (isinstance(agent, str) and self.agents.get(agent) in self._delegating):
            why = "A manager does" if managed else "Agents that may delegate do"
            detail = f"{why} one task after the other, so 'async_execution' is left out."
            self._draft.note(place, "not-carried", detail)
            return False
        return True

    def model(
        self, value: object, place: Place, targets: Sequence[str], type: str | None = None
    ) -> None:
        """Connect agents to a model, with *type* "manager" as the one that manages them."""
        found = self._read_model(value, place)
        if found is None:
            return
        written, options = found
        name = self._names.model(written)
        if name is None:
            self._draft.note(place, "model-replaced", self._replaced(written))
        if name is not None or options or type:
            data = {"name": name or DEFAULT_MODEL, **{key: v for key, (v, _) in options.items()}}
            places = {"name": place, **{key: at for key, (_, at) in options.items()}}
            node = self._node("llm", data, place, places)
            for target in targets:
                self._draft.edge(node, target, place, type)

    def manage(self, manager: str | None, place: Place, value: object = None) -> None:
        """Let an agent, or CrewAI's own manager on the model *value*, manage the other agents."""
        workers = [id for name, id in self.agents.items() if name != manager]
        if manager is None:
            self.model(value, place, workers, "manager")
            return
        for worker in workers:
            self._draft.edge(self.agents[manager], worker, place, "manager")

    def check_edges(self, place: Place) -> None:
        """Refuse tasks that read so much of each other that no graph can show it."""
        count = len(self._draft.document["edges"])
        if count > _MAX_EDGES:
            self._draft.refuse(
                place,
                "too-many",
                f"This makes {count} edges; at most {_MAX_EDGES} are allowed. A task without"
                " 'context' reads all tasks before it. Write 'context' with those that it needs.",
                breaks=True,
            )

    def _replaced(self, written: str) -> str:
        known = listing(sorted(self._names.known_models or ()))
        return (
            f"There is no model {quote(written)}, so {quote(DEFAULT_MODEL)} is used."
            f" Registered are {known}; 'models' maps names to them."
        )

    def _read_model(self, value: object, place: Place) -> tuple[str, Fields] | None:
        if isinstance(value, str):
            return value, Fields()
        if (members := self.members(value, place)) is None:
            return None
        fields = members if isinstance(members, Fields) else fields_of(members, place)
        kept = keep_carried(fields, MODEL, self._draft)
        model, provider = kept.value("model"), kept.value("provider")
        if not isinstance(model, str):
            self._wrong_type(
                kept.get("model", (None, place / "model"))[1], "the name of a model", model
            )
            return None
        if isinstance(provider, str) and provider and "/" not in model:
            model = f"{provider}/{model}"
        options = ("temperature", "max_tokens")
        return model, Fields({key: kept[key] for key in options if kept.value(key) is not None})

    def _tools(self, kept: Fields, target: str) -> None:
        tools, place = kept.get("tools", (None, Place("")))
        if tools is None:
            return
        if not isinstance(tools, list):
            self._wrong_type(place, "a list of names", tools)
            return
        used: set[str] = set()
        for index, tool in enumerate(tools):
            said, at = tool if isinstance(tool, tuple) else (tool, place / index)
            name = self._tool_name(said, at)
            if name is not None and name not in used:
                used.add(name)
                node = self._node("tool", {"name": name}, at, {"name": at})
                self._draft.edge(node, target, at)

    def _tool_name(self, tool: object, place: Place) -> str | None:
        if not isinstance(tool, str):
            detail = "A tool with settings is refused. Name a registered tool instead."
            self._draft.refuse(place, "code-reference", detail)
            return None
        name = self._names.tool(tool)
        if name == tool and ":" in tool and not tool.startswith("platform:"):
            detail = f"The tool {quote(tool)} names code. Name a registered tool instead."
            self._draft.refuse(place, "code-reference", detail)
            return None
        return name

    def _node(self, type: str, data: Json, place: Place, places: Mapping[str, Place]) -> str:
        """Return the node of a tool or model, the same for all that use it alike."""
        key = (type, *(f"{name}={value!r}" for name, value in data.items()))
        if key not in self._shared:
            wanted = f"{type}:{data['name']}"
            self._shared[key] = self._draft.node(wanted, type, data, place, places)
        return self._shared[key]

    def _assign(self, kept: Fields, id: str) -> None:
        agent, place = kept.get("agent", (None, Place("")))
        if agent is None:
            return
        if not isinstance(agent, str) or agent not in self.agents:
            self._unknown(place, "agent", agent, self.agents)
        else:
            self._draft.edge(self.agents[agent], id, place)

    def _read_context(self, kept: Fields, id: str, place: Place, is_async: bool) -> None:
        if "context" not in kept:
            # CrewAI's tasks read all that came before, unless they say otherwise; those that run
            # beside others read the last one that did not.
            last = [self._last_sync] if self._last_sync else []
            for earlier in last if is_async else self._task_ids:
                self._draft.edge(earlier, id, place)
            return
        context, place = kept["context"]
        if context is not None and not isinstance(context, list):
            self._wrong_type(place, "a list of names", context)
            return
        used: set[str] = set()
        for index, name in enumerate(context or ()):
            if not isinstance(name, str) or name not in self._tasks:
                self._unknown(place / index, "task", name, self._tasks, " before this one")
            elif name not in used:
                used.add(name)
                self._draft.edge(self._tasks[name], id, place / index)

    def _unknown(
        self, place: Place, kind: str, name: object, known: Mapping[str, str], where: str = ""
    ) -> None:
        said = quote(name) if isinstance(name, str) else f"called {kind_of(name)}"
        detail = f"There is no {kind} {said}{where}. Those are {listing(known)}."
        self._draft.refuse(place, f"unknown-{kind}", detail, breaks=True)

    def _wrong_type(self, place: Place, wanted: str, value: object) -> None:
        detail = f"This must be {wanted}, not {kind_of(value)}."
        self._draft.refuse(place, "wrong-type", detail, breaks=True)
