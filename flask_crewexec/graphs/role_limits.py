"""On which terms a user may use what is registered."""

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
    """What is registered, but not for this user; and how much graphs may ask for."""

    denied: Mapping[str, Collection[str]] = field(default_factory=dict)
    """Names by kind: ``tool``, ``model``."""
    max_tokens: Mapping[str, int] = field(default_factory=dict)
    """By model: the most tokens of one answer."""


def find_limit_problems(
    references: Iterable[Reference], role_limits: RoleLimits
) -> Iterator[Problem]:
    """Yield a problem for each model of which the document asks more than it gives."""
    for reference in references:
        name, asked = reference.name, reference.max_tokens
        most = role_limits.max_tokens.get(name)
        if asked is not None and most is not None and asked > most:
            detail = f"{quote('max_tokens')} of the model {quote(name)} may be {most} at most."
            pointer = f"{reference.pointer.removesuffix('/name')}/max_tokens"
            yield Problem(pointer, "above-model-limit", detail)
