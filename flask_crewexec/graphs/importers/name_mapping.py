"""From the names of tools and models in foreign files to those that the host registers."""

from __future__ import annotations

import re
from collections.abc import Collection
from collections.abc import Mapping
from dataclasses import dataclass
from dataclasses import field

from ..graph import DEFAULT_MODEL


@dataclass(frozen=True)
class Names:
    """What names mean here. As it is made by default, every name means itself."""

    tools: Mapping[str, str] = field(default_factory=dict)
    """Foreign names of tools to registered ones; goes before everything else."""
    models: Mapping[str, str] = field(default_factory=dict)
    """Foreign names of models to registered ones; goes before everything else."""
    known_tools: Collection[str] = ()
    known_models: Mapping[str, Collection[str]] | None = None
    """Registered models and what else each is called; None if the registry is unknown."""

    def tool(self, written: str) -> str:
        """Return the registered name, or the name as it is written if there is none."""
        if written in self.tools:
            return self.tools[written]
        snake = _snake_case(written)
        return snake if written not in self.known_tools and snake in self.known_tools else written

    def model(self, written: str) -> str | None:
        """Return the registered name; None if the default model has to stand in."""
        if written in self.models:
            return self.models[written]
        if self.known_models is None or written in self.known_models:
            return written
        for name, others in self.known_models.items():
            if written in others:
                return name
        return None if DEFAULT_MODEL in self.known_models else written


def _snake_case(name: str) -> str:
    words = re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", name)
    return re.sub(r"[^a-z0-9]+", "_", words.lower()).strip("_")
