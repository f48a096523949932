"""Limits of what a user may use, depending on roles, models and tools."""

from __future__ import annotations

from collections.abc import Collection
from collections.abc import Iterable
from collections.abc import Iterator
from collections.abc import Mapping
from dataclasses import dataclass
from dataclasses import field

from ..errors import Problem
from .approval import GraphApproval
from .approval import HostApproval
from .approval import is_for_nobody
from .approval import required_terms
from .assignees import unassigned
from .graph import OnUnknown
from .graph import Reference
from .graph import strictest
from .problem_messages import quote


@dataclass(frozen=True)
class RoleLimits:
    """Registered names that are denied to a user, and limits of models and tools."""

    denied: Mapping[str, Collection[str]] = field(default_factory=dict)
    """Denied names by kind: ``tool`` or ``model``."""
    max_tokens: Mapping[str, int] = field(default_factory=dict)
    """Maximum number of tokens of one answer, by model."""
    on_unknown: Mapping[str, OnUnknown] = field(default_factory=dict)
    """What is done at least about interrupted calls, by tool."""
    approvals: Mapping[str, HostApproval] = field(default_factory=dict)
    """What the host declares for tools whose calls may need approval."""


def find_limit_problems(
    references: Iterable[Reference], role_limits: RoleLimits
) -> Iterator[Problem]:
    """Yield a problem for each reference that asks for more than the model or tool allows."""
    for reference in references:
        node, wanted = reference.pointer.removesuffix("/name"), reference.on_unknown
        least = role_limits.on_unknown.get(reference.name)
        if wanted is not None and least is not None and strictest(wanted, least) != wanted:
            detail = (
                f"The tool {quote(reference.name)} must not be called again like that after an"
                f" unknown outcome, so {quote('on_unknown')} cannot be {quote(wanted)}."
            )
            yield Problem(f"{node}/on_unknown", "must-not-repeat", detail)
        yield from _find_approval_problems(reference, role_limits)
        name, max_tokens = reference.name, reference.max_tokens
        limit = role_limits.max_tokens.get(name)
        if max_tokens is not None and limit is not None and max_tokens > limit:
            detail = f"{quote('max_tokens')} of the model {quote(name)} may be at most {limit}."
            yield Problem(f"{node}/max_tokens", "above-model-limit", detail)


def _find_approval_problems(reference: Reference, role_limits: RoleLimits) -> Iterator[Problem]:
    host, graph = role_limits.approvals.get(reference.name), reference.approval
    node = reference.pointer.removesuffix("/name")
    if isinstance(graph, GraphApproval) and is_for_nobody(required_terms(host, graph)):
        yield unassigned(f"{node}/approval")
    if host is None or graph is None:
        return
    for below, demand in host.find_looser(graph):
        detail = f"Calls of the tool {quote(reference.name)} need approval: {demand}"
        yield Problem(f"{node}/approval{below}", "looser-approval", detail)
