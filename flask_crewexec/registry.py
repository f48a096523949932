"""The tools and models that a host offers to graphs, by name.

A graph can name only what is registered here. The web process needs no more than the names;
the worker builds CrewAI's objects from the rest (see ``runtime/tools.py`` and
``runtime/llms.py``), which is why nothing here imports crewai.
"""

from __future__ import annotations

import dataclasses
import inspect
import re
import typing as t
from collections.abc import Callable

ToolFunction = Callable[..., object]
Secret = str | Callable[[], str]

_NAME = re.compile(r"[a-z][a-z0-9_]{0,63}")


@dataclasses.dataclass(frozen=True, kw_only=True)
class ToolSpec:
    """A function that agents may call."""

    name: str
    description: str
    """What the model is told about it."""
    function: ToolFunction


@dataclasses.dataclass(frozen=True, kw_only=True)
class ModelSpec:
    """How to reach a language model."""

    name: str
    model: str
    provider: str
    base_url: str | None
    api_key: Secret | None = dataclasses.field(repr=False)
    timeout: float | None
    """Seconds one call may take; None means ``CREWEXEC_LLM_TIMEOUT``."""
    options: dict[str, t.Any]
    """Sampling and provider options as ``crewai.LLM`` takes them."""

    def secret(self) -> str | None:
        """Return the API key, asking the host for it if it was registered as a callable."""
        return self.api_key() if callable(self.api_key) else self.api_key


class Registry:
    """Names to tools and models; filled while the host's modules are imported."""

    def __init__(self) -> None:
        self.tools: dict[str, ToolSpec] = {}
        self.models: dict[str, ModelSpec] = {}

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


def _check_name(kind: str, name: str, taken: dict[str, t.Any]) -> None:
    if not _NAME.fullmatch(name):
        raise ValueError(
            f"A {kind} cannot be called {name!r}: use up to 64 lower-case letters, digits and"
            " underscores, beginning with a letter."
        )
    if name in taken:
        raise ValueError(f"There is a {kind} called '{name}' already.")


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
