"""JSON Schemas for answers: a subset of the language that is safe to validate with.

It has no patterns, which may be slow, no remote references, and no recursive definitions.
"""

from __future__ import annotations

import json
import re
import typing as t
from collections.abc import Callable
from collections.abc import Iterator
from collections.abc import Mapping

from .fields import accepts
from .fields import Fault
from .problem_messages import child
from .problem_messages import kind_of
from .problem_messages import listing
from .problem_messages import quote

Json = dict[str, t.Any]

_MAX_CHARS = 20_000
_MAX_DEPTH = 20
_MAX_SCHEMAS = 500

_ANNOTATIONS = ("title", "description", "default", "examples", "format")
_ASSERTIONS = (
    "type",
    "enum",
    "const",
    "required",
    "minimum",
    "maximum",
    "exclusiveMinimum",
    "exclusiveMaximum",
    "minLength",
    "maxLength",
    "minItems",
    "maxItems",
)
_MANY = ("properties", "$defs")
_LISTS = ("anyOf", "oneOf", "allOf")
_ONE = ("items", "additionalProperties")
KEYWORDS: t.Final = (*_ASSERTIONS, *_MANY, *_LISTS, *_ONE, "$ref", *_ANNOTATIONS)
"""The keywords that are allowed."""

_REFERENCE = re.compile(r"#/\$defs/([^/~%]+)")


class _Invalid(Exception):
    def __init__(self, fault: Fault) -> None:
        self.fault = fault


@accepts(f"JSON Schema of an object, of at most {_MAX_CHARS:,} characters")
def output_schema(value: object) -> Fault | None:
    """Accept a JSON Schema (2020-12) of an object that uses only :data:`KEYWORDS`."""
    if not isinstance(value, dict):
        return Fault("wrong-type", f"must be an object, not {kind_of(value)}.")
    if len(json.dumps(value)) > _MAX_CHARS:
        return Fault("too-long", f"is too long; at most {_MAX_CHARS} characters are allowed.")
    try:
        _Walk(value).schema(value, "", 0)
    except _Invalid as error:
        return error.fault
    if value.get("type") != "object":
        return Fault("invalid-schema", 'must describe an object: add "type": "object".')
    return None


def _is_text(value: object) -> bool:
    return isinstance(value, str)


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _is_count(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def _is_type(value: object) -> bool:
    names = value if isinstance(value, list) and value else [value]
    return _are_names(names) and all(name in _TYPES for name in names)


def _are_names(value: object) -> bool:
    if not isinstance(value, list) or not all(map(_is_text, value)):
        return False
    return len(set(value)) == len(value)


def _is_list(value: object) -> bool:
    return isinstance(value, list)


def _is_filled(value: object) -> bool:
    return isinstance(value, list) and bool(value)


def _is_object(value: object) -> bool:
    return isinstance(value, dict)


# The metaschema is not used: checking with it takes a hundred times as long.
_TYPES = ("array", "boolean", "integer", "null", "number", "object", "string")
_VALUES: t.Final[Mapping[str, tuple[Callable[[object], bool], str]]] = {
    "type": (_is_type, f"one or several of {listing(_TYPES)}"),
    "required": (_are_names, "a list of different names"),
    "enum": (_is_list, "a list"),
    "examples": (_is_list, "a list"),
    **dict.fromkeys(("title", "description", "format"), (_is_text, "text")),
    **dict.fromkeys(
        ("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"), (_is_number, "a number")
    ),
    **dict.fromkeys(
        ("minLength", "maxLength", "minItems", "maxItems"), (_is_count, "an integer of 0 or more")
    ),
    **dict.fromkeys(_MANY, (_is_object, "an object with schemas")),
    **dict.fromkeys(_LISTS, (_is_filled, "a list of at least one schema")),
}
"""The check of each keyword's value, and its description."""


class _Walk:
    """Visits all schemas within a schema, following references as a validator does."""

    def __init__(self, root: Json) -> None:
        self._root = root
        self._count = 0
        self._walked: dict[int, tuple[int, int]] = {}
        """Count and height of each schema that was visited whole, by the id of the object."""

    def schema(self, value: object, below: str, depth: int) -> int:
        """Visit a schema and those within; return how many levels there are.

        What was visited before is only counted, so that the work does not grow with references.
        """
        count, height = self._walked.get(id(value), (0, 0))
        if count and self._count + count <= _MAX_SCHEMAS and depth + height <= _MAX_DEPTH:
            self._count += count
            return height
        before, height = self._count, 1
        self._count += 1
        if depth > _MAX_DEPTH:
            demand = f"may nest at most {_MAX_DEPTH} schemas, and none within itself."
            raise _Invalid(Fault("schema-too-deep", demand, below))
        if self._count > _MAX_SCHEMAS:
            demand = (
                f"may contain at most {_MAX_SCHEMAS} schemas; each reference counts as one more."
            )
            raise _Invalid(Fault("schema-too-large", demand, below))
        if isinstance(value, dict):
            self._keywords(value, below)
            for member, where in self._members(value, below):
                height = max(height, 1 + self.schema(member, where, depth + 1))
        elif not isinstance(value, bool):
            demand = f"must contain schemas (objects, true or false), not {kind_of(value)}."
            raise _Invalid(Fault("invalid-schema", demand, below))
        self._walked[id(value)] = (self._count - before, height)
        return height

    def _keywords(self, value: Json, below: str) -> None:
        for name, member in value.items():
            if name not in KEYWORDS:
                demand = f"must not use {quote(name)}; allowed are {listing(KEYWORDS)}."
                raise _Invalid(Fault("unsupported-keyword", demand, child(below, name)))
            fits, wanted = _VALUES.get(name, (None, ""))
            if fits and not fits(member):
                demand = f"is not a valid JSON Schema: {quote(name)} must be {wanted}."
                raise _Invalid(Fault("invalid-schema", demand, child(below, name)))

    def _members(self, value: Json, below: str) -> Iterator[tuple[object, str]]:
        for name in _MANY:
            for key, member in value.get(name, {}).items():
                yield member, child(f"{below}/{name}", key)
        for name in _LISTS:
            for index, member in enumerate(value.get(name, ())):
                yield member, f"{below}/{name}/{index}"
        for name in _ONE:
            if name in value:
                yield value[name], f"{below}/{name}"
        if "$ref" in value:
            yield self._target(value["$ref"], f"{below}/$ref"), f"{below}/$ref"

    def _target(self, reference: object, below: str) -> object:
        known = self._root.get("$defs")
        found = _REFERENCE.fullmatch(reference) if isinstance(reference, str) else None
        if found is None or not isinstance(known, dict) or found[1] not in known:
            demand = 'must refer to one of its own definitions, such as "#/$defs/name".'
            raise _Invalid(Fault("schema-reference", demand, below))
        return known[found[1]]
