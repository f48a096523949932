"""Forms for the inputs of graphs, from the JSON Schema in their validation report."""

from __future__ import annotations

import contextlib
import json
import typing as t
from collections.abc import Mapping

Json = dict[str, t.Any]

NO_INPUTS: t.Final[Json] = {"properties": {}, "required": []}
_ATTRIBUTES: t.Final = {"maxLength": "maxlength", "minimum": "min", "maximum": "max"}


class Field(t.NamedTuple):
    """A field of the form."""

    name: str
    type: str
    """Type in JSON Schema; empty if any value is allowed."""
    description: str
    value: str
    """Initial value."""
    required: bool
    options: tuple[str, ...]
    """Permitted values, if they are listed."""
    attributes: dict[str, t.Any]
    """Limits as attributes of HTML."""


def fields_of(schema: Json, given: Mapping[str, str]) -> list[Field]:
    """Return the fields for the inputs of a graph; *given* values replace the defaults."""
    required = schema["required"]
    return [
        _field(name, about, name in required, given.get(name))
        for name, about in schema["properties"].items()
    ]


def read_inputs(schema: Json, form: Mapping[str, str]) -> Json:
    """Return the inputs from a form, without empty fields.

    Values that cannot be parsed stay text, which the graph's validation then rejects.
    """
    about = schema["properties"]
    return {name: _read(about.get(name, {}), text) for name, text in form.items() if text}


def _field(name: str, about: Json, required: bool, given: str | None) -> Field:
    default = about.get("default")
    return Field(
        name=name,
        type=_type(about),
        description=about.get("description", ""),
        value=given if given is not None else "" if default is None else _as_text(default),
        required=required,
        options=_options(about),
        attributes={html: about[key] for key, html in _ATTRIBUTES.items() if key in about},
    )


def _type(about: Json) -> str:
    type = about.get("type")
    return type if isinstance(type, str) else ""


def _options(about: Json) -> tuple[str, ...]:
    values = (True, False) if _type(about) == "boolean" else about.get("enum", ())
    return tuple(_as_text(value) for value in values)


def _as_text(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _read(about: Json, text: str) -> t.Any:
    if _type(about) in ("", "string"):
        return text
    with contextlib.suppress(ValueError, RecursionError):
        return json.loads(text)
    return text
