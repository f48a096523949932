"""Agents, tasks and managers with CrewAI's fields, whatever file they come from."""

from __future__ import annotations

import typing as t
from collections.abc import Mapping
from collections.abc import Sequence

from ..problem_messages import kind_of
from ..problem_messages import listing
from ..problem_messages import quote
from ..problem_messages import suggestion
from .agent_fields import agent_data
from .coworkers import connect_coworkers
from .crew_models import CrewModels
from .crew_tools import CrewTools
from .crewai_fields import AGENT
from .crewai_fields import TASK
from .draft import Draft
from .import_result import Json
from .import_result import Place
from .name_mapping import Names
from .supported_fields import Fields
from .supported_fields import keep_supported
from .supported_fields import with_config
from .task_checks import FindSchema
from .task_checks import Rules
from .task_checks import TaskChecks

DEFAULT_OUTPUT: t.Final = "A complete answer to the task."
"""Expected output of tasks that do not say any."""
_SAME_FIELDS: t.Final = ("name", "description", "markdown", "human_input")
"""Fields of tasks that graphs have, too."""
_RETRIES: t.Final = "guardrail_max_retries"
_MAX_PARTS: t.Final = 200
_MAX_EDGES: t.Final = 1000


class CrewParts:
    """Adds CrewAI's agents, tasks and managers to a draft, as nodes and edges."""

    def __init__(self, draft: Draft, names: Names, find_schema: FindSchema | None = None) -> None:
        self.agents: dict[str, str] = {}
        """The nodes of agents by their names in the files."""
        self.models = CrewModels(draft, names)
        self.tools = CrewTools(draft, names)
        self._checks = TaskChecks(draft, names, find_schema or (lambda name, _: names.schema(name)))
        self._draft = draft
        self._places: dict[str, Place] = {}
        self._agents_rules: dict[str, tuple[Rules, Fields]] = {}
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
        kept = keep_supported(with_config(fields, self._draft), AGENT, self._draft)
        id = self._add_node(name, "agent", agent_data(kept, self._draft), place)
        self.agents[name] = id
        self._places[id] = place
        if rules := self._checks.rules(kept):
            self._agents_rules[id] = (rules, kept)
        if kept.value("llm") is not None:
            self.models.connect(*kept["llm"], [id])
        self.tools.connect(kept, id)

    def add_task(self, default_name: str, fields: Fields, place: Place) -> None:
        """Add a task after the existing ones."""
        kept = keep_supported(with_config(fields, self._draft), TASK, self._draft)
        given = self._task_fields(kept, place)
        rules = self._rules(kept, given)
        if rules:
            given["guardrails"] = ([rule for rule, _ in rules], rules[0][1])
        id = self._add_task_node(default_name, given, rules, place)
        self._assign(kept, id)
        self.tools.connect(kept, id)
        self._read_context(kept, id, place, "async" in given)
        self._task_ids.append(id)
        if "async" not in given:
            self._last_sync = id
        name = given.get("name", (None, place))[0]
        if isinstance(name, str):
            self._tasks.setdefault(name, id)

    def _task_fields(self, kept: Fields, place: Place) -> Fields:
        """Return the data of a task's node except guardrails."""
        given = Fields({name: kept[name] for name in _SAME_FIELDS if kept.value(name) is not None})
        if given.value("human_input") is False:
            del given["human_input"]
        given["expected_output"] = self._expected_output(kept, place)
        for name in ("max_retries", _RETRIES):
            if kept.value(name) is not None:
                given[_RETRIES] = kept[name]
        if schema := self._checks.schema(kept):
            given["output_schema"] = schema
        if condition := self._checks.condition(kept):
            given["condition"] = condition
        if self._is_async(kept):
            given["async"] = kept["async_execution"]
        return given

    def _expected_output(self, kept: Fields, place: Place) -> tuple[object, Place]:
        value, at = kept.get("expected_output", (None, place))
        if value is None or (isinstance(value, str) and not value.strip()):
            detail = f"The task does not say what it should give; {quote(DEFAULT_OUTPUT)} is used."
            self._draft.add_note(at, "default-text", f"{detail} Write an 'expected_output'.")
            return DEFAULT_OUTPUT, at
        return value, at

    def _rules(self, kept: Fields, given: Fields) -> Rules:
        """Return the guardrails of a task and of its agent, whose retries count, too."""
        rules = self._checks.rules(kept)
        agent = self._agent_of(kept)
        if agent is not None and agent in self._agents_rules:
            more, fields = self._agents_rules[agent]
            rules = [*rules, *more]
            if _RETRIES not in given and fields.value(_RETRIES) is not None:
                given[_RETRIES] = fields[_RETRIES]
        return rules

    def _add_task_node(self, default_name: str, given: Fields, rules: Rules, place: Place) -> str:
        name = given.value("name")
        wanted = name if isinstance(name, str) and name else default_name
        places = {
            f"guardrails/{at}/{field}": found
            for at, (rule, found) in enumerate(rules)
            for field in rule
        }
        id = self._add_node(wanted, "task", given, place, places)
        if name == id:
            del self._draft.data(id)["name"]
        return id

    def _add_node(
        self,
        wanted: str,
        type: str,
        given: Fields,
        place: Place,
        more_places: Mapping[str, Place] | None = None,
    ) -> str:
        data: Json = {key: value for key, (value, _) in given.items()}
        places = {key: at for key, (_, at) in given.items()}
        return self._draft.add_node(wanted, type, data, place, {**places, **(more_places or {})})

    def _is_async(self, kept: Fields) -> bool:
        value, place = kept.get("async_execution", (None, Place("")))
        if value in (None, False):
            return False
        managed = self._draft.top.get("process") == "hierarchical"
        agent = self._agent_of(kept)
        if managed or (agent and self._draft.data(agent).get("allow_delegation")):
            who = "A manager runs" if managed else "Agents that may delegate run"
            detail = f"{who} one task at a time, so 'async_execution' is left out."
            self._draft.add_note(place, "left-out", detail, "info")
            return False
        return True

    def add_manager(self, manager: str | None, place: Place, model: object = None) -> None:
        """Let an agent, or CrewAI's own manager with a *model*, manage the other agents."""
        others = [id for name, id in self.agents.items() if name != manager]
        if manager is None:
            self.models.connect(model, place, others, "manager")
            return
        for other in others:
            self._draft.add_edge(self.agents[manager], other, place, "manager")

    def finish(self, place: Place) -> None:
        """Connect coworkers, leave out agents that nobody needs, and check the size of the crew.

        :param place: of the tasks.
        """
        if self._draft.top.get("process") == "sequential" and self._task_ids:
            connect_coworkers(self._draft, self._places)
        for id, (rules, _) in self._agents_rules.items():
            self._note_lost_rules(id, rules)
        self._check_edges(place)

    def _note_lost_rules(self, id: str, rules: Rules) -> None:
        edges = self._draft.edges
        tasks = {each["target"] for each in edges if each["source"] == id}
        if id in self._draft and not tasks & {*self._task_ids}:
            detail = "The agent has no task of its own, so nothing checks its answers."
            hint = " Write the guardrail into the tasks whose answers it should check."
            self._draft.add_note(rules[0][1], "guardrail-left-out", detail + hint, "unguarded")

    def _check_edges(self, place: Place) -> None:
        """Refuse tasks that read so many others that a graph would have too many edges."""
        count = len(self._draft.edges)
        if count > _MAX_EDGES:
            self._draft.refuse(
                place,
                "too-many",
                f"This makes {count} edges; at most {_MAX_EDGES} are allowed. A task without"
                " 'context' reads all tasks before it. Add 'context' with those that it needs.",
                breaks=True,
            )

    def _agent_of(self, kept: Fields) -> str | None:
        agent = kept.value("agent")
        return self.agents.get(agent) if isinstance(agent, str) else None

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
        meant = suggestion(name, known) if isinstance(name, str) else ""
        detail = f"There is no {kind} {shown}{where}. Available: {listing(known)}."
        hint = f"{meant}The {kind}s are {listing(known)}."
        self._draft.refuse(place, f"unknown-{kind}", detail, hint, breaks=True)
