"""A graph that has passed every check: resolved, immutable, ready for translation."""

from __future__ import annotations

import typing as t
from collections.abc import Mapping
from dataclasses import dataclass
from dataclasses import field
from dataclasses import replace
from functools import cached_property

from .input_types import Declaration
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
    reasoning: bool = False
    """Whether it makes a plan before each task."""
    max_reasoning_attempts: int = 3
    """How often it may better a plan, the first time included."""
    inject_date: bool = False
    """Whether it is told the date."""

    TEXTS: t.ClassVar = ("role", "goal", "backstory")
    """The fields in which inputs are filled in."""

    @property
    def texts(self) -> tuple[str, ...]:
        """What they hold."""
        return (self.role, self.goal, self.backstory)

    def filled(self, values: Mapping[str, str]) -> AgentNode:
        """Return the agent with *values* in place of placeholders."""
        return _filled(self, values)


@dataclass(frozen=True)
class Guardrail:
    """What an answer must hold to: a registered function, or a rule that a model judges by."""

    name: str | None = None
    text: str | None = None
    rendered_rule: str | None = None
    """The text with the inputs filled in."""

    @property
    def label(self) -> str:
        """What messages call it."""
        return self.name or self.text or ""

    def filled(self, values: Mapping[str, str]) -> Guardrail:
        """Return the guardrail with *values* in place of placeholders."""
        return self if self.text is None else replace(self, rendered_rule=fill(self.text, values))


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
    condition: str | None = None
    """Registered predicate that says, of the step before, whether the task is done or skipped."""
    is_async: bool = False
    """Whether the tasks behind it need not wait, up to the next one that is not so, too."""
    markdown: bool = False
    """Whether the answer is to be written in Markdown."""
    output_schema: Mapping[str, t.Any] | None = field(default=None, hash=False)
    """JSON Schema of the object that the answer must be."""
    guardrails: tuple[Guardrail, ...] = ()
    """All of them, in this order, must let an answer pass."""
    guardrail_max_retries: int = 3
    """How often an answer that was refused is made anew."""

    @property
    def is_checked(self) -> bool:
        """Whether answers may be refused."""
        return self.output_schema is not None or bool(self.guardrails)

    TEXTS: t.ClassVar = ("description", "expected_output")
    """The fields in which inputs are filled in; so they are in the rules of guardrails."""

    @property
    def texts(self) -> tuple[str, ...]:
        """What they hold."""
        rules = (guardrail.text for guardrail in self.guardrails if guardrail.text)
        return (self.description, self.expected_output, *rules)

    def filled(self, values: Mapping[str, str]) -> TaskNode:
        """Return the task with *values* in place of placeholders."""
        guardrails = tuple(each.filled(values) for each in self.guardrails)
        return replace(_filled(self, values), guardrails=guardrails)


class Reference(t.NamedTuple):
    """A place in the document that needs something registered."""

    kind: t.Literal["tool", "model", "default-model", "guardrail", "predicate"]
    name: str
    pointer: str
    max_tokens: int | None = None
    """How long the answers of a model may be, where the document says so."""


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
    planner: str | None = None
    """Registered model that plans the whole crew before it begins, if any does."""

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
            agents=tuple(agent.filled(values) for agent in self.agents),
            tasks=tuple(task.filled(values) for task in self.tasks),
            manager=manager.filled(values) if isinstance(manager, AgentNode) else manager,
        )

    def filled_length(self, values: Mapping[str, str]) -> int:
        """Return how many characters the texts of :meth:`filled` would have."""
        return sum(filled_length(text, values) for text in self._texts)

    @property
    def _texts(self) -> list[str]:
        workers: list[AgentNode | TaskNode] = [*self.agents, *self.tasks]
        if isinstance(self.manager, AgentNode):
            workers.append(self.manager)
        return [text for worker in workers for text in worker.texts]


_Worker = t.TypeVar("_Worker", AgentNode, TaskNode)


def _filled(worker: _Worker, values: Mapping[str, str]) -> _Worker:
    texts: dict[str, t.Any] = {name: fill(getattr(worker, name), values) for name in worker.TEXTS}
    return replace(worker, **texts)
