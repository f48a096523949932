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
from .approval import is_endless
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
    host_assigns: bool = False
    """Whether a function of the host says who is asked, when the time comes."""


def find_limit_problems(
    references: Iterable[Reference], role_limits: RoleLimits
) -> Iterator[Problem]:
    """Yield a problem for each reference that asks for more than the model or tool allows."""
    references = [*references]
    for reference in references:
        node, wanted = reference.pointer.removesuffix("/name"), reference.on_unknown
        least = role_limits.on_unknown.get(reference.name)
        if wanted is not None and least is not None and strictest(wanted, least) != wanted:
            detail = (
                f"The tool {quote(reference.name)} must not be called again like that after an"
                f" unknown outcome, so {quote('on_unknown')} cannot be {quote(wanted)}."
            )
            yield Problem(f"{node}/on_unknown", "must-not-repeat", detail)
        name, max_tokens = reference.name, reference.max_tokens
        limit = role_limits.max_tokens.get(name)
        if max_tokens is not None and limit is not None and max_tokens > limit:
            detail = f"{quote('max_tokens')} of the model {quote(name)} may be at most {limit}."
            yield Problem(f"{node}/max_tokens", "above-model-limit", detail)
    yield from _find_approval_problems(references, role_limits)


def _find_approval_problems(
    references: Iterable[Reference], role_limits: RoleLimits
) -> Iterator[Problem]:
    tools = [each for each in references if each.kind == "tool"]
    demanded = {each.name for each in tools if isinstance(each.approval, GraphApproval)}
    for tool in tools:
        host, graph = role_limits.approvals.get(tool.name), tool.approval
        node = tool.pointer.removesuffix("/name")
        if isinstance(graph, GraphApproval) or (graph is None and tool.name not in demanded):
            yield from _find_unanswerable(tool, host, graph, role_limits.host_assigns)
        if host is None or graph is None:
            continue
        for below, demand in host.find_looser(graph):
            detail = f"Calls of the tool {quote(tool.name)} need approval: {demand}"
            yield Problem(f"{node}/approval{below}", "looser-approval", detail)


def _find_unanswerable(
    tool: Reference, host: HostApproval | None, graph: GraphApproval | None, host_assigns: bool
) -> Iterator[Problem]:
    """Yield why nobody could ever approve calls of a tool."""
    terms = required_terms(host, graph)
    if terms is None:
        return
    pointer = f"{tool.pointer.removesuffix('/name')}/approval"
    if graph is not None and is_endless(terms):  # then no function says which calls need approval
        yield _endless(graph, pointer)
    may_assign = host is None or host.graph_may_assign
    must_assign = may_assign and graph is not None and graph.four_eyes
    if not is_for_nobody(terms) or (host_assigns and not must_assign):
        return
    if not may_assign:
        yield _unassignable(tool, graph)
    elif graph is None:
        yield _missing_assignees(pointer)
    else:
        yield unassigned(pointer)


def _endless(graph: GraphApproval, pointer: str) -> Problem:
    detail = (
        f"With {quote('four_eyes')} somebody else must approve what one has edited, but"
        f" {quote('edit')} is the only decision."
    )
    hint = "Leave it out; then the terms apply with which the tool is registered."
    if graph.decisions:
        return Problem(f"{pointer}/decisions", "no-final-decision", detail)
    below = "/four_eyes" if graph.four_eyes else ""
    return Problem(f"{pointer}{below}", "no-final-decision", detail, hint)


def _unassignable(tool: Reference, graph: GraphApproval | None) -> Problem:
    """Return the problem that only who registers a tool can say who approves its calls."""
    detail = (
        f"With {quote('four_eyes')} the owner cannot approve calls of the tool {quote(tool.name)},"
        " and graphs cannot name others: the tool must be registered with roles."
    )
    is_mine = graph is not None and graph.four_eyes
    pointer = f"{tool.pointer.removesuffix('/name')}/approval/four_eyes"
    hint = "Remove it, or use another tool." if is_mine else "Use another tool until then."
    return Problem(pointer if is_mine else tool.pointer, "four-eyes-unassigned", detail, hint)


def _missing_assignees(pointer: str) -> Problem:
    detail = (
        f"The tool needs {quote('four_eyes')}, so the owner cannot approve its calls. Name others"
        f" in {quote('assignees')} of {quote('approval')}."
    )
    hint = 'For example "approval": {"assignees": {"roles": ["editor"]}}.'
    return Problem(pointer, "four-eyes-unassigned", detail, hint)
