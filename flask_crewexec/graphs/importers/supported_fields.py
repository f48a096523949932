"""Splits the fields of CrewAI's objects into those that graphs support and all others."""

from __future__ import annotations

import typing as t

from ..problem_messages import listing
from ..problem_messages import quote
from ..problem_messages import suggestion
from .crewai_fields import EMPTY
from .crewai_fields import Kind
from .crewai_fields import Omission
from .draft import Draft
from .import_result import Json
from .import_result import Place


class Fields(dict[str, tuple[t.Any, Place]]):
    """The members of an object, with their places."""

    def value(self, name: str) -> t.Any:
        """Return the value of a member, or None if it is missing."""
        return self[name][0] if name in self else None


def fields_of(value: Json, place: Place) -> Fields:
    """Return the members of *value*, an object at *place*."""
    return Fields({name: (member, place / name) for name, member in value.items()})


def with_config(fields: Fields, draft: Draft) -> Fields:
    """Return *fields* and the members of their ``config`` that they do not set, as CrewAI does."""
    config, place = fields.get("config", (None, Place("")))
    if config in EMPTY or (members := draft.members(config, place)) is None:
        return Fields({name: found for name, found in fields.items() if name != "config"})
    given = {name: found for name, found in fields.items() if found[0] is not None}
    return Fields({**fields_of(members, place), **given, "config": (None, place)})


def keep_supported(fields: Fields, kind: Kind, draft: Draft) -> Fields:
    """Return the fields that graphs support; note the others."""
    for name, (value, place) in fields.items():
        if name not in kind.supported:
            leave_out(name, value, place, kind, draft)
    return Fields({name: found for name, found in fields.items() if name in kind.supported})


def leave_out(name: str, value: object, place: Place, kind: Kind, draft: Draft) -> None:
    """Note that a field is left out, unless its value says nothing."""
    omission = kind.omitted.get(name)
    if name == "type":
        _note_type(value, place, kind, draft)
    elif omission is None:
        if value not in EMPTY:
            detail = "" if draft.lists_no_more_notes else _unknown(name, kind)
            draft.add_note(place, "left-out", detail, "changed")
    elif not _is_default(value, omission):
        detail = f"The field {quote(name)} is left out. {omission.advice}"
        draft.add_note(place, omission.code, detail, omission.severity)


def _note_type(value: object, place: Place, kind: Kind, draft: Draft) -> None:
    if value not in EMPTY and not (isinstance(value, str) and value in kind.types):
        detail = f"The class is left out: {kind.title} here is always CrewAI's own."
        draft.add_note(place, "code-reference", detail, "changed")


def _is_default(value: object, omission: Omission) -> bool:
    if omission.default in EMPTY:
        return value in EMPTY
    return value is None or (type(value) is type(omission.default) and value == omission.default)


def _unknown(name: str, kind: Kind) -> str:
    known = sorted(kind.supported)
    return (
        f"There is no field {quote(name)} of {kind.title}, so it is left out."
        f" {suggestion(name, known)}The fields are {listing(known)}."
    )
