"""A graph that has passed every check: resolved, immutable, ready for translation."""

from __future__ import annotations

import typing as t
from collections.abc import Mapping
from dataclasses import dataclass
from dataclasses import field
from dataclasses import replace
from functools import cached_property

from .declarations import Declaration
from .placeholders import fill
from .placeholders import filled_length
from .placeholders import find_placeholders

Process = t.Literal["sequential", "hierarchical"]

DEFAULT_MODEL = "default"
"""The registered model of every agent that has no ``llm`` edge."""


MANAGER_MAX_ITER: t.Final = 25
"""``max_iter`` of CrewAI's own manager."""


@dataclass(frozen=True)
class LlmNode:
    """A registered model and how to call it."""

    id: str
    name: str
    temperature: float | None = None
    max_tokens: int | None = None


@dataclass(frozen=True)
class AgentNode:
    """An agent, the model it thinks with and the tools it may use."""

    id: str
    role: str
    goal: str
    backstory: str
    allow_delegation: bool
    max_iter: int
    llm: LlmNode | None
    """``None`` stands for the model named :data:`DEFAULT_MODEL`."""
    tools: tuple[str, ...]
    """Names of registered tools."""

    TEXTS: t.ClassVar = ("role", "goal", "backstory")
    """The fields in which inputs are filled in."""


@dataclass(frozen=True)
class TaskNode:
    """One task of the crew."""

    id: str
    name: str
    description: str
    expected_output: str
    agent_id: str | None
    """``None`` only in a hierarchical graph, where the manager chooses."""
    context: tuple[str, ...]
    """Ids of the tasks whose outputs this one reads, in execution order. Empty: it reads none."""
    tools: tuple[str, ...]
    """Names of registered tools."""

    TEXTS: t.ClassVar = ("description", "expected_output")
    """The fields in which inputs are filled in."""


class Reference(t.NamedTuple):
    """A place in the document that needs a registered tool or model."""

    kind: t.Literal["tool", "model", "default-model"]
    name: str
    pointer: str


@dataclass(frozen=True)
class Graph:
    """A crew: who works on what, in which order."""

    name: str
    process: Process
    agents: tuple[AgentNode, ...]
    """In document order, without the manager: CrewAI refuses a manager among its own agents."""
    tasks: tuple[TaskNode, ...]
    """In execution order: each after the tasks that it reads, else as in the document."""
    manager: AgentNode | LlmNode | None
    """Present in a hierarchical graph only. A model here means CrewAI's own manager agent."""
    references: tuple[Reference, ...] = field(repr=False)
    """Every name that the host has to know, and where the document uses it."""
    declared: tuple[Declaration, ...] = ()
    """What the document says of its inputs; without any, all placeholders are inputs."""

    @cached_property
    def inputs(self) -> tuple[str, ...]:
        """The names of the inputs that a run takes, sorted."""
        return tuple(each.name for each in self.declared) or self.placeholders

    @cached_property
    def placeholders(self) -> tuple[str, ...]:
        """The names of the inputs that texts use, sorted."""
        return find_placeholders(self._texts)

    def filled(self, values: Mapping[str, str]) -> Graph:
        """Return the graph with *values* in place of placeholders."""
        manager = self.manager
        return replace(
            self,
            agents=tuple(_filled(agent, values) for agent in self.agents),
            tasks=tuple(_filled(task, values) for task in self.tasks),
            manager=_filled(manager, values) if isinstance(manager, AgentNode) else manager,
        )

    def filled_length(self, values: Mapping[str, str]) -> int:
        """Return how many characters the texts of :meth:`filled` would have."""
        return sum(filled_length(text, values) for text in self._texts)

    @property
    def _texts(self) -> list[str]:
        workers: list[AgentNode | TaskNode] = [*self.agents, *self.tasks]
        if isinstance(self.manager, AgentNode):
            workers.append(self.manager)
        return [getattr(worker, name) for worker in workers for name in worker.TEXTS]


_Worker = t.TypeVar("_Worker", AgentNode, TaskNode)


def _filled(worker: _Worker, values: Mapping[str, str]) -> _Worker:
    texts: dict[str, t.Any] = {name: fill(getattr(worker, name), values) for name in worker.TEXTS}
    return replace(worker, **texts)
