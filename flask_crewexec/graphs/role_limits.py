"""Limits of what a user may use, depending on roles, models and tools."""

from __future__ import annotations

from collections.abc import Collection
from collections.abc import Iterable
from collections.abc import Iterator
from collections.abc import Mapping
from dataclasses import dataclass
from dataclasses import field

from ..errors import Problem
from .graph import Reference
from .problem_messages import quote


@dataclass(frozen=True)
class RoleLimits:
    """Registered names that are denied to a user, and limits of models and tools."""

    denied: Mapping[str, Collection[str]] = field(default_factory=dict)
    """Denied names by kind: ``tool`` or ``model``."""
    max_tokens: Mapping[str, int] = field(default_factory=dict)
    """Maximum number of tokens of one answer, by model."""
    not_repeatable: Collection[str] = ()
    """Tools that must not be called again after an unknown outcome."""


def find_limit_problems(
    references: Iterable[Reference], role_limits: RoleLimits
) -> Iterator[Problem]:
    """Yield a problem for each reference that asks for more than the model or tool allows."""
    for reference in references:
        node = reference.pointer.removesuffix("/name")
        if reference.on_unknown == "repeat" and reference.name in role_limits.not_repeatable:
            detail = (
                f"The tool {quote(reference.name)} must not be called again after an unknown"
                f" outcome, so {quote('on_unknown')} cannot be {quote('repeat')}."
            )
            yield Problem(f"{node}/on_unknown", "must-not-repeat", detail)
        name, max_tokens = reference.name, reference.max_tokens
        limit = role_limits.max_tokens.get(name)
        if max_tokens is not None and limit is not None and max_tokens > limit:
            detail = f"{quote('max_tokens')} of the model {quote(name)} may be at most {limit}."
            yield Problem(f"{node}/max_tokens", "above-model-limit", detail)
