"""Declared inputs, and the check of their values."""

from __future__ import annotations

import json
import re
import typing as t
from dataclasses import dataclass

from .fields import Fault
from .problem_messages import cut
from .problem_messages import kind_of

InputType = t.Literal["string", "number", "integer", "boolean", "array", "object", "file"]

REFERENCE: t.Final = r"[A-Za-z0-9][A-Za-z0-9._-]{0,199}"
"""Pattern of the part after the storage's name and a colon: neither a path nor a URL."""
_FILE: t.Final = re.compile(rf"[a-z][a-z0-9_]{{0,63}}:{REFERENCE}")

_TITLES: t.Final[dict[InputType, str]] = {
    "string": "text",
    "number": "a number",
    "integer": "an integer",
    "boolean": "true or false",
    "array": "a list",
    "object": "an object",
    "file": 'a reference such as "uploads:report-3"',
}


@dataclass(frozen=True)
class Declaration:
    """A declared input of a graph."""

    name: str
    type: InputType | None = None
    """``None`` means any value except null."""
    description: str = ""
    default: t.Any = None
    """``None`` means no default."""
    required: bool = True
    enum: tuple[t.Any, ...] | None = None
    max_length: int | None = None
    minimum: float | None = None
    maximum: float | None = None

    @property
    def hint(self) -> str:
        """A sentence that says which values are allowed."""
        if self.enum:
            return f"Allowed are {_listing(self.enum)}."
        if self.type is None:
            return "Any value except null is allowed."
        length = "" if self.max_length is None else f" of at most {self.max_length} characters"
        return f"Allowed is {_TITLES[self.type]}{length}{self._range}."

    @property
    def _range(self) -> str:
        match self.minimum, self.maximum:
            case None, None:
                return ""
            case low, None:
                return f" of {low} or more"
            case None, high:
                return f" of {high} or less"
            case low, high:
                return f" from {low} to {high}"


def find_fault(declaration: Declaration, value: object) -> Fault | None:
    """Return why *value* is invalid for the input, consistent with :func:`.inputs_schema`."""
    if value is None:
        return Fault("null-input", "is null. Give it a value.")
    if declaration.type and not _is_of(declaration.type, value):
        wanted = _TITLES[declaration.type]
        return Fault("wrong-type", f"must be {wanted}, not {kind_of(value)}.")
    if declaration.type == "file" and not _FILE.fullmatch(str(value)):
        return Fault("invalid-reference", f"must be {_TITLES['file']}, not a path or URL.")
    if declaration.enum and value not in declaration.enum:
        return Fault("not-in-enum", f"must be one of {_listing(declaration.enum)}.")
    if isinstance(value, str):
        return _find_length_fault(declaration, value)
    if isinstance(value, int | float):
        return _find_range_fault(declaration, value)
    return None


def _is_of(type: InputType, value: object) -> bool:
    match type:
        case "string" | "file":
            return isinstance(value, str)
        case "boolean":
            return isinstance(value, bool)
        case "array":
            return isinstance(value, list)
        case "object":
            return isinstance(value, dict)
        case "number":
            return isinstance(value, int | float) and not isinstance(value, bool)
        case "integer":
            whole = isinstance(value, int) or (isinstance(value, float) and value.is_integer())
            return whole and not isinstance(value, bool)


def _find_length_fault(declaration: Declaration, value: str) -> Fault | None:
    limit = declaration.max_length
    if limit is None or len(value) <= limit:
        return None
    return Fault("too-long", f"has {len(value)} characters; at most {limit} are allowed.")


def _find_range_fault(declaration: Declaration, value: float) -> Fault | None:
    if declaration.minimum is not None and value < declaration.minimum:
        return Fault("out-of-range", f"must be {declaration.minimum} or more.")
    if declaration.maximum is not None and value > declaration.maximum:
        return Fault("out-of-range", f"must be {declaration.maximum} or less.")
    return None


def storage_of(reference: str) -> str:
    """Return the name of the storage in a valid *reference*."""
    return reference.partition(":")[0]


def _listing(values: t.Iterable[object]) -> str:
    return cut(", ".join(json.dumps(value, ensure_ascii=False) for value in values), 300)
