"""A graph that has passed every check: resolved, immutable, ready for translation."""

from __future__ import annotations

import typing as t
from collections.abc import Mapping
from dataclasses import dataclass
from dataclasses import field
from functools import cached_property

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

    @property
    def texts(self) -> tuple[str, ...]:
        """The texts in which inputs are filled in."""
        return (self.role, self.goal, self.backstory)


@dataclass(frozen=True)
class Guardrail:
    """What an answer must hold to: a registered function, or a rule that a model judges by."""

    name: str | None = None
    text: str | None = None

    @property
    def title(self) -> str:
        """What it is called."""
        return self.name or self.text or ""


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

    @property
    def texts(self) -> tuple[str, ...]:
        """The texts in which inputs are filled in."""
        rules = (guardrail.text for guardrail in self.guardrails if guardrail.text)
        return (self.description, self.expected_output, *rules)


class Reference(t.NamedTuple):
    """A place in the document that needs something registered."""

    kind: t.Literal["tool", "model", "default-model", "guardrail", "predicate"]
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
    planner: str | None = None
    """Registered model that plans the whole crew before it begins, if any does."""

    @cached_property
    def inputs(self) -> tuple[str, ...]:
        """The names of the inputs that a run needs, sorted."""
        workers: list[AgentNode | TaskNode] = [*self.agents, *self.tasks]
        if isinstance(self.manager, AgentNode):
            workers.append(self.manager)
        return find_placeholders(text for worker in workers for text in worker.texts)
