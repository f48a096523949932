"""Specifications of what a host registers: tools, models, guardrails, predicates, storages."""

from __future__ import annotations

import dataclasses
import functools
import typing as t
from collections.abc import Callable

from ..graphs import OnUnknown
from .approval import Approval
from .secrets import Secret

ToolFunction = Callable[..., object]

Content = bytes | str | t.IO[bytes] | t.IO[str]

StorageFunction = Callable[[str, str], Content | None]
"""Takes a reference without the storage's name, and a user id; returns the file's content."""

EraserFunction = Callable[[str, bool], int]
"""Takes the id of a user, and whether to only count; returns how many things were erased."""

ValueOrFactory = str | Callable[[], str]
"""A value, or a function that returns it, called in the application context of each run."""

SecretValue = ValueOrFactory | Secret
"""A secret value, or a reference to one."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class ToolSpec:
    """A tool that agents may call."""

    name: str
    description: str
    """Description of the tool for the model."""
    timeout: float | None = None
    """Seconds that a call may take; after that the model gets an error."""
    roles: frozenset[str] | None = None
    """Users with one of these roles may use it; None means all users."""
    on_unknown: OnUnknown = "repeat"
    """What to do with a call that was interrupted, so that nobody knows whether it has acted."""
    max_output_chars: int | None = None
    """Maximum length of the output; None means ``CREWEXEC_MAX_TOOL_OUTPUT_CHARS``."""
    approval: Approval | None = None
    """How people approve calls; None if they need no approval."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class ExternalToolSpec(ToolSpec):
    """A tool that is defined elsewhere, and created by workers."""

    arguments: dict[str, t.Any] | None = None
    """JSON Schema of the arguments, shown to users; models get the one that the worker finds."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class FunctionToolSpec(ToolSpec):
    """A tool made from a function of the host."""

    function: ToolFunction

    @functools.cached_property
    def hints(self) -> dict[str, t.Any]:
        """The types of the arguments."""
        return t.get_type_hints(self.function, include_extras=True)


GuardrailFunction = Callable[[str], bool | str]
"""Takes an answer; returns True, or a description of what is wrong with it."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class GuardrailSpec:
    """A function that checks the answers of tasks."""

    name: str
    description: str
    """Description for users."""
    function: GuardrailFunction


PredicateFunction = Callable[[str, dict[str, t.Any] | None], bool]
"""Takes the text of an answer and its JSON or None; returns whether to run the task."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class PredicateSpec:
    """A function that decides whether a conditional task runs."""

    name: str
    description: str
    """Description for users."""
    function: PredicateFunction


RedactorFunction = Callable[[str, str], str]
"""Takes a text of a call and where it goes, ``"stored"``, ``"shown"`` or ``"traced"``; returns the
text to use instead."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class LLMSpec:
    """A language model, and how to reach it."""

    name: str
    model: ValueOrFactory
    provider: str
    base_url: ValueOrFactory | None = dataclasses.field(repr=False)
    api_key: SecretValue | None = dataclasses.field(repr=False)
    timeout: float | None
    """Seconds that a call may take; None means ``CREWEXEC_LLM_TIMEOUT``."""
    options: dict[str, t.Any] = dataclasses.field(repr=False)
    """Sampling and provider options, passed to ``crewai.LLM``."""
    max_tokens: int | None = None
    """Maximum number of tokens of one answer; graphs may only ask for fewer."""
    roles: frozenset[str] | None = None
    """Users with one of these roles may use it; None means all users."""
    fallbacks: tuple[str, ...] = ()
    """Models to try in this order when this one gives no answer that can be used."""
    on_truncated: t.Literal["accept", "fail"] = "accept"
    """What an answer that has reached its maximum length is: an answer, or a failure."""
    reasoning: bool | None = None
    """Whether it refuses ``max_tokens`` and ``temperature``; None means to judge by its name."""


def resolve(value: ValueOrFactory) -> str:
    """Return the value, calling it if it is a function."""
    return value() if callable(value) else value


@dataclasses.dataclass(frozen=True, kw_only=True)
class HandlerSpec:
    """A function that is told what happens to executions."""

    name: str
    """Kept with each delivery, so a renamed handler does not get those that wait."""
    patterns: tuple[str, ...]
    function: Callable[[t.Any], object]
    """Takes a notification."""
