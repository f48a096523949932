"""Limits of what a user may use, depending on roles and models."""

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
    """Registered names that are denied to a user, and limits of models."""

    denied: Mapping[str, Collection[str]] = field(default_factory=dict)
    """Denied names by kind: ``tool`` or ``model``."""
    max_tokens: Mapping[str, int] = field(default_factory=dict)
    """Maximum number of tokens of one answer, by model."""


def find_limit_problems(
    references: Iterable[Reference], role_limits: RoleLimits
) -> Iterator[Problem]:
    """Yield a problem for each model with a ``max_tokens`` above the model's limit."""
    for reference in references:
        name, max_tokens = reference.name, reference.max_tokens
        limit = role_limits.max_tokens.get(name)
        if max_tokens is not None and limit is not None and max_tokens > limit:
            detail = f"{quote('max_tokens')} of the model {quote(name)} may be at most {limit}."
            pointer = f"{reference.pointer.removesuffix('/name')}/max_tokens"
            yield Problem(pointer, "above-model-limit", detail)
