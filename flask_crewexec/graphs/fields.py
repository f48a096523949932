"""Fields of JSON objects, and how objects are read.

Marshmallow is not used, because its fields accept ``1`` as true and ``"0.5"`` as a number, and its
errors have no codes.
"""

from __future__ import annotations

import itertools
import re
import typing as t
from collections.abc import Callable
from collections.abc import Collection
from collections.abc import Mapping

from ..errors import MAX_PROBLEMS
from ..errors import Problem
from .problem_messages import child
from .problem_messages import kind_of
from .problem_messages import listing
from .problem_messages import quote

_ID = re.compile(r"[A-Za-z0-9_.:-]{1,100}")


class Fault(t.NamedTuple):
    """Why the value of a field is invalid."""

    code: str
    demand: str
    """The rest of a sentence that starts with the field's name."""
    below: str = ""
    """JSON pointer from the field into its value."""


class Check(t.NamedTuple):
    """Finds out whether a value may stand in a field."""

    find_fault: Callable[[object], Fault | None]
    accepted: str
    """Which values are accepted."""

    def __call__(self, value: object) -> Fault | None:
        """Return why *value* is refused, or None."""
        return self.find_fault(value)


def accepts(values: str) -> Callable[[Callable[[object], Fault | None]], Check]:
    """Make a function a check of which the reference says that it accepts *values*."""
    return lambda find_fault: Check(find_fault, values)


class Field(t.NamedTuple):
    """A field that an object may have."""

    check: Check
    required: bool = False
    default: object = None


def read_object(
    value: object,
    fields: Mapping[str, Field],
    ignored: Collection[str],
    pointer: str,
    problems: list[Problem],
) -> dict[str, t.Any]:
    """Return the valid fields of ``value``, with defaults for missing ones.

    Invalid fields are omitted, and reported in ``problems``.
    """
    if not isinstance(value, dict):
        detail = f"Expected an object here, not {kind_of(value)}."
        problems.append(Problem(pointer, "wrong-type", detail))
        return {}
    known = [*fields, *ignored]
    unknown = (name for name in value if name not in known)
    problems += [
        Problem(child(pointer, name), "unknown-field", _unknown(name, fields))
        for name in itertools.islice(unknown, MAX_PROBLEMS + 1)
    ]
    valid = {}
    for name, field in fields.items():
        fault = _find_fault(name, field, value)
        if fault:
            detail = f"{quote(name)} {fault.demand}"
            problems.append(Problem(child(pointer, name) + fault.below, fault.code, detail))
        else:
            valid[name] = value.get(name, field.default)
    return valid


def _unknown(name: str, fields: Collection[str]) -> str:
    return f"There is no field {quote(name)} here. Remove it; the fields are {listing(fields)}."


def _find_fault(name: str, field: Field, value: Mapping[str, object]) -> Fault | None:
    if name in value:
        return field.check(value[name])
    return Fault("missing-field", "is missing. Add it.") if field.required else None


def text(limit: int, *, blank: bool = False) -> Check:
    """Accept text of at most ``limit`` characters."""

    @accepts(f"text of at most {limit:,} characters" + ("" if blank else ", not blank"))
    def check(value: object) -> Fault | None:
        if not isinstance(value, str):
            return _wrong_type("text", value)
        if len(value) > limit:
            return Fault("too-long", f"has {len(value)} characters; at most {limit} are allowed.")
        if not blank and not value.strip():
            return Fault("blank", "must not be blank. Add a text.")
        return None

    return check


def whole(low: int, high: int) -> Check:
    """Accept an integer from ``low`` to ``high``."""

    @accepts(f"whole number from {low:,} to {high:,}")
    def check(value: object) -> Fault | None:
        if not isinstance(value, int) or isinstance(value, bool):
            return _wrong_type("an integer", value)
        return _out_of_range(value, low, high)

    return check


def number(low: int, high: int) -> Check:
    """Accept a number from ``low`` to ``high``."""

    @accepts(f"number from {low:,} to {high:,}")
    def check(value: object) -> Fault | None:
        if not isinstance(value, int | float) or isinstance(value, bool):
            return _wrong_type("a number", value)
        return _out_of_range(value, low, high)

    return check


def choice(code: str, choices: Collection[str]) -> Check:
    """Accept one of ``choices``; report other values as ``code``."""

    @accepts(f"one of {listing(choices)}")
    def check(value: object) -> Fault | None:
        if not isinstance(value, str):
            return _wrong_type("text", value)
        if value not in choices:
            return Fault(code, f"must be one of {listing(choices)}, not {quote(value)}.")
        return None

    return check


def items(limit: int) -> Check:
    """Accept a list of at most ``limit`` items."""

    @accepts(f"list of at most {limit:,} items")
    def check(value: object) -> Fault | None:
        if not isinstance(value, list):
            return _wrong_type("a list", value)
        if len(value) > limit:
            return Fault("too-many", f"has {len(value)} items; at most {limit} are allowed.")
        return None

    return check


def members(code: str, limit: int) -> Check:
    """Accept an object of at most ``limit`` members; report more members as ``code``."""

    @accepts(f"object of at most {limit:,} members")
    def check(value: object) -> Fault | None:
        if not isinstance(value, dict):
            return _wrong_type("an object", value)
        if len(value) > limit:
            return Fault(code, f"has {len(value)} members; at most {limit} are allowed.")
        return None

    return check


@accepts("true or false")
def flag(value: object) -> Fault | None:
    """Accept true and false."""
    return None if isinstance(value, bool) else _wrong_type("true or false", value)


@accepts("anything")
def anything(value: object) -> Fault | None:
    """Accept any value."""
    return None


@accepts("1 to 100 letters, digits or any of _ . : -")
def identifier(value: object) -> Fault | None:
    """Accept the id of a node."""
    if not isinstance(value, str):
        return _wrong_type("text", value)
    if not _ID.fullmatch(value):
        return Fault("invalid-id", "must have 1 to 100 characters: letters, digits, and _ . : -")
    return None


def _wrong_type(wanted: str, value: object) -> Fault:
    return Fault("wrong-type", f"must be {wanted}, not {kind_of(value)}.")


def _out_of_range(value: float, low: int, high: int) -> Fault | None:
    if low <= value <= high:
        return None
    return Fault("out-of-range", f"must be between {low} and {high}.")
