"""Types of JSON Schema, as reStructuredText."""

from __future__ import annotations

import json
import typing as t

from generated import literal
from generated import phrase

Schema = t.Mapping[str, t.Any]

_LIMITS: t.Final = (
    ("minimum", "maximum", ""),
    ("minLength", "maxLength", " characters"),
    ("minItems", "maxItems", " items"),
)


def type_of(schema: Schema) -> str:
    """Return what a value is; schemas with a name become references to their description."""
    if "$ref" in schema:
        return f":schema:`{schema['$ref'].rpartition('/')[2]}`"
    if "anyOf" in schema:
        return " or ".join(map(type_of, schema["anyOf"]))
    kinds = schema.get("type", "any")
    words = " or ".join(_word(kind, schema) for kind in _as_list(kinds))
    return f"{words} ({schema['format']})" if "format" in schema else words


def _as_list(kinds: str | list[str]) -> list[str]:
    return [kinds] if isinstance(kinds, str) else kinds


def _word(kind: str, schema: Schema) -> str:
    if kind == "array" and "items" in schema:
        return f"array of {type_of(schema['items'])}"
    values = schema.get("additionalProperties")
    if kind == "object" and isinstance(values, dict) and values:
        return f"object of {type_of(values)}"
    return kind


def meaning_of(schema: Schema) -> str:
    """Return the description of a value with its limits and its default, as sentences."""
    sentences = [schema.get("description", ""), *_allowed(schema)]
    if schema.get("default") is not None:
        sentences.append(f"Default: {literal(json.dumps(schema['default']))}")
    return " ".join(phrase(text).rstrip(".") + "." for text in sentences if text)


def _allowed(schema: Schema) -> t.Iterator[str]:
    if "enum" in schema:
        values = (literal(value) for value in schema["enum"] if value is not None)
        yield f"One of {', '.join(values)}"
    for low, high, unit in _LIMITS:
        if low in schema or high in schema:
            yield _range(schema.get(low), schema.get(high)) + unit


def _range(low: float | None, high: float | None) -> str:
    if high is None:
        return f"At least {low:g}"
    return f"At most {high:,g}" if low is None else f"{low:g} to {high:,.10g}"
