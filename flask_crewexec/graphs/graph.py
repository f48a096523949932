"""The validated graph: resolved, immutable, ready to build a crew from."""

from __future__ import annotations

import typing as t
from collections.abc import Mapping
from dataclasses import dataclass
from dataclasses import field
from dataclasses import replace
from functools import cached_property

from .approval import GraphApproval
from .approval import Never
from .input_types import Declaration
from .placeholders import count_placeholders
from .placeholders import fill
from .placeholders import find_placeholders
from .question import QuestionTerms
from .review import Review

if t.TYPE_CHECKING:
    from .call_estimate import ModelCalls

Process = t.Literal["sequential", "hierarchical"]

OnUnknown = t.Literal["repeat", "ask", "fail"]
"""What to do with a tool call that was interrupted, so that nobody knows whether it has acted."""


def strictest(*values: OnUnknown | None) -> OnUnknown:
    """Return the strictest of these; None means that nothing is demanded."""
    known: tuple[OnUnknown, ...] = t.get_args(OnUnknown)
    return max((each for each in values if each), key=known.index, default="repeat")


DEFAULT_MODEL = "default"
"""The registered model of agents without an ``llm`` edge."""

MANAGER_MAX_ITER: t.Final = 25
"""``max_iter`` of CrewAI's own manager."""


@dataclass(frozen=True)
class LlmNode:
    """A registered model with its parameters."""

    id: str
    name: str
    temperature: float | None = None
    max_tokens: int | None = None


@dataclass(frozen=True)
class AgentNode:
    """An agent with its model and tools."""

    id: str
    role: str
    goal: str
    backstory: str
    allow_delegation: bool
    max_iter: int
    llm: LlmNode | None
    """``None`` means the model named :data:`DEFAULT_MODEL`."""
    tools: tuple[str, ...]
    """Names of registered tools."""
    reasoning: bool = False
    """Whether it plans before each task."""
    max_reasoning_attempts: int = 3
    """Maximum number of attempts to make a plan."""
    inject_date: bool = False
    """Whether its prompts contain the current date."""

    TEXTS: t.ClassVar = ("role", "goal", "backstory")
    """The fields with placeholders."""

    @property
    def texts(self) -> tuple[str, ...]:
        """The texts of these fields."""
        return (self.role, self.goal, self.backstory)

    def filled(self, values: Mapping[str, str]) -> AgentNode:
        """Return the agent with placeholders replaced by *values*."""
        return _filled(self, values)


@dataclass(frozen=True)
class Guardrail:
    """A check of answers: a registered function, or a rule that a model judges."""

    name: str | None = None
    text: str | None = None
    rendered_rule: str | None = None
    """The text with placeholders replaced."""

    @property
    def label(self) -> str:
        """Name of the guardrail in messages."""
        return self.name or self.text or ""

    def filled(self, values: Mapping[str, str]) -> Guardrail:
        """Return the guardrail with placeholders replaced by *values*."""
        return self if self.text is None else replace(self, rendered_rule=fill(self.text, values))


@dataclass(frozen=True)
class TaskNode:
    """A task of the crew."""

    id: str
    name: str
    description: str
    expected_output: str
    agent_id: str | None
    """``None`` only in a hierarchical graph, where the manager chooses the agent."""
    context: tuple[str, ...]
    """Ids of the tasks whose outputs this one reads, in execution order."""
    tools: tuple[str, ...]
    """Names of registered tools."""
    condition: str | None = None
    """Registered predicate that decides by the previous output whether the task runs."""
    is_async: bool = False
    """Whether the following tasks, up to the next synchronous one, need not wait for this one."""
    markdown: bool = False
    """Whether to answer in Markdown."""
    output_schema: Mapping[str, t.Any] | None = field(default=None, hash=False)
    """JSON Schema of the object that the answer must be."""
    guardrails: tuple[Guardrail, ...] = ()
    """Checks that an answer must pass, in this order."""
    guardrail_max_retries: int = 3
    """Maximum number of further answers after a failed check."""
    review: Review | None = None
    """What a person is asked about an answer that passes."""

    @property
    def is_checked(self) -> bool:
        """Whether answers are checked."""
        return bool(self.output_schema is not None or self.guardrails or self.review)

    @property
    def max_answers(self) -> int:
        """Maximum number of answers, where checks refuse them or a person demands changes."""
        is_judged = self.output_schema is not None or self.guardrails
        per_round = 1 + self.guardrail_max_retries if is_judged else 1
        return per_round * (1 if self.review is None else self.review.max_drafts)

    TEXTS: t.ClassVar = ("description", "expected_output")
    """The fields with placeholders; rules of guardrails and the review have some, too."""

    @property
    def texts(self) -> tuple[str, ...]:
        """The texts of these fields."""
        rules = (guardrail.text for guardrail in self.guardrails if guardrail.text)
        message = None if self.review is None else self.review.message
        return (self.description, self.expected_output, *rules, *([message] if message else []))

    def filled(self, values: Mapping[str, str]) -> TaskNode:
        """Return the task with placeholders replaced by *values*."""
        guardrails = tuple(each.filled(values) for each in self.guardrails)
        review = self.review and self.review.filled(values)
        return replace(_filled(self, values), guardrails=guardrails, review=review)


class Reference(t.NamedTuple):
    """A place in the document that uses a registered name."""

    kind: t.Literal["tool", "model", "default-model", "guardrail", "predicate"]
    name: str
    pointer: str
    max_tokens: int | None = None
    """Maximum number of tokens of an answer of the model, if the document sets one."""
    on_unknown: OnUnknown | None = None
    """What to do with an interrupted call of the tool, if the document says so."""
    approval: GraphApproval | Never | None = None
    """How people are asked before each call of the tool, if the document says so."""
    question: QuestionTerms | None = None
    """How people are asked by the tool, if the document says so."""


@dataclass(frozen=True)
class Graph:
    """A crew: its agents, and its tasks in execution order."""

    name: str
    process: Process
    agents: tuple[AgentNode, ...]
    """In document order, without the manager, which CrewAI does not accept among the agents."""
    tasks: tuple[TaskNode, ...]
    """In execution order: each after the tasks that it reads, otherwise in document order."""
    manager: AgentNode | LlmNode | None
    """Only in a hierarchical graph. A model means CrewAI's own manager agent with this model."""
    references: tuple[Reference, ...] = field(repr=False)
    """All uses of registered names in the document."""
    declared: tuple[Declaration, ...] = ()
    """Declared inputs; if there are none, all placeholders are inputs."""
    planner: str | None = None
    """Registered model that plans the crew before it starts, if planning is on."""

    @cached_property
    def inputs(self) -> tuple[str, ...]:
        """The names of the inputs that a run takes: as declared, else sorted."""
        return tuple(each.name for each in self.declared) or self.placeholders

    @cached_property
    def model_calls(self) -> ModelCalls:
        """The estimated number of model calls of an attempt."""
        from .call_estimate import estimate_calls  # which reads graphs

        return estimate_calls(self)

    @cached_property
    def placeholders(self) -> tuple[str, ...]:
        """The names of the placeholders in the texts, sorted."""
        return find_placeholders(self._texts)

    @property
    def on_unknown(self) -> Mapping[str, OnUnknown]:
        """What the document says of interrupted calls of tools, by their names."""
        found: dict[str, OnUnknown] = {}
        for each in self.references:
            if each.on_unknown is not None:
                found[each.name] = strictest(found.get(each.name), each.on_unknown)
        return found

    @property
    def approvals(self) -> Mapping[str, GraphApproval]:
        """What the document demands of calls of tools, by their names."""
        return {
            each.name: each.approval
            for each in self.references
            if isinstance(each.approval, GraphApproval)
        }

    @property
    def question(self) -> QuestionTerms:
        """How people are asked what agents want to know."""
        found = (each.question for each in self.references if each.question)
        return next(found, QuestionTerms())

    @property
    def coworkers(self) -> tuple[AgentNode, ...]:
        """The agents without a task, which work only if others delegate to them."""
        busy = {task.agent_id for task in self.tasks}
        return tuple(agent for agent in self.agents if agent.id not in busy)

    def filled(self, values: Mapping[str, str]) -> Graph:
        """Return the graph with placeholders replaced by *values*."""
        manager = self.manager
        return replace(
            self,
            agents=tuple(agent.filled(values) for agent in self.agents),
            tasks=tuple(task.filled(values) for task in self.tasks),
            manager=manager.filled(values) if isinstance(manager, AgentNode) else manager,
        )

    def filled_length(self, values: Mapping[str, str]) -> int:
        """Return the number of characters in the texts of :meth:`filled`."""
        length = self._length
        for name, count in self._placeholder_counts.items():
            if name in values:
                length += count * (len(values[name]) - len(name) - len("{}"))
        return length

    @cached_property
    def _length(self) -> int:
        return sum(map(len, self._texts))

    @cached_property
    def _placeholder_counts(self) -> Mapping[str, int]:
        return count_placeholders(self._texts)

    @property
    def _texts(self) -> list[str]:
        nodes: list[AgentNode | TaskNode] = [*self.agents, *self.tasks]
        if isinstance(self.manager, AgentNode):
            nodes.append(self.manager)
        return [text for node in nodes for text in node.texts]


_Node = t.TypeVar("_Node", AgentNode, TaskNode)


def _filled(node: _Node, values: Mapping[str, str]) -> _Node:
    texts: dict[str, t.Any] = {name: fill(getattr(node, name), values) for name in node.TEXTS}
    return replace(node, **texts)
