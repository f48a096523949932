"""From the names of tools and models in foreign files to those that the host registers."""

from __future__ import annotations

import re
from collections.abc import Collection
from collections.abc import Mapping
from dataclasses import dataclass
from dataclasses import field

from ...registry.registry import ModelSpec
from ...registry.registry import Registry
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


def registered_names(
    registry: Registry,
    tools: Mapping[str, str],
    models: Mapping[str, str],
    roles: Collection[str] | None = None,
) -> Names:
    """Return what *registry* has for a user with *roles*, behind what the caller maps.

    Without any roles at all it is everything.
    """
    allowed = registry.allowed(roles)
    known = {
        name: _other_names(spec) for name, spec in registry.models.items() if name in allowed.models
    }
    return Names(tools, models, frozenset(allowed.tools), known)


def _other_names(spec: ModelSpec) -> frozenset[str]:
    # A callable is the host's secret until a run asks for it.
    if not isinstance(spec.model, str):
        return frozenset()
    return frozenset({spec.model, f"{spec.provider}/{spec.model}"})


def _snake_case(name: str) -> str:
    words = re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", name)
    return re.sub(r"[^a-z0-9]+", "_", words.lower()).strip("_")
