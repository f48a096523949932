"""Approval of tool calls, as hosts declare it."""

from __future__ import annotations

import dataclasses
import functools
import inspect
import types
import typing as t
from collections.abc import Callable
from collections.abc import Collection
from collections.abc import Iterable

from ..graphs import APPROVAL_DECISIONS
from ..graphs import ApprovalTerms
from ..graphs import HostApproval
from ..graphs import is_endless
from ..graphs import OnApprovalExpiry
from ..identity import optional_roles
from .assignment import check_role_names

ApprovalPredicate = Callable[[dict[str, t.Any], str], bool]
"""Takes the arguments of a call and the id of the execution's owner; returns whether to ask."""

ApprovalDecision = t.Literal["approve", "edit", "reject", "respond"]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Approval:
    """How people approve calls of a tool before they are made.

    :raises ValueError: if a value is invalid; the message says why.
    """

    when: t.Literal["always"] | ApprovalPredicate = "always"
    """Which calls need approval: all, or those for which a function returns anything else than
    False. The function takes the arguments as JSON and the id of the execution's owner. If it
    raises an exception, people are asked."""
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
    """The result of the call for ``on_expiry="default"``."""
    graph_may_assign: bool = False
    """Whether a graph may name the users and roles that are asked."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "roles", _read_roles(self.roles))
        object.__setattr__(self, "decisions", _read_decisions(self.decisions))
        _check_when(self.when)
        _check_kind("message", self.message, str | None, "a text")
        _check_kind("four_eyes", self.four_eyes, bool, "True or False")
        _check_kind("graph_may_assign", self.graph_may_assign, bool, "True or False")
        self._check_who_answers()
        self._check_expiry()

    def _check_who_answers(self) -> None:
        if self.roles is not None and self.graph_may_assign:
            raise ValueError(
                "Pass either 'roles' or 'graph_may_assign': only the roles may answer."
            )
        if self.when == "always" and is_endless(self.host_approval.terms):
            raise ValueError(
                "With 'four_eyes' somebody else must approve what one has edited: add another"
                " decision than 'edit' to 'decisions'."
            )

    def _check_expiry(self) -> None:
        if self.on_expiry not in t.get_args(OnApprovalExpiry):
            raise ValueError(
                f"There is no 'on_expiry' {self.on_expiry!r}. Use one of"
                f" {_listing(t.get_args(OnApprovalExpiry))}."
            )
        _check_kind("default", self.default, str | None, "a text")
        if (self.on_expiry == "default") != (self.default is not None):
            raise ValueError("'default' is the result of the call for 'on_expiry=\"default\"'.")
        _check_kind("expires_in", self.expires_in, int | float | None, "a number of seconds")
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


Roles = set[str] | frozenset[str] | list[str] | tuple[str, ...]
"""What is short for ``Approval(roles=…)``."""

ApprovalOption = t.Literal["always", "never"] | ApprovalPredicate | Approval | Roles


def read_approval(option: ApprovalOption) -> Approval | None:
    """Return the approval of a tool; None if its calls need none.

    :raises ValueError: if *option* is invalid.
    """
    if isinstance(option, Approval):
        return option
    if isinstance(option, set | frozenset | list | tuple):
        return Approval(roles=option)
    if option == "never":
        return None
    if option != "always" and not callable(option):
        raise ValueError(
            f"{option!r} does not say which calls need approval. Use 'always', 'never', an ordinary"
            " function of the arguments and the id of the execution's owner, a set of roles, or"
            " 'Approval(…)'."
        )
    return Approval(when=option)


def _read_roles(given: Collection[str] | None) -> frozenset[str] | None:
    roles = optional_roles(given)
    if roles is not None and not roles:
        raise ValueError(
            "'roles' is empty, so nobody could approve a call. Name a role, or leave it out to ask"
            " the owner of the execution."
        )
    check_role_names(roles or ())
    return roles


def _read_decisions(given: object) -> tuple[str, ...]:
    allowed = f"some of {_listing(APPROVAL_DECISIONS)}"
    if isinstance(given, str) or not isinstance(given, Collection) or not given:
        raise ValueError(f"'decisions' must be {allowed}.")
    for each in given:
        if each not in APPROVAL_DECISIONS:
            raise ValueError(f"There is no decision {each!r} about a tool call. Use {allowed}.")
    return tuple(given)


def _listing(names: Iterable[str]) -> str:
    return ", ".join(map(repr, names))


def _check_kind(name: str, value: object, kind: type | types.UnionType, wanted: str) -> None:
    """Check the type of an option; True and False count as no numbers."""
    if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
        raise ValueError(f"'{name}' must be {wanted}, not {value!r}.")


def _check_when(when: object) -> None:
    if when == "always":
        return
    if not callable(when) or inspect.iscoroutinefunction(when):
        raise ValueError(
            f"{when!r} does not say when calls need approval. Use 'always', or an ordinary function"
            " of the arguments and the id of the execution's owner."
        )
    try:
        inspect.signature(when).bind({}, "user id")
    except TypeError as error:
        raise ValueError(
            f"The function that says when calls need approval is called with the arguments and the"
            f" id of the execution's owner: {error}."
        ) from error
