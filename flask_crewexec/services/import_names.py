"""Registered names of tools and models to which an import may map."""

from __future__ import annotations

from collections.abc import Collection
from collections.abc import Mapping

from ..graphs.importers import Names
from ..registry.registry import Registry
from ..registry.specs import LLMSpec


def registered_names(
    registry: Registry,
    tools: Mapping[str, str],
    models: Mapping[str, str],
    roles: Collection[str] | None = None,
) -> Names:
    """Return the caller's mappings, and the names that a user with *roles* may use.

    With None for *roles*, these are all names.
    """
    allowed = registry.permissions_for(roles)
    known = {
        name: _other_names(spec) for name, spec in registry.llms.items() if name in allowed.models
    }
    return Names(tools, models, frozenset(allowed.tools), known)


def _other_names(spec: LLMSpec) -> frozenset[str]:
    # A function is called only when a run needs the model.
    if not isinstance(spec.model, str):
        return frozenset()
    return frozenset({spec.model, f"{spec.provider}/{spec.model}"})
