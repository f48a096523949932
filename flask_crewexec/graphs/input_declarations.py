"""Reads the member ``inputs`` of a document."""

from __future__ import annotations

import dataclasses
import json
import typing as t
from collections.abc import Collection
from collections.abc import Iterator
from collections.abc import Mapping

from ..errors import Problem
from . import fields as f
from .fields import Fault
from .fields import Field
from .fields import read_object
from .input_types import Declaration
from .input_types import find_fault
from .input_types import InputType
from .input_values import RESERVED
from .placeholders import is_name
from .problem_messages import child
from .problem_messages import kind_of
from .problem_messages import quote

MAX_INPUTS: t.Final = 100
MAX_DEFAULT: t.Final = 20_000
"""Maximum length of a default as JSON, in characters."""
_MAX_NAME: t.Final = 100
_MAX_CHOICES: t.Final = 100
_MAX_CHOICE: t.Final = 1000
_LARGEST: t.Final = 10**15


@f.accepts(f"any value of at most {MAX_DEFAULT:,} characters as JSON")
def _default(value: object) -> Fault | None:
    length = len(json.dumps(value))
    if length > MAX_DEFAULT:
        return Fault(
            "too-long", f"has {length} characters as JSON; at most {MAX_DEFAULT} are allowed."
        )
    return None


@f.accepts(f"list of 1 to {_MAX_CHOICES} values; texts of at most {_MAX_CHOICE:,} characters")
def _choices(value: object) -> Fault | None:
    if not isinstance(value, list):
        return Fault("wrong-type", f"must be a list, not {kind_of(value)}.")
    if not 0 < len(value) <= _MAX_CHOICES:
        return Fault("out-of-range", f"must have 1 to {_MAX_CHOICES} items.")
    if any(isinstance(item, str) and len(item) > _MAX_CHOICE for item in value):
        return Fault("too-long", f"has an item of more than {_MAX_CHOICE} characters.")
    return None


FIELDS: t.Final[Mapping[str, Field]] = {
    "type": Field(f.choice("unknown-input-type", t.get_args(InputType))),
    "description": Field(f.text(2000, blank=True), default=""),
    "default": Field(_default),
    "required": Field(f.flag),
    "enum": Field(_choices),
    "max_length": Field(f.whole(1, 1_000_000)),
    "minimum": Field(f.number(-_LARGEST, _LARGEST)),
    "maximum": Field(f.number(-_LARGEST, _LARGEST)),
}
_NUMBERS: t.Final = ("number", "integer")
_TYPES_WITH: t.Final[Mapping[str, Collection[str]]] = {
    "enum": ("string", *_NUMBERS),
    "max_length": ("string",),
    "minimum": _NUMBERS,
    "maximum": _NUMBERS,
}


def read_declarations(
    inputs: Mapping[str, object], problems: list[Problem]
) -> tuple[Declaration, ...]:
    """Return the declared *inputs* in their order; report invalid fields in *problems*."""
    return tuple(_read(name, value, problems) for name, value in inputs.items())


def _read(name: str, value: object, problems: list[Problem]) -> Declaration:
    pointer = child("/inputs", name)
    problems += _find_name_problems(name, pointer)
    given = read_object(value, FIELDS, (), pointer, problems)
    raw = value if isinstance(value, dict) else {}
    enum = given.get("enum")
    values = {
        **given,
        "enum": None if enum is None else tuple(enum),
        "required": given.get("required") is not False and "default" not in raw,
    }
    declaration = Declaration(name, **values)
    if len(given) == len(FIELDS):
        problems += _find_contradictions(declaration, raw, pointer)
    return declaration


def _find_name_problems(name: str, pointer: str) -> Iterator[Problem]:
    if name in RESERVED:
        detail = f"The name {quote(name)} is reserved by CrewAI. Choose another."
        yield Problem(pointer, "reserved-input", detail)
    elif len(name) > _MAX_NAME or not is_name(name):
        detail = f"{quote(name)} is not a valid name of a placeholder. Choose another name."
        yield Problem(pointer, "invalid-input-name", detail)


def _find_contradictions(
    declaration: Declaration, raw: Mapping[str, object], pointer: str
) -> Iterator[Problem]:
    yield from _find_misplaced(declaration, raw, pointer)
    if "default" in raw and raw.get("required") is True:
        detail = 'An input with a "default" cannot be required. Remove one of the two.'
        yield Problem(f"{pointer}/required", "required-with-default", detail)
    low, high = declaration.minimum, declaration.maximum
    if low is not None and high is not None and low > high:
        detail = f'"minimum" is {low}, which is more than "maximum", {high}. Swap them.'
        yield Problem(f"{pointer}/minimum", "empty-range", detail)
    without_enum = dataclasses.replace(declaration, enum=None)
    for index, item in enumerate(declaration.enum or ()):
        yield from _check(without_enum, item, f"{pointer}/enum/{index}", "The item")
    if "default" in raw:
        yield from _check(declaration, declaration.default, f"{pointer}/default", '"default"')


def _find_misplaced(
    declaration: Declaration, raw: Mapping[str, object], pointer: str
) -> Iterator[Problem]:
    for field, types in _TYPES_WITH.items():
        if field in raw and declaration.type not in types:
            detail = f"{quote(field)} needs the type {' or '.join(map(quote, types))}."
            yield Problem(f"{pointer}/{field}", "misplaced-field", detail)


def _check(
    declaration: Declaration, value: object, pointer: str, subject: str
) -> Iterator[Problem]:
    if fault := find_fault(declaration, value):
        yield Problem(pointer, fault.code, f"{subject} {fault.demand}", declaration.hint)
