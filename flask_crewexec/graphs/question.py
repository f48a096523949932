"""Questions of agents: who answers what they ask with the tool ``ask_person``."""

from __future__ import annotations

import typing as t
from collections.abc import Collection
from collections.abc import Mapping
from dataclasses import dataclass

from ..errors import Problem
from . import fields as f
from .assignees import ASSIGNEES_FIELD
from .assignees import EXPIRES_IN_FIELD
from .assignees import find_misplaced_default
from .assignees import FOUR_EYES_FIELD
from .assignees import MAX_DEFAULT
from .assignees import unassigned
from .assignees import with_assignees
from .fields import Field
from .problem_messages import child
from .problem_messages import quote

ASK_PERSON: t.Final = "ask_person"
"""The built-in tool with which agents ask people."""

OnQuestionExpiry = t.Literal["fail", "reject", "default"]
"""What happens to a question that nobody has answered in time."""


@dataclass(frozen=True)
class QuestionTerms:
    """How people are asked what agents want to know."""

    users: tuple[str, ...] = ()
    """Ids of the users who are asked."""
    roles: tuple[str, ...] = ()
    """Roles of the users who are asked. Without users and roles, it is the owner."""
    expires_in: float | None = None
    """Seconds until it is too late for an answer."""
    on_expiry: OnQuestionExpiry = "fail"
    default: str | None = None
    """The answer then, for ``default``."""
    four_eyes: bool = False
    """Whether another person must answer than the owner."""


FIELDS: t.Final[Mapping[str, Field]] = {
    "assignees": ASSIGNEES_FIELD,
    "expires_in": EXPIRES_IN_FIELD,
    "on_expiry": Field(f.choice("unknown-expiry", t.get_args(OnQuestionExpiry)), default="fail"),
    "default": Field(f.text(MAX_DEFAULT)),
    "four_eyes": FOUR_EYES_FIELD,
}
"""Fields in the data of nodes of the tool."""


def read_question(
    data: Mapping[str, t.Any], given: Collection[str], pointer: str, problems: list[Problem]
) -> QuestionTerms | None:
    """Return how people are asked, if a tool node says so.

    :param data: the valid fields of its data.
    :param given: the names of all fields that are given.
    :param pointer: that of the data. Problems are reported in *problems*.
    """
    if "name" not in data:
        return None
    mine = [name for name in FIELDS if name in given]
    if data["name"] != ASK_PERSON:
        problems += [_misplaced(name, pointer) for name in mine]
        return None
    if "approval" in given:
        problems.append(_approved(pointer))
    found = with_assignees(data, FIELDS, pointer, problems) if mine else None
    if found is None:
        return None
    terms = QuestionTerms(**found)
    problems += find_misplaced_default(terms.on_expiry, terms.default, pointer)
    if terms.four_eyes and not (terms.users or terms.roles):
        problems.append(unassigned(pointer))
    return terms


def _approved(pointer: str) -> Problem:
    detail = f"The tool {quote(ASK_PERSON)} asks people itself, so nobody approves its calls."
    return Problem(f"{pointer}/approval", "misplaced-field", detail, "Remove it.")


def _misplaced(name: str, pointer: str) -> Problem:
    detail = f"Only nodes of the tool {quote(ASK_PERSON)} may have {quote(name)}."
    hint = 'Remove it; to let people decide about calls, use "approval".'
    return Problem(child(pointer, name), "misplaced-field", detail, hint)
