"""What a run asks of models, tools and guardrails, and what it writes to."""

from __future__ import annotations

import dataclasses
import typing as t
from collections.abc import Callable
from collections.abc import Mapping
from collections.abc import Sequence

from ...statuses import CallStatus
from ..stop_reasons import StopRun
from ..tool_arguments import as_json
from .journal import StoredCall
from .log import CallError
from .log import OpenCall
from .scopes import Scope

Json = dict[str, t.Any]


@dataclasses.dataclass(frozen=True)
class ModelRequest:
    """A request, whichever model of a chain answers it."""

    scope: Scope
    content: Json
    digest: str
    agent: str | None

    @property
    def again(self) -> ModelRequest:
        """The same request to another model, in which nothing is new."""
        count = self.content["start"] + len(self.content["messages"]) if self.content else 0
        return dataclasses.replace(self, content={"start": count, "messages": []})


class Answer(t.NamedTuple):
    """An answer that can be used."""

    value: object
    """Text, or calls of tools as objects of the provider."""
    finish_reason: str | None
    remembered: Mapping[str, t.Any] = {}
    """What the model's object keeps of it for its next request, if anything."""
    model: str = ""
    """The model of a stored answer."""


@dataclasses.dataclass(frozen=True)
class ToolRequest:
    """A tool call of an answer.

    :param arguments: None if they are not an object.
    :param problem: why it cannot be made, if it cannot.
    :param delegates: whether it starts the work of another agent.
    :param is_written: whether CrewAI has yet to read the tool and its arguments from a text.
    """

    name: str
    arguments: Mapping[str, t.Any] | None
    problem: CallError | None = None
    told: str = ""
    """What the model is told of the problem."""
    delegates: bool = False
    is_written: bool = False

    def content(self, edited: Json | None) -> Json:
        """Return what is stored: what the model has written, and what a person has made of it."""
        content: Json = {"arguments": self.arguments}
        return content if edited is None else {**content, "edited": as_json(edited)}


class PlannedCall(t.NamedTuple):
    """A tool call of an answer, before it is known whether it may be made."""

    scope: Scope
    path: str
    request: ToolRequest
    stored: StoredCall | None
    """Its end in an earlier attempt, if it has ended."""
    interrupted: StoredCall | None
    """The call of an earlier attempt about which somebody must decide, if there is one."""


class Settled(t.NamedTuple):
    """How a tool call is to be made, by what people have decided about it."""

    text: str | None = None
    """What the model is told instead of a call."""
    arguments: Json | None = None
    """Arguments instead of those of the model."""
    error: CallError | None = None
    """Why it is not made, if the model is told so."""
    digest: str | None = None
    """Of the arguments that were settled; None if any count."""
    waits: StopRun | None = None
    """Why it cannot be made yet."""


@dataclasses.dataclass
class ToolCall:
    """A tool call of this run: to be made, or answered from the journal."""

    request: ToolRequest
    open: OpenCall
    stored: StoredCall | None
    siblings: list[ToolCall] = dataclasses.field(default_factory=list, repr=False)
    text: str = ""
    """What the model is told, as far as it is known."""
    settled: Settled | None = None
    """How it is to be made; None if nobody had to decide."""
    stopped: StopRun | None = None
    """Why its branch stops within it, although CrewAI may have told the model of an error."""
    failure: BaseException | None = None
    """What the tool has raised. CrewAI tries written calls again, but a call is made once."""

    @property
    def has_ended(self) -> bool:
        """Whether its end is recorded."""
        return self.open.status != CallStatus.STARTED

    @property
    def has_failed(self) -> bool:
        """Whether it has failed."""
        return self.open.status == CallStatus.FAILED

    @property
    def scope(self) -> Scope:
        """The scope of work that it delegates."""
        outer = self.open.scope
        return Scope(outer.step, outer.generation, self.open.path, self.open.number)


NoteNotMade = Callable[[ToolCall], None]


class Gates(t.Protocol):
    """What settles tool calls before they are made."""

    def settle(self, calls: Sequence[PlannedCall]) -> Mapping[str, Settled]:
        """Return how the calls of an answer are to be made, by their paths."""


class Verdict(t.NamedTuple):
    """What a guardrail says of an answer."""

    value: object
    is_new: bool
    """Whether it was given in this attempt."""
    reference: Mapping[str, int] = {}
    """The number of the check, as events name it."""


class StepState(t.NamedTuple):
    """What is stored of a step that has not completed."""

    generation: int = 0
    fingerprint: str | None = None


class History(t.Protocol):
    """What the calls of a run are written to."""

    def add_event(self, type: str, **data: object) -> None:
        """Add an event to the history."""

    def add_tool_event(self, type: str, **data: object) -> None:
        """Add an event about a tool, with the name of the step, and its texts shortened."""

    def begin_step_anew(self, position: int, generation: int) -> None:
        """Let the next attempt restart a step."""

    def flush(self) -> None:
        """Write what is collected."""

    def flush_soon(self) -> None:
        """Write what is collected, now or after what another thread writes."""

    def stop(self, reason: StopRun) -> None:
        """Let the run stop at its next boundary."""

    @property
    def is_stopped(self) -> bool:
        """Whether the run stops."""
