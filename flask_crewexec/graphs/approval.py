"""Approvals: whether, and how, people are asked before a tool is called.

The host declares this for a tool, and a graph may demand more, but never less.
"""

from __future__ import annotations

import typing as t
from collections.abc import Iterator
from collections.abc import Mapping
from dataclasses import dataclass
from dataclasses import replace

from ..errors import Problem
from ..statuses import Decision
from . import fields as f
from .assignees import ASSIGNEES_FIELD
from .assignees import EXPIRES_IN_FIELD
from .assignees import find_misplaced_default
from .assignees import FOUR_EYES_FIELD
from .assignees import MAX_DEFAULT
from .assignees import with_assignees
from .fields import Field
from .fields import read_object
from .problem_messages import kind_of
from .problem_messages import listing
from .problem_messages import quote

OnApprovalExpiry = t.Literal["fail", "reject", "approve", "default"]
"""What happens to a call that nobody has decided about in time."""

APPROVAL_DECISIONS: t.Final = tuple(
    map(str, (Decision.APPROVE, Decision.EDIT, Decision.REJECT, Decision.RESPOND))
)
Never = t.Literal["never"]

ALWAYS: t.Final = "always"
NEVER: t.Final = "never"
MAX_MESSAGE: t.Final = 2000
_STRICT: t.Final = ("fail", "reject")


@dataclass(frozen=True)
class ApprovalTerms:
    """How people are asked about the calls of a tool."""

    message: str | None = None
    """What they are told."""
    decisions: tuple[str, ...] = APPROVAL_DECISIONS
    users: tuple[str, ...] = ()
    """Ids of the users who are asked."""
    roles: tuple[str, ...] = ()
    """Roles of the users who are asked. Without users and roles, it is the owner."""
    expires_in: float | None = None
    """Seconds until it is too late for an answer."""
    on_expiry: OnApprovalExpiry = "fail"
    default: str | None = None
    """The result of the call then, for ``default``."""
    four_eyes: bool = False
    """Whether another person must answer than the owner, and than who has edited the arguments."""
    roles_only: bool = False
    """Whether nobody else than users with these roles may answer."""


@dataclass(frozen=True)
class GraphApproval:
    """What a graph demands for each call of a tool; None where it says nothing."""

    message: str | None = None
    decisions: tuple[str, ...] | None = None
    users: tuple[str, ...] = ()
    roles: tuple[str, ...] = ()
    expires_in: float | None = None
    on_expiry: OnApprovalExpiry | None = None
    default: str | None = None
    four_eyes: bool = False

    @property
    def terms(self) -> ApprovalTerms:
        """The terms for a tool for which the host declares nothing."""
        return ApprovalTerms(
            self.message,
            self.decisions or APPROVAL_DECISIONS,
            self.users,
            self.roles,
            self.expires_in,
            self.on_expiry or "fail",
            self.default,
            self.four_eyes,
        )


@dataclass(frozen=True)
class HostApproval:
    """What the host declares for a tool."""

    terms: ApprovalTerms
    graph_may_assign: bool = False
    """Whether a graph may name who is asked."""

    def tightened(self, graph: GraphApproval) -> ApprovalTerms:
        """Return the stricter of these terms and those of a *graph*."""
        host = self.terms
        decisions = tuple(each for each in host.decisions if each in (graph.decisions or ()))
        tight = replace(
            host,
            message=_joined(host.message, graph.message),
            decisions=decisions or host.decisions,
            four_eyes=host.four_eyes or graph.four_eyes,
        )
        if graph.on_expiry in _STRICT:
            tight = replace(tight, on_expiry=graph.on_expiry, default=None)
        if tight.on_expiry in _STRICT:
            limits = [each for each in (host.expires_in, graph.expires_in) if each is not None]
            tight = replace(tight, expires_in=min(limits, default=None))
        if self.graph_may_assign and (graph.users or graph.roles):
            tight = replace(tight, users=graph.users, roles=graph.roles)
        return tight

    def find_looser(self, graph: GraphApproval | Never) -> Iterator[tuple[str, str]]:
        """Yield what a graph would loosen: the pointer below its ``approval``, and a sentence."""
        host = self.terms
        if isinstance(graph, str):
            yield "", f"{quote('approval')} must not be {quote(NEVER)}."
            return
        if {*(graph.decisions or ())} - {*host.decisions}:
            yield "/decisions", f"{quote('decisions')} must be some of {listing(host.decisions)}."
        if graph.on_expiry not in (None, *_STRICT, host.on_expiry):
            yield "/on_expiry", f"{quote('on_expiry')} must not be {quote(graph.on_expiry or '')}."
        if problem := self._find_looser_expiry(graph):
            yield "/expires_in", f"{quote('expires_in')} must be {problem}."
        if (graph.users or graph.roles) and not self.graph_may_assign:
            yield "/assignees", f"{quote('assignees')} must be left out."

    def _find_looser_expiry(self, graph: GraphApproval) -> str | None:
        """Return what the expiry that a graph sets must be, if it would loosen these terms."""
        limit, wanted = self.terms.expires_in, graph.expires_in
        if wanted is None or wanted == limit:
            return None
        if (graph.on_expiry or self.terms.on_expiry) not in _STRICT:
            return "left out: people would have less time before the call counts as decided"
        return None if limit is None or wanted < limit else f"at most {limit:g}"


def _joined(host: str | None, graph: str | None) -> str | None:
    """Return the messages of the host and of a graph; people must see whose words they read."""
    parts = [host, graph and f"The author of the crew says: {graph}"]
    return "\n\n".join(filter(None, parts)) or None


def required_terms(host: HostApproval | None, graph: GraphApproval | None) -> ApprovalTerms | None:
    """Return the terms of a tool; None if neither the host nor the graph demands approval."""
    if host is None:
        return None if graph is None else graph.terms
    return host.terms if graph is None else host.tightened(graph)


def is_endless(terms: ApprovalTerms) -> bool:
    """Return whether each answer asks another person, since all may edit and none may approve.

    It is not if a function of the host finds that edited calls need no approval any more.
    """
    return terms.four_eyes and {*terms.decisions} == {Decision.EDIT}


def is_for_nobody(terms: ApprovalTerms | None) -> bool:
    """Return whether only the owner is asked, who must not answer."""
    return terms is not None and terms.four_eyes and not (terms.users or terms.roles)


@f.accepts(f"list of different ones of {listing(APPROVAL_DECISIONS)}")
def _decisions(value: object) -> f.Fault | None:
    if not isinstance(value, list):
        return f.Fault("wrong-type", f"must be a list, not {kind_of(value)}.")
    for at, each in enumerate(value):
        if each not in APPROVAL_DECISIONS:
            demand = f"must contain only {listing(APPROVAL_DECISIONS)}."
            return f.Fault("unknown-decision", demand, f"/{at}")
    return None if value else f.Fault("no-final-decision", "must contain a decision.")


FIELDS: t.Final[Mapping[str, Field]] = {
    "message": Field(f.text(MAX_MESSAGE)),
    "decisions": Field(_decisions),
    "assignees": ASSIGNEES_FIELD,
    "expires_in": EXPIRES_IN_FIELD,
    "on_expiry": Field(f.choice("unknown-expiry", t.get_args(OnApprovalExpiry))),
    "default": Field(f.text(MAX_DEFAULT)),
    "four_eyes": FOUR_EYES_FIELD,
}


@f.accepts(f"{quote(ALWAYS)}, {quote(NEVER)}, or an object of at most {len(FIELDS)} members")
def approval_option(value: object) -> f.Fault | None:
    """Accept what a tool node may say about approval."""
    if isinstance(value, str):
        return f.choice("unknown-approval", (ALWAYS, NEVER))(value)
    return f.members("too-many", len(FIELDS))(value)


def read_approval(
    value: object, pointer: str, problems: list[Problem]
) -> GraphApproval | Never | None:
    """Return what a tool node demands; its problems are reported in *problems*."""
    if isinstance(value, str):
        return GraphApproval() if value == ALWAYS else NEVER
    read = read_object(value, FIELDS, (), pointer, problems)
    found = with_assignees(read, FIELDS, pointer, problems)
    if found is None:
        return None
    problems += find_misplaced_default(found["on_expiry"], found["default"], pointer)
    wanted = found["decisions"]
    decisions = wanted and tuple(each for each in APPROVAL_DECISIONS if each in wanted)
    return GraphApproval(**found | {"decisions": decisions})
