"""Who is asked, and until when: what reviews, approvals and questions have in common."""

from __future__ import annotations

import typing as t
from collections.abc import Mapping

from ..errors import Problem
from . import fields as f
from .fields import Field
from .fields import read_object
from .problem_messages import quote

MAX_SECONDS: t.Final = 366 * 24 * 3600
MAX_DEFAULT: t.Final = 20_000
"""Longest answer that counts if nobody has answered in time, in characters."""
_MAX_ASSIGNEES: t.Final = 50
_MAX_NAME: t.Final = 255


def _names(what: str) -> f.Check:
    @f.accepts(f"list of at most {_MAX_ASSIGNEES} {what}, texts of at most {_MAX_NAME} characters")
    def check(value: object) -> f.Fault | None:
        if fault := f.items(_MAX_ASSIGNEES)(value):
            return fault
        of_text = f.text(_MAX_NAME)
        for at, each in enumerate(t.cast("list[object]", value)):
            if fault := of_text(each):
                return fault._replace(demand=f"has an item that {fault.demand}", below=f"/{at}")
        return None

    return check


ASSIGNEES: t.Final[Mapping[str, Field]] = {
    "users": Field(_names("ids of users"), default=()),
    "roles": Field(_names("roles"), default=()),
}
ASSIGNEES_FIELD: t.Final = Field(f.members("too-many", len(ASSIGNEES)), default={})
EXPIRES_IN_FIELD: t.Final = Field(f.number(1, MAX_SECONDS))
FOUR_EYES_FIELD: t.Final = Field(f.flag, default=False)


def with_assignees(
    found: Mapping[str, t.Any], fields: Mapping[str, Field], pointer: str, problems: list[Problem]
) -> dict[str, t.Any] | None:
    """Return valid fields with ``users`` and ``roles`` instead of ``assignees``.

    :param found: those of the *fields* that are valid, and maybe others, which are left out.
    :return: None if one of the *fields* is not valid. Problems of the assignees are reported in
        *problems*.
    """
    given = found.get("assignees", {})
    assignees = read_object(given, ASSIGNEES, (), f"{pointer}/assignees", problems)
    if not fields.keys() <= found.keys() or len(assignees) < len(ASSIGNEES):
        return None
    names = {kind: tuple(dict.fromkeys(assignees[kind])) for kind in ASSIGNEES}
    return {name: found[name] for name in fields if name != "assignees"} | names


def find_misplaced_default(on_expiry: str | None, default: object, pointer: str) -> list[Problem]:
    """Return the problem that there is a *default* that never counts, or none that could."""
    if (on_expiry == "default") == (default is not None):
        return []
    needed = f"{quote('on_expiry')}: {quote('default')}"
    detail = f"{quote('default')} and {needed} must be given together, or neither of them."
    return [Problem(f"{pointer}/default", "misplaced-default", detail)]


def unassigned(pointer: str) -> Problem:
    """Return the problem that only the owner is asked, who must not answer.

    :param pointer: that of the object with the assignees.
    """
    detail = (
        f"With {quote('four_eyes')} the owner cannot answer. Name others in {quote('assignees')}."
    )
    return Problem(f"{pointer}/four_eyes", "four-eyes-unassigned", detail)
