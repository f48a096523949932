"""What a host offers to graphs, by name: tools, models, guardrails, predicates.

A graph can name only what is registered here. The web process needs no more than the names;
the worker builds CrewAI's objects from the rest (see ``runtime/tools.py`` and
``runtime/llms.py``), which is why nothing here imports crewai.
"""

from __future__ import annotations

import dataclasses
import functools
import inspect
import re
import typing as t
from collections.abc import Callable
from collections.abc import Collection

ToolFunction = Callable[..., object]
Setting = str | Callable[[], str]
"""A value, or a function that returns it, called in the application context of each run."""

_NAME = re.compile(r"[a-z][a-z0-9_]{0,63}")


@dataclasses.dataclass(frozen=True, kw_only=True)
class ToolSpec:
    """A function that agents may call."""

    name: str
    description: str
    """What the model is told about it."""
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
    model: Setting
    provider: str
    base_url: Setting | None = dataclasses.field(repr=False)
    api_key: Setting | None = dataclasses.field(repr=False)
    timeout: float | None
    """Seconds one call may take; None means ``CREWEXEC_LLM_TIMEOUT``."""
    options: dict[str, t.Any] = dataclasses.field(repr=False)
    """Sampling and provider options as ``crewai.LLM`` takes them."""


def value_of(setting: Setting) -> str:
    """Return a setting's value, asking the host for it if it is a function."""
    return setting() if callable(setting) else setting


class Registered(t.NamedTuple):
    """All names that a graph may use."""

    tools: Collection[str]
    models: Collection[str]
    guardrails: Collection[str]
    predicates: Collection[str]


class Registry:
    """Names to what they stand for; filled while the host's modules are imported."""

    def __init__(self) -> None:
        self.tools: dict[str, ToolSpec] = {}
        self.models: dict[str, ModelSpec] = {}
        self.guardrails: dict[str, GuardrailSpec] = {}
        self.predicates: dict[str, PredicateSpec] = {}

    @property
    def names(self) -> Registered:
        """All names, as the checks of graphs want them."""
        return Registered(self.tools, self.models, self.guardrails, self.predicates)

    def add_tool(self, spec: ToolSpec) -> None:
        """Offer a tool.

        :raises ValueError: if the name is taken or unusable, or models could not call it.
        """
        _check_name("tool", spec.name, self.tools)
        if not spec.description.strip():
            raise ValueError(
                f"Tool '{spec.name}' needs a description, or its function a docstring:"
                " it is all that the model knows about the tool."
            )
        if inspect.iscoroutinefunction(spec.function):
            raise ValueError(f"Tool '{spec.name}' must be an ordinary function, not a coroutine.")
        _check_parameters(spec)
        self.tools[spec.name] = spec

    def add_model(self, spec: ModelSpec) -> None:
        """Offer a model.

        :raises ValueError: if the name is taken or unusable, or nobody could reach the model.
        """
        _check_name("model", spec.name, self.models)
        if spec.api_key is None and spec.base_url is None:
            raise ValueError(
                f"Model '{spec.name}' needs an 'api_key', for instance"
                " 'api_key=lambda: os.environ[\"OPENAI_API_KEY\"]', or a 'base_url'."
            )
        self.models[spec.name] = spec

    def add_guardrail(self, spec: GuardrailSpec) -> None:
        """Offer a guardrail.

        :raises ValueError: if the name is taken or unusable, or nobody could call the function.
        """
        _check_name("guardrail", spec.name, self.guardrails)
        _check_function("guardrail", spec, "an answer")
        self.guardrails[spec.name] = spec

    def add_predicate(self, spec: PredicateSpec) -> None:
        """Offer a predicate.

        :raises ValueError: if the name is taken or unusable, or nobody could call the function.
        """
        _check_name("predicate", spec.name, self.predicates)
        _check_function("predicate", spec, "a text", "its JSON or None")
        self.predicates[spec.name] = spec


def _check_function(kind: str, spec: GuardrailSpec | PredicateSpec, *arguments: str) -> None:
    if not spec.description.strip():
        raise ValueError(
            f"{kind.capitalize()} '{spec.name}' needs a description, or its function a docstring:"
            " it is all that users know about it."
        )
    if inspect.iscoroutinefunction(spec.function):
        raise ValueError(
            f"{kind.capitalize()} '{spec.name}' must be an ordinary function, not a coroutine."
        )
    try:
        inspect.signature(spec.function).bind(*arguments)
    except TypeError as error:
        raise ValueError(
            f"{kind.capitalize()} '{spec.name}' must take {' and '.join(arguments)}: {error}."
        ) from error


def _check_name(kind: str, name: str, taken: dict[str, t.Any]) -> None:
    if not _NAME.fullmatch(name):
        raise ValueError(
            f"A {kind} cannot be called {name!r}: use up to 64 lower-case letters, digits and"
            " underscores, beginning with a letter."
        )
    if name in taken:
        raise ValueError(
            f"There is a {kind} called '{name}' already. Register each once, where 'CrewExec' is"
            " made, and not in an application factory, which may run twice."
        )


def _check_parameters(spec: ToolSpec) -> None:
    for parameter in inspect.signature(spec.function).parameters.values():
        if parameter.kind not in (parameter.POSITIONAL_OR_KEYWORD, parameter.KEYWORD_ONLY):
            raise ValueError(
                f"Tool '{spec.name}' takes '{parameter}': models pass arguments by name,"
                " so every parameter must have one."
            )
        if parameter.annotation is parameter.empty:
            raise ValueError(
                f"Parameter '{parameter.name}' of tool '{spec.name}' needs a type annotation:"
                " the model is told the type."
            )
        if parameter.name.startswith(("_", "model_")):
            raise ValueError(
                f"Parameter '{parameter.name}' of tool '{spec.name}' needs another name: those"
                " that begin with '_' or 'model_' cannot be offered to models."
            )
    _check_hints(spec)


def _check_hints(spec: ToolSpec) -> None:
    try:
        _ = spec.hints
    except NameError as error:
        raise ValueError(
            f"The annotations of tool '{spec.name}' cannot be understood: {error}."
        ) from error
