"""Maps names of tools and models in foreign files to registered names."""

from __future__ import annotations

import re
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

    def tool(self, foreign: str) -> str:
        """Return the registered name, or the foreign one if there is none."""
        if foreign in self.tools:
            return self.tools[foreign]
        snake = _snake_case(foreign)
        return snake if foreign not in self.known_tools and snake in self.known_tools else foreign

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


def _snake_case(name: str) -> str:
    words = re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", name)
    return re.sub(r"[^a-z0-9]+", "_", words.lower()).strip("_")
