"""The names that an import may map to: those that the registry offers to a user."""

from __future__ import annotations

from collections.abc import Collection
from collections.abc import Mapping

from ..graphs.importers import Names
from ..registry.registry import Registry
from ..registry.specs import ModelSpec


def registered_names(
    registry: Registry,
    tools: Mapping[str, str],
    models: Mapping[str, str],
    roles: Collection[str] | None = None,
) -> Names:
    """Return what *registry* has for a user with *roles*, behind what the caller maps.

    Without any roles at all it is everything.
    """
    allowed = registry.permissions_for(roles)
    known = {
        name: _other_names(spec) for name, spec in registry.models.items() if name in allowed.models
    }
    return Names(tools, models, frozenset(allowed.tools), known)


def _other_names(spec: ModelSpec) -> frozenset[str]:
    # A callable is the host's secret until a run asks for it.
    if not isinstance(spec.model, str):
        return frozenset()
    return frozenset({spec.model, f"{spec.provider}/{spec.model}"})
