"""Specifications of what a host registers: tools, models, guardrails, predicates, storages."""

from __future__ import annotations

import dataclasses
import functools
import typing as t
from collections.abc import Callable

from .secrets import Secret

ToolFunction = Callable[..., object]


Content = bytes | str | t.IO[bytes] | t.IO[str]


StorageFunction = Callable[[str, str], Content | None]
"""From what a reference says behind the storage's name, and a user id, to a file's content."""


ValueOrFactory = str | Callable[[], str]
"""A value, or a function that returns it, called in the application context of each run."""


SecretValue = ValueOrFactory | Secret
"""A setting that is a secret, or a reference to one."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class ToolSpec:
    """What agents may call."""

    name: str
    description: str
    """What the model is told about it."""
    timeout: float | None = None
    """Seconds that a call may take; then the model is told that it took too long."""
    roles: frozenset[str] | None = None
    """Users with one of these roles may use it; None means all users."""
    max_output_chars: int | None = None
    """Longest text that the model gets; None means ``CREWEXEC_MAX_TOOL_OUTPUT_CHARS``."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class ExternalToolSpec(ToolSpec):
    """A tool that is no function of the host; the worker knows how to make it."""

    arguments: dict[str, t.Any] | None = None
    """JSON Schema of the arguments, for users; models are told what the worker finds."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class FunctionToolSpec(ToolSpec):
    """A function that agents may call."""

    function: ToolFunction

    @functools.cached_property
    def hints(self) -> dict[str, t.Any]:
        """The types of the arguments."""
        return t.get_type_hints(self.function, include_extras=True)


GuardrailFunction = Callable[[str], bool | str]
"""Takes an answer; returns True, or what is wrong with it."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class GuardrailSpec:
    """A function that answers must pass."""

    name: str
    description: str
    """What users are told about it."""
    function: GuardrailFunction


PredicateFunction = Callable[[str, dict[str, t.Any] | None], bool]
"""Takes the text of a step's answer and its JSON, if it has any; returns whether to go on."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class PredicateSpec:
    """A function that says whether a conditional task is done."""

    name: str
    description: str
    """What users are told about it."""
    function: PredicateFunction


@dataclasses.dataclass(frozen=True, kw_only=True)
class ModelSpec:
    """How to reach a language model."""

    name: str
    model: ValueOrFactory
    provider: str
    base_url: ValueOrFactory | None = dataclasses.field(repr=False)
    api_key: SecretValue | None = dataclasses.field(repr=False)
    timeout: float | None
    """Seconds one call may take; None means ``CREWEXEC_LLM_TIMEOUT``."""
    options: dict[str, t.Any] = dataclasses.field(repr=False)
    """Sampling and provider options as ``crewai.LLM`` takes them."""
    max_tokens: int | None = None
    """Tokens that one answer may have; graphs may ask for fewer only."""
    roles: frozenset[str] | None = None
    """Users with one of these roles may use it; None means all users."""
    fallbacks: tuple[str, ...] = ()
    """Models that are asked in turn while this one cannot answer."""


def resolve(setting: ValueOrFactory) -> str:
    """Return a setting's value, asking the host for it if it is a function."""
    return setting() if callable(setting) else setting
