"""Reviews: whether a person looks at the answer of a task before the crew goes on."""

from __future__ import annotations

import json
import typing as t
from collections.abc import Mapping
from dataclasses import dataclass
from dataclasses import field
from dataclasses import replace

from ..errors import Problem
from ..statuses import Decision
from ..text import truncate
from . import fields as f
from .assignees import ASSIGNEES_FIELD
from .assignees import EXPIRES_IN_FIELD
from .assignees import find_misplaced_default
from .assignees import FOUR_EYES_FIELD
from .assignees import MAX_DEFAULT
from .assignees import unassigned
from .assignees import with_assignees
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
MAX_VALUE: t.Final = 500
"""Longest value of an input in a message, in characters; longer ones are cut."""
MAX_MESSAGE: t.Final = 10_000
"""Longest message with placeholders replaced."""


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
    """Whether neither the owner nor the person who edited the draft may decide about it."""

    @property
    def max_drafts(self) -> int:
        """How many drafts the agent may have to write."""
        return self.max_rounds if Decision.CHANGE in self.decisions else 1

    @property
    def of_refused(self) -> Review:
        """The review of a draft that a check has refused: it cannot be approved as it is."""
        decisions = tuple(each for each in self.decisions if each != Decision.APPROVE)
        on_expiry = "fail" if self.on_expiry == "approve" else self.on_expiry
        return replace(self, decisions=decisions, on_expiry=on_expiry)

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


FIELDS: t.Final[Mapping[str, Field]] = {
    "message": Field(f.text(2000)),
    "decisions": Field(_decisions, default=DECISIONS),
    "assignees": ASSIGNEES_FIELD,
    "expires_in": EXPIRES_IN_FIELD,
    "on_expiry": Field(f.choice("unknown-expiry", t.get_args(OnExpiry)), default="fail"),
    "max_rounds": Field(f.whole(1, 20), default=5),
    "default": Field(_default),
    "four_eyes": FOUR_EYES_FIELD,
}


def read_review(value: object, pointer: str, problems: list[Problem]) -> Review | None:
    """Return the review that a task demands; its problems are reported in *problems*."""
    read = read_object(value, FIELDS, (), pointer, problems)
    found = with_assignees(read, FIELDS, pointer, problems)
    if found is None:
        return None
    decisions = tuple(each for each in DECISIONS if each in found["decisions"])
    default = _content(found["default"])
    review = Review(**found | {"decisions": decisions, "default": default})
    problems += find_misplaced_default(review.on_expiry, review.default, pointer)
    if review.four_eyes and not (review.users or review.roles):
        problems.append(unassigned(pointer))
    return review


def _content(default: object) -> dict[str, t.Any] | None:
    """Return a default in the form of an answer."""
    if default is None:
        return None
    return {"value" if isinstance(default, dict) else "text": default}


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
