"""Reviews: whether a person looks at the answer of a task before the crew goes on."""

from __future__ import annotations

import json
import typing as t
from collections.abc import Iterator
from collections.abc import Mapping
from dataclasses import dataclass
from dataclasses import field
from dataclasses import replace

from ..errors import Problem
from ..statuses import Decision
from ..text import truncate
from . import fields as f
from .fields import Field
from .fields import read_object
from .json_answers import find_mismatch
from .placeholders import fill
from .problem_messages import kind_of
from .problem_messages import listing
from .problem_messages import quote

OnExpiry = t.Literal["fail", "approve", "reject", "default"]

DECISIONS: t.Final = tuple(
    map(str, (Decision.APPROVE, Decision.CHANGE, Decision.EDIT, Decision.REJECT))
)
MAX_SECONDS: t.Final = 366 * 24 * 3600
MAX_VALUE: t.Final = 500
"""Longest value of an input in a message, in characters; longer ones are cut."""
MAX_MESSAGE: t.Final = 10_000
"""Longest message with placeholders replaced."""
MAX_DEFAULT: t.Final = 20_000
"""Longest answer that counts if nobody has answered in time, in characters."""
_MAX_ASSIGNEES: t.Final = 50
_MAX_NAME: t.Final = 255


@dataclass(frozen=True)
class Review:
    """What a person is asked about the answer of a task, and what they may decide."""

    message: str | None = None
    """What they are told; it may contain placeholders."""
    decisions: tuple[str, ...] = DECISIONS
    users: tuple[str, ...] = ()
    """Ids of the users who are asked."""
    roles: tuple[str, ...] = ()
    """Roles of the users who are asked. Without users and roles, it is the owner."""
    expires_in: float | None = None
    """Seconds until it is too late for an answer."""
    on_expiry: OnExpiry = "fail"
    max_rounds: int = 5
    """In how many rounds a person may be asked; in the last one they cannot demand a change."""
    default: Mapping[str, t.Any] | None = field(default=None, hash=False)
    """``{"text"}`` or ``{"value"}``: the answer then, where *on_expiry* is ``default``."""
    four_eyes: bool = False
    """Whether neither the owner nor whoever has edited the draft may decide about it."""

    @property
    def max_drafts(self) -> int:
        """How many drafts the agent may have to write."""
        return self.max_rounds if Decision.CHANGE in self.decisions else 1

    def filled(self, values: Mapping[str, str]) -> Review:
        """Return the review with placeholders in its message replaced by *values*, cut if long."""
        if self.message is None:
            return self
        short = {name: truncate(value, MAX_VALUE) for name, value in values.items()}
        return replace(self, message=truncate(fill(self.message, short), MAX_MESSAGE))

    def decisions_in(self, round: int) -> list[str]:
        """Return what may be decided in a round, counted from 1."""
        is_last = round >= self.max_rounds
        return [each for each in self.decisions if not (is_last and each == Decision.CHANGE)]


@f.accepts(f"list of different ones of {listing(DECISIONS)}, not only 'change'")
def _decisions(value: object) -> f.Fault | None:
    if not isinstance(value, list):
        return f.Fault("wrong-type", f"must be a list, not {kind_of(value)}.")
    for at, each in enumerate(value):
        if each not in DECISIONS:
            demand = f"must contain only {listing(DECISIONS)}."
            return f.Fault("unknown-decision", demand, f"/{at}")
    if not {*value} - {Decision.CHANGE}:
        return f.Fault("no-final-decision", "must contain a decision that ends the review.")
    return None


@f.accepts(f"text of at most {MAX_DEFAULT:,} characters, not blank, or an object")
def _default(value: object) -> f.Fault | None:
    if not isinstance(value, dict):
        return f.text(MAX_DEFAULT)(value)
    if len(json.dumps(value, ensure_ascii=False)) > MAX_DEFAULT:
        return f.Fault("too-long", f"must have at most {MAX_DEFAULT} characters as JSON.")
    return None


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


FIELDS: t.Final[Mapping[str, Field]] = {
    "message": Field(f.text(2000)),
    "decisions": Field(_decisions, default=DECISIONS),
    "assignees": Field(f.members("too-many", 2), default={}),
    "expires_in": Field(f.number(1, MAX_SECONDS)),
    "on_expiry": Field(f.choice("unknown-expiry", t.get_args(OnExpiry)), default="fail"),
    "max_rounds": Field(f.whole(1, 20), default=5),
    "default": Field(_default),
    "four_eyes": Field(f.flag, default=False),
}
ASSIGNEES: t.Final[Mapping[str, Field]] = {
    "users": Field(_names("ids of users"), default=()),
    "roles": Field(_names("roles"), default=()),
}


def read_review(value: object, pointer: str, problems: list[Problem]) -> Review | None:
    """Return the review that a task demands; its problems are reported in *problems*."""
    found = read_object(value, FIELDS, (), pointer, problems)
    given = found.pop("assignees", {})
    assignees = read_object(given, ASSIGNEES, (), f"{pointer}/assignees", problems)
    if len(found) < len(FIELDS) - 1 or len(assignees) < len(ASSIGNEES):
        return None
    users, roles = (tuple(dict.fromkeys(assignees[kind])) for kind in ("users", "roles"))
    wanted = found.pop("decisions")
    decisions = tuple(each for each in DECISIONS if each in wanted)
    default = _content(found.pop("default"))
    review = Review(**found, users=users, roles=roles, decisions=decisions, default=default)
    problems += _find_problems(review, pointer)
    return review


def _content(default: object) -> dict[str, t.Any] | None:
    """Return a default in the form of an answer."""
    if default is None:
        return None
    return {"value" if isinstance(default, dict) else "text": default}


def _find_problems(review: Review, pointer: str) -> Iterator[Problem]:
    """Yield what does not fit together."""
    if (review.on_expiry == "default") != (review.default is not None):
        needed = f"{quote('on_expiry')}: {quote('default')}"
        detail = f"{quote('default')} and {needed} must be given together, or neither of them."
        yield Problem(f"{pointer}/default", "misplaced-default", detail)
    if review.four_eyes and not (review.users or review.roles):
        detail = (
            f"With {quote('four_eyes')} the owner cannot answer. Name others in"
            f" {quote('assignees')}."
        )
        yield Problem(f"{pointer}/four_eyes", "four-eyes-unassigned", detail)


def find_default_problem(
    review: Review, schema: Mapping[str, t.Any] | None, pointer: str
) -> Problem | None:
    """Return why the default cannot be the answer of a task with this output schema, if so."""
    if review.default is None:
        return None
    if (schema is None) == ("value" in review.default):
        wanted = "a text: the task has no" if schema is None else "an object, as in the"
        detail = f"{quote('default')} must be {wanted} {quote('output_schema')}."
        return Problem(f"{pointer}/default", "default-mismatch", detail)
    mismatch = None if schema is None else find_mismatch(schema, review.default["value"])
    if mismatch is None:
        return None
    below, reason = mismatch
    return Problem(f"{pointer}/default{below}", "default-mismatch", reason)
