"""The source of the Python client's documents; run this file to write them after a change."""

from __future__ import annotations

import json
import textwrap
import typing as t
from collections.abc import Iterator
from pathlib import Path

from flask_crewexec.schemas import client_documents
from flask_crewexec.schemas import Document
from flask_crewexec.schemas import DocumentField
from flask_crewexec.schemas import event_documents
from flask_crewexec.schemas import EVENT_TYPES
from flask_crewexec.schemas import FieldType
from flask_crewexec.schemas import STREAM_EVENT_TYPES

FILE: t.Final = Path(__file__).parents[2] / "flask_crewexec/client/documents.py"
_WIDTH: t.Final = 100
_HEAD: t.Final = '''"""Documents that the API reads and sends.

Written by tests/support/python_documents.py.
"""

from __future__ import annotations

import typing as t
import uuid
'''
_EVENT: t.Final = '''class _Event(t.TypedDict):
    execution_id: str
    seq: int
    """Number within the execution, from 1."""
    created_at: str
'''
_OR_NONE: t.Final = " | None"
_TYPES: t.Final = {
    "string": "str",
    "id": "str",
    "integer": "int",
    "number": "float",
    "boolean": "bool",
    "object": "dict[str, t.Any]",
    "any": "t.Any",
}


def source() -> str:
    """Return the source of the module."""
    events, others = [*event_documents(EVENT_TYPES)], [*event_documents(STREAM_EVENT_TYPES)]
    parts = [_HEAD, *map(_document, client_documents()), _EVENT]
    for event in events:
        parts += [*_data(event), _event(event)]
    parts += map(_stream_event, others)
    union = "\n    | ".join(map(_event_name, events))
    message = " | ".join(["ExecutionEvent", *map(_event_name, others)])
    aliases = f"ExecutionEvent: t.TypeAlias = (\n    {union}\n)\n"
    return "\n\n".join(parts) + f"\n\n{aliases}Message: t.TypeAlias = {message}\n"


def _document(document: Document) -> str:
    fields = (line for each in document.fields for line in _field(each, document.is_request))
    return _class(document.name, "t.TypedDict", document.description, fields)


def _data(event: Document) -> Iterator[str]:
    if event.fields:
        fields = (line for each in event.fields for line in _field(each))
        yield _class(_data_name(event), "t.TypedDict", "", fields)


def _event(event: Document) -> str:
    data = _data_name(event) if event.fields else "dict[str, t.Never]"
    fields = [f'    type: t.Literal["{event.name}"]', f"    data: {data}"]
    return _class(_event_name(event), "_Event", event.description, iter(fields))


def _stream_event(event: Document) -> str:
    head = ["    execution_id: str", f'    type: t.Literal["{event.name}"]']
    fields = (line for each in event.fields for line in _field(each))
    return _class(_event_name(event), "t.TypedDict", event.description, iter([*head, *fields]))


def _event_name(event: Document) -> str:
    return f"{event.name.title().replace('_', '')}Event"


def _data_name(event: Document) -> str:
    return f"{_event_name(event)}Data"


def _class(name: str, base: str, description: str, fields: Iterator[str]) -> str:
    head = [f"class {name}({base}):"]
    if description:
        head += [*_docstring(description), ""]
    return "\n".join([*head, *fields, ""])


def _field(field: DocumentField, is_request: bool = False) -> Iterator[str]:
    type = _type_of(field.type, is_request)
    type = f"t.NotRequired[{type}]" if field.is_optional else type
    yield from _broken(f"{field.name}: {type}")
    yield from _docstring(field.description)


def _docstring(text: str) -> list[str]:
    return textwrap.wrap(f'"""{text}"""', _WIDTH, initial_indent="    ", subsequent_indent="    ")


def _broken(text: str, indent: str = "    ") -> Iterator[str]:
    """Yield a line, or several as ruff divides it."""
    deeper = f"{indent}    "
    if len(indent + text) <= _WIDTH:
        yield indent + text
    elif text.endswith(_OR_NONE):
        name, _, type = text.removesuffix(_OR_NONE).partition(": ")
        yield f"{indent}{name}: ("
        yield from [*_broken(type, deeper), f"{deeper}| None", f"{indent})"]
    else:
        head, _, rest = text.partition("[")
        inner, _, tail = rest.rpartition("]")
        yield f"{indent}{head}["
        if "[" in inner or len(deeper + inner) <= _WIDTH:
            yield from _broken(inner, deeper)
        else:
            yield from (f"{deeper}{each}," for each in inner.split(", "))
        yield f"{indent}]{tail}"


def _type_of(type: FieldType, is_request: bool) -> str:
    value = _type_of_value(type, is_request)
    return f"{value} | None" if type.is_nullable and type.kind != "any" else value


def _type_of_value(type: FieldType, is_request: bool) -> str:
    if type.items is not None:
        return f"list[{_type_of(type.items, is_request)}]"
    if type.kind == "choice":
        return f"t.Literal[{', '.join(map(json.dumps, type.choices))}]"
    if type.kind == "id" and is_request:
        return "str | uuid.UUID"
    return type.document or _TYPES[type.kind]


if __name__ == "__main__":
    FILE.write_text(source(), "utf-8")
