"""Types for TypeScript of the documents that the API reads and sends."""

from __future__ import annotations

import json
import typing as t
from collections.abc import Iterable
from collections.abc import Iterator

from ..schemas import client_documents
from ..schemas import Document
from ..schemas import DocumentField
from ..schemas import event_documents
from ..schemas import EVENT_TYPES
from ..schemas import FieldType

_TYPES: t.Final = {
    "string": "string",
    "id": "string",
    "integer": "number",
    "number": "number",
    "boolean": "boolean",
    "object": "Record<string, unknown>",
    "any": "unknown",
}


def declarations() -> str:
    """Return the declarations of all types."""
    return "\n".join([*map(_interface, client_documents()), _event_data()])


def _interface(document: Document) -> str:
    head = [f"/** {document.description} */", f"export interface {document.name} {{"]
    return "\n".join([*head, *_fields(document.fields, "  "), "}", ""])


def _event_data() -> str:
    lines = ["/** The data of an event, by its type. */", "export interface EventData {"]
    for event in event_documents(EVENT_TYPES):
        lines += [f"  /** {event.description} */", f"  {event.name}: {{"]
        lines += [*_fields(event.fields, "    "), "  };"]
    return "\n".join([*lines, "}", ""])


def _fields(fields: Iterable[DocumentField], indent: str) -> Iterator[str]:
    for field in fields:
        mark = "?" if field.is_optional else ""
        yield f"{indent}/** {field.description} */"
        yield f"{indent}{field.name}{mark}: {_type_of(field.type)};"


def _type_of(type: FieldType) -> str:
    return f"{_type_of_value(type)} | null" if type.is_nullable else _type_of_value(type)


def _type_of_value(type: FieldType) -> str:
    if type.items is not None:
        return f"Array<{_type_of(type.items)}>"
    if type.kind == "choice":
        return " | ".join(map(json.dumps, type.choices))
    return type.document or _TYPES[type.kind]
