"""Decides which steps of an execution a fork of it can take over.

A step is taken over if nothing that it depends on has changed: its task, its agents, the inputs
that it uses, and the outputs that it reads. Steps of two versions are the same if their names are.
"""

from __future__ import annotations

import functools
import typing as t
from collections.abc import Collection
from collections.abc import Iterator
from collections.abc import Mapping
from dataclasses import replace

from ..statuses import StepOrigin
from .graph import AgentNode
from .graph import Graph
from .graph import LlmNode
from .graph import TaskNode
from .json_values import digest
from .placeholders import find_placeholders

Reason = t.Literal[
    "from-step",
    "new-step",
    "not-finished",
    "definition-changed",
    "input-changed",
    "plan-changed",
    "output-changed",
]
"""Why a step runs."""


class StepPlan(t.NamedTuple):
    """What a fork does with a step."""

    name: str
    origin: StepOrigin | None
    """None if it runs."""
    reason: Reason | None = None
    """Why it runs."""
    causes: tuple[str, ...] = ()
    """What has changed: parts of the definition, or names of inputs or steps."""


class Crew(t.NamedTuple):
    """A graph with the inputs of an execution."""

    graph: Graph
    inputs: Mapping[str, t.Any]


class Fork(t.NamedTuple):
    """What a fork changes."""

    old: Crew
    new: Crew
    from_step: str | None
    """The first step that runs in any case."""
    edited: Collection[str]
    """Names of the steps whose outputs are replaced."""


def plan_steps(fork: Fork, finished: Collection[str]) -> list[StepPlan]:
    """Return what a fork does with each step, in the order of execution.

    :param finished: names of the steps of which there are outputs.
    """
    planner = _Planner(fork, finished)
    return [planner.plan(task) for task in fork.new.graph.tasks]


def keeps_plan(fork: Fork) -> bool:
    """Return whether what the crew's planner has planned is still valid."""
    return not _Planner(fork, ()).plan_changed


class _Planner:
    """Plans one step after the other, in the order of execution."""

    def __init__(self, fork: Fork, finished: Collection[str]) -> None:
        self._fork = fork
        self._finished = finished
        self._old, self._new = fork.old.graph, fork.new.graph
        self._changed_inputs = _changed_inputs(fork.old.inputs, fork.new.inputs)
        self._only_for_functions = self._changed_inputs - {
            *self._old.placeholders,
            *self._new.placeholders,
        }
        self._is_past = False
        self._unchanged: set[str] = set()

    @functools.cached_property
    def plan_changed(self) -> bool:
        """Whether a planner plans the crew, and would plan it otherwise now."""
        if self._old.planner is None and self._new.planner is None:
            return False
        used = self._changed_inputs.intersection(self._new.placeholders)
        return bool(used) or _whole(self._old) != _whole(self._new)

    def plan(self, task: TaskNode) -> StepPlan:
        self._is_past = self._is_past or task.name == self._fork.from_step
        if task.name in self._fork.edited:
            return StepPlan(task.name, StepOrigin.EDITED)
        for reason, causes in self._obstacles(task):
            return StepPlan(task.name, None, reason, causes)
        self._unchanged.add(task.name)
        return StepPlan(task.name, StepOrigin.REUSED)

    def _obstacles(self, task: TaskNode) -> Iterator[tuple[Reason, tuple[str, ...]]]:
        """Yield why a step cannot be taken over."""
        former = next((each for each in self._old.tasks if each.name == task.name), None)
        if self._is_past:
            yield "from-step", ()
        if former is None:
            yield "new-step", ()
            return
        if task.name not in self._finished:
            yield "not-finished", ()
        if parts := _differences(_parts(self._old, former), _parts(self._new, task)):
            yield "definition-changed", parts
        if inputs := self._inputs_of(task):
            yield "input-changed", inputs
        if self.plan_changed:
            yield "plan-changed", ()
        if steps := tuple(each for each in _reads(self._new, task) if each not in self._unchanged):
            yield "output-changed", steps

    def _inputs_of(self, task: TaskNode) -> tuple[str, ...]:
        """Return the changed inputs that may reach a step.

        Those that no text uses are there for the host's functions.
        """
        agents = _agents(self._new, task)
        texts = [*task.texts, *(text for agent in agents for text in agent.texts)]
        used = self._changed_inputs.intersection(find_placeholders(texts))
        if _calls_functions(task, agents):
            used |= self._only_for_functions
        return tuple(sorted(used))


def _changed_inputs(old: Mapping[str, t.Any], new: Mapping[str, t.Any]) -> set[str]:
    both = {name for name in old if name in new and digest(old[name]) == digest(new[name])}
    return {*old, *new} - both


def _calls_functions(task: TaskNode, agents: Collection[AgentNode]) -> bool:
    """Return whether a step may call tools, guardrails or predicates, which can read all inputs."""
    is_guarded = any(each.name is not None for each in task.guardrails)
    has_tools = bool(task.tools) or any(agent.tools for agent in agents)
    return has_tools or is_guarded or task.condition is not None


def _parts(graph: Graph, task: TaskNode) -> dict[str, object]:
    """Return what a step is defined by, without the ids of nodes, under the names of the parts."""
    manager = graph.manager
    return {
        "task": replace(task, id="", agent_id=None, context=()),
        "context": _reads(graph, task),
        "agents": tuple(map(_without_id, _agents(graph, task))),
        "manager": None if manager is None else _without_id(manager),
    }


def _agents(graph: Graph, task: TaskNode) -> tuple[AgentNode, ...]:
    """Return the agents that may do a step: its own, or all where work is delegated."""
    own = [agent for agent in graph.agents if agent.id == task.agent_id]
    if graph.manager is None and not any(agent.allow_delegation for agent in own):
        return tuple(own)
    manager = [graph.manager] if isinstance(graph.manager, AgentNode) else []
    others = [agent for agent in graph.agents if agent not in own]
    return (*own, *others, *manager)


def _without_id(node: AgentNode | LlmNode) -> AgentNode | LlmNode:
    if isinstance(node, AgentNode) and node.llm is not None:
        node = replace(node, llm=replace(node.llm, id=""))
    return replace(node, id="")


def _reads(graph: Graph, task: TaskNode) -> tuple[str, ...]:
    """Return the names of the steps whose outputs a step depends on.

    A condition is asked about the output of the step before.
    """
    names = [each.name for each in graph.tasks if each.id in task.context]
    before = graph.tasks[: graph.tasks.index(task)]
    if task.condition is not None and before and before[-1].name not in names:
        names.append(before[-1].name)
    return tuple(names)


def _differences(old: Mapping[str, object], new: Mapping[str, object]) -> tuple[str, ...]:
    return tuple(name for name in new if old[name] != new[name])


def _whole(graph: Graph) -> object:
    """Return everything that a plan of the whole crew depends on, apart from inputs."""
    return graph.planner, [_parts(graph, task) for task in graph.tasks]
