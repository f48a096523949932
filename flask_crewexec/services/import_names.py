"""Registered names of tools, models, guardrails and predicates to which an import may map."""

from __future__ import annotations

import typing as t
from collections.abc import Collection
from collections.abc import Mapping

from ..graphs.importers import Names
from ..registry.registry import Registry
from ..registry.specs import LLMSpec

_NONE: t.Final[Mapping[str, t.Any]] = {}


class Mappings(t.NamedTuple):
    """The caller's registered names, and schemas, by those in the files."""

    tools: Mapping[str, str] = _NONE
    models: Mapping[str, str] = _NONE
    guardrails: Mapping[str, str] = _NONE
    predicates: Mapping[str, str] = _NONE
    schemas: Mapping[str, t.Any] = _NONE


def registered_names(
    registry: Registry, mappings: Mappings, roles: Collection[str] | None = None
) -> Names:
    """Return the caller's mappings, and the names that a user with *roles* may use.

    With None for *roles*, these are all names.
    """
    allowed = registry.permissions_for(roles)
    known = {
        name: _other_names(spec) for name, spec in registry.llms.items() if name in allowed.models
    }
    return Names(
        **mappings._asdict(),
        known_tools=frozenset(allowed.tools),
        known_models=known,
        known_guardrails=frozenset(allowed.guardrails),
        known_predicates=frozenset(allowed.predicates),
    )


def _other_names(spec: LLMSpec) -> frozenset[str]:
    # A function is called only when a run needs the model.
    if not isinstance(spec.model, str):
        return frozenset()
    return frozenset({spec.model, f"{spec.provider}/{spec.model}"})
