"""Splits the fields of CrewAI's objects into those that graphs support and all others."""

from __future__ import annotations

import typing as t
from collections.abc import Iterator

from ..problem_messages import listing
from ..problem_messages import quote
from .crewai_fields import CLASSES
from .crewai_fields import CODE
from .crewai_fields import Kind
from .crewai_fields import Refusal
from .crewai_fields import REFUSED_EVERYWHERE
from .crewai_fields import UNKNOWN_FIELD
from .crewai_fields import USER_DATA
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


def keep_supported(fields: Fields, kind: Kind, draft: Draft) -> Fields:
    """Return the fields that graphs support; note or refuse the others."""
    for name, (value, place) in fields.items():
        if name not in kind.supported:
            _leave_out(name, value, place, kind, draft)
    return Fields({name: found for name, found in fields.items() if name in kind.supported})


def _leave_out(name: str, value: object, place: Place, kind: Kind, draft: Draft) -> None:
    refused = refuse_harmful(name, value, place, kind, draft)
    if not refused and not _is_default(name, value, kind):
        draft.add_note(place, "left-out", _omission(name, kind))


def refuse_harmful(name: str, value: object, place: Place, kind: Kind, draft: Draft) -> bool:
    """Refuse harmful values in a field; return whether there are any."""
    refusal = _refusal(name, value, kind)
    found = [(place, name, refusal)] if refusal else [*_find_harmful(name, value, place)]
    for at, field, reason in found:
        detail = f"The field {quote(field)} is refused. {reason.advice}"
        draft.refuse(at, reason.code, detail)
    return bool(found)


def _refusal(name: str, value: object, kind: Kind) -> Refusal | None:
    if value in (None, False, [], {}, ""):
        return None
    if name == "type":
        return None if isinstance(value, str) and value in kind.types else CODE
    if name in CLASSES and isinstance(value, str):
        return CODE
    return kind.refused.get(name) or REFUSED_EVERYWHERE.get(name)


def _find_harmful(field: str, value: object, place: Place) -> Iterator[tuple[Place, str, Refusal]]:
    if field in CLASSES and isinstance(value, dict) and "python" in value:
        yield place / "python", "python", CODE
    pending = [] if field in USER_DATA else [(value, place)]
    while pending:
        item, at = pending.pop()
        if isinstance(item, dict):
            for name, member in item.items():
                if name in REFUSED_EVERYWHERE and member is not None:
                    yield at / name, name, REFUSED_EVERYWHERE[name]
                else:
                    pending.append((member, at / name))
        elif isinstance(item, list):
            pending += [(member, at / index) for index, member in enumerate(item)]


def _is_default(name: str, value: object, kind: Kind) -> bool:
    if name in kind.omitted:
        default = kind.omitted[name].default
        return value is None or (type(value) is type(default) and value == default)
    return name == "type" or value in (None, False, [], {}, "")


def _omission(name: str, kind: Kind) -> str:
    if name in kind.omitted:
        advice = kind.omitted[name].advice
        return f"The field {quote(name)} is left out. {advice}"
    allowed = listing(sorted(kind.supported))
    return (
        f"Graphs have no field {quote(name)} of {kind.title}, so it is left out. {UNKNOWN_FIELD}"
        f" The fields are {allowed}."
    )
