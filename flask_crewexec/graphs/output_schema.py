"""JSON Schemas that graphs demand of answers: a part of the language that is safe to check with.

No pattern can take for ever, nothing is fetched, and no definition unfolds without end.
"""

from __future__ import annotations

import json
import re
import typing as t
from collections.abc import Iterator
from collections.abc import Mapping

from .fields import Fault
from .jsonvalue import find_json_problems
from .wording import child
from .wording import kind_of
from .wording import listing
from .wording import quote

Json = dict[str, t.Any]

_MAX_CHARS = 20_000
_MAX_DEPTH = 20
_MAX_SCHEMAS = 500
_MAX_SENTENCE = 500

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
"""What a schema may say."""

_REFERENCE = re.compile(r"#/\$defs/([^/~%]+)")


class _Wrong(Exception):
    def __init__(self, fault: Fault) -> None:
        self.fault = fault


def output_schema(value: object) -> Fault | None:
    """Accept a JSON Schema (2020-12) of an object that says no more than :data:`KEYWORDS`."""
    if not isinstance(value, dict):
        return Fault("wrong-type", f"must be an object, not {kind_of(value)}.")
    if len(json.dumps(value)) > _MAX_CHARS:
        return Fault("too-long", f"is longer than the {_MAX_CHARS} characters that are allowed.")
    try:
        _Walk(value).schema(value, "", 0)
    except _Wrong as wrong:
        return wrong.fault
    if value.get("type") != "object":
        return Fault("invalid-schema", 'must describe an object: say "type": "object".')
    return _metaschema_fault(value)


def _metaschema_fault(schema: Json) -> Fault | None:
    from jsonschema import Draft202012Validator  # only graphs with a schema need it
    from jsonschema.exceptions import best_match

    metaschema = Draft202012Validator(Draft202012Validator.META_SCHEMA)
    error = best_match(metaschema.iter_errors(schema))
    if error is None:
        return None
    below = ""
    for token in error.absolute_path:
        below = child(below, token)
    return Fault("invalid-schema", f"is no JSON Schema: {_sentence(error.message)}", below)


class _Walk:
    """Visits the schemas in a schema as a check unfolds them, and their definitions."""

    def __init__(self, root: Json) -> None:
        self._root = root
        self._count = 0

    def schema(self, value: object, below: str, depth: int) -> None:
        self._count += 1
        if depth > _MAX_DEPTH:
            demand = f"may nest {_MAX_DEPTH} schemas within each other, none of them in itself."
            raise _Wrong(Fault("schema-too-deep", demand, below))
        if self._count > _MAX_SCHEMAS:
            demand = f"may hold {_MAX_SCHEMAS} schemas, each counted as often as it is used."
            raise _Wrong(Fault("schema-too-large", demand, below))
        if isinstance(value, dict):
            self._keywords(value, below)
            for member, where in self._members(value, below):
                self.schema(member, where, depth + 1)

    def _keywords(self, value: Json, below: str) -> None:
        for name in value:
            if name not in KEYWORDS:
                demand = f"cannot say {quote(name)}; it may say {listing(KEYWORDS)}."
                raise _Wrong(Fault("unsupported-keyword", demand, child(below, name)))

    def _members(self, value: Json, below: str) -> Iterator[tuple[object, str]]:
        for name in _MANY:
            if isinstance(value.get(name), dict):
                for key, member in value[name].items():
                    yield member, child(f"{below}/{name}", key)
        for name in _LISTS:
            if isinstance(value.get(name), list):
                for index, member in enumerate(value[name]):
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
            demand = 'must refer to a definition of its own, such as "#/$defs/name".'
            raise _Wrong(Fault("schema-reference", demand, below))
        return known[found[1]]


def read_answer(schema: Mapping[str, t.Any], text: str) -> tuple[Json | None, str]:
    """Return the object that *text* holds, if it is as *schema* wants it, else what is wrong."""
    from jsonschema import Draft202012Validator
    from jsonschema.exceptions import best_match

    value = next(_objects(text), None)
    if value is None:
        return None, "The answer is not a JSON object."
    if problems := find_json_problems(value):
        return None, f"At {quote(problems[0].pointer)}: {problems[0].detail}"
    error = best_match(Draft202012Validator(schema).iter_errors(value))
    if error is None:
        return value, ""
    return None, f"At {quote(error.json_path)}: {_sentence(error.message)}"


def _objects(text: str) -> Iterator[Json]:
    """Yield the JSON objects that *text* may stand for: itself, or what it has put around it."""
    begin, end = text.find("{"), text.rfind("}") + 1
    for part in (text, text[begin:end]):
        try:
            value = json.loads(part)
        except (ValueError, RecursionError):
            continue
        if isinstance(value, dict):
            yield value


def _sentence(message: str) -> str:
    return message if len(message) <= _MAX_SENTENCE else message[: _MAX_SENTENCE - 1] + "…"
