"""Maps names in foreign files to registered ones."""

from __future__ import annotations

import re
import typing as t
from collections.abc import Collection
from collections.abc import Mapping
from dataclasses import dataclass
from dataclasses import field

from ..graph import DEFAULT_MODEL


@dataclass(frozen=True)
class Names:
    """A mapping of foreign names to registered ones; by default all names remain as they are."""

    tools: Mapping[str, str] = field(default_factory=dict)
    """Foreign to registered names of tools; takes precedence."""
    models: Mapping[str, str] = field(default_factory=dict)
    """Foreign to registered names of models; takes precedence."""
    known_tools: Collection[str] = ()
    """Registered tools."""
    known_models: Mapping[str, Collection[str]] | None = None
    """Registered models with their other names; None if the registry is unknown."""
    guardrails: Mapping[str, str] = field(default_factory=dict)
    """Foreign to registered names of guardrails; takes precedence."""
    predicates: Mapping[str, str] = field(default_factory=dict)
    """The same for the conditions of tasks."""
    known_guardrails: Collection[str] = ()
    """Registered guardrails."""
    known_predicates: Collection[str] = ()
    """Registered predicates."""
    schemas: Mapping[str, t.Any] = field(default_factory=dict)
    """JSON Schemas by the names of classes in the files."""

    def tool(self, foreign: str) -> str:
        """Return the registered name, or the foreign one if there is none."""
        if foreign in self.tools:
            return self.tools[foreign]
        if foreign in self.known_tools:
            return foreign
        bare = _bare(foreign)
        if bare in self.tools:
            return self.tools[bare]
        snake = _snake_case(bare)
        stem = snake.removesuffix("_tool")
        known = (bare, snake, stem, f"{stem}_tool")
        alike = [name for name in self.known_tools if _snake_case(name) in known[1:]]
        found = next((name for name in known if name in self.known_tools), None)
        return found or (alike[0] if len(alike) == 1 else bare)

    def model(self, foreign: str) -> str | None:
        """Return the registered name, or None if the default model replaces it."""
        if foreign in self.models:
            return self.models[foreign]
        if self.known_models is None or foreign in self.known_models:
            return foreign
        for name, others in self.known_models.items():
            if foreign in others:
                return name
        return None if DEFAULT_MODEL in self.known_models else foreign

    def guardrail(self, foreign: str) -> str | None:
        """Return the registered name of a guardrail, or None."""
        return _registered(foreign, self.guardrails, self.known_guardrails)

    def predicate(self, foreign: str) -> str | None:
        """Return the registered name of a condition, or None."""
        return _registered(foreign, self.predicates, self.known_predicates)

    def schema(self, foreign: str) -> t.Any:
        """Return the JSON Schema of a class, or None."""
        return self.schemas.get(foreign, self.schemas.get(_last(foreign)))


def _registered(foreign: str, mapped: Mapping[str, str], known: Collection[str]) -> str | None:
    for name in (foreign, _last(foreign)):
        if name in mapped:
            return mapped[name]
        if name in known:
            return name
    return None


def _bare(name: str) -> str:
    """Return the name of a tool without the module before it."""
    before, _, after = name.rpartition(":")
    return name if before == "platform" else after


def _last(name: str) -> str:
    """Return ``Report`` for ``models.Report`` and ``models:Report``."""
    return re.split(r"[.:]", name)[-1]


def _snake_case(name: str) -> str:
    words = re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", name)
    return re.sub(r"[^a-z0-9]+", "_", words.lower()).strip("_")
