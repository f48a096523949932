"""Approval of tool calls, as hosts declare it."""

from __future__ import annotations

import dataclasses
import functools
import inspect
import typing as t
from collections.abc import Callable
from collections.abc import Collection

from ..graphs import APPROVAL_DECISIONS
from ..graphs import ApprovalTerms
from ..graphs import HostApproval
from ..graphs import OnApprovalExpiry
from ..identity import optional_roles

ApprovalPredicate = Callable[[dict[str, t.Any], str], bool]
"""Takes the arguments of a call and the id of the execution's owner; returns whether to ask."""

ApprovalDecision = t.Literal["approve", "edit", "reject", "respond"]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Approval:
    """How people approve calls of a tool before they are made.

    :raises ValueError: if a value is invalid; the message says why.
    """

    when: t.Literal["always"] | ApprovalPredicate = "always"
    """Which calls need approval: all, or those for which a function returns true. The function
    takes the arguments as JSON and the id of the execution's owner. If it raises an exception,
    people are asked."""
    roles: Collection[str] | None = None
    """Only users with one of these roles may answer, not even the owner of the execution; None
    means that the owner may."""
    four_eyes: bool = False
    """Whether neither the owner of the execution nor the person who edited the arguments may
    answer."""
    message: str | None = None
    """What those who are asked are told."""
    decisions: Collection[ApprovalDecision] = ("approve", "reject")
    """What they may decide: ``"approve"`` the call, ``"edit"`` its arguments, ``"reject"`` it with
    a reason for the model, or ``"respond"`` with a result instead of the call."""
    expires_in: float | None = None
    """Seconds until it is too late for an answer."""
    on_expiry: OnApprovalExpiry = "fail"
    """What happens then: the execution fails, or goes on as if the call was rejected or approved,
    or as if it had returned *default*."""
    default: str | None = None
    graph_may_assign: bool = False
    """Whether a graph may name the users and roles that are asked."""

    def __post_init__(self) -> None:
        roles = optional_roles(self.roles)
        object.__setattr__(self, "roles", roles)
        _check_when(self.when)
        if roles is not None and self.graph_may_assign:
            raise ValueError(
                "Pass either 'roles' or 'graph_may_assign': only the roles may answer."
            )
        if isinstance(self.decisions, str) or not self.decisions:
            raise ValueError(f"'decisions' must be some of {', '.join(APPROVAL_DECISIONS)}.")
        if unknown := {*self.decisions} - {*APPROVAL_DECISIONS}:
            raise ValueError(f"There is no decision {min(unknown)!r} about a tool call.")
        object.__setattr__(self, "decisions", tuple(self.decisions))
        if self.on_expiry not in t.get_args(OnApprovalExpiry):
            raise ValueError(f"There is no 'on_expiry' {self.on_expiry!r}.")
        if (self.on_expiry == "default") != (self.default is not None):
            raise ValueError("'default' is the result of the call for 'on_expiry=\"default\"'.")
        if self.expires_in is not None and not 0 < self.expires_in < float("inf"):
            raise ValueError("'expires_in' must be greater than zero and finite.")

    @functools.cached_property
    def host_approval(self) -> HostApproval:
        """The declaration, as graphs are checked against it."""
        terms = ApprovalTerms(
            message=self.message,
            decisions=tuple(each for each in APPROVAL_DECISIONS if each in self.decisions),
            roles=tuple(sorted(self.roles or ())),
            expires_in=self.expires_in,
            on_expiry=self.on_expiry,
            default=self.default,
            four_eyes=self.four_eyes,
            roles_only=self.roles is not None,
        )
        return HostApproval(terms, self.graph_may_assign)


ApprovalOption = t.Literal["always", "never"] | ApprovalPredicate | Approval


def read_approval(option: ApprovalOption) -> Approval | None:
    """Return the approval of a tool; None if its calls need none.

    :raises ValueError: if *option* is invalid.
    """
    if isinstance(option, Approval):
        return option
    return None if option == "never" else Approval(when=option)


def _check_when(when: object) -> None:
    if when == "always":
        return
    if not callable(when) or inspect.iscoroutinefunction(when):
        raise ValueError(
            f"{when!r} does not say when calls need approval. Use 'always', 'never', or an ordinary"
            " function of the arguments and the id of the execution's owner."
        )
    try:
        inspect.signature(when).bind({}, "user id")
    except TypeError as error:
        raise ValueError(
            f"The function that says when calls need approval is called with the arguments and the"
            f" id of the execution's owner: {error}."
        ) from error
