"""What clients read and send, for those who write types in some language from it."""

from __future__ import annotations

import typing as t
from collections.abc import Iterable
from collections.abc import Iterator
from collections.abc import Mapping

import marshmallow as ma
from marshmallow import fields
from marshmallow import validate

from .calls import CallPageSchema
from .calls import CallQuerySchema
from .calls import WholeCallSchema
from .comparisons import ComparisonSchema
from .events import EventType
from .executions import ExecutionPageSchema
from .executions import ExecutionQuerySchema
from .executions import ResultSchema
from .executions import StepSchema
from .executions import WholeExecutionSchema
from .forks import ForkedSchema
from .forks import ForkRequestSchema
from .graphs import GraphPageSchema
from .graphs import GraphQuerySchema
from .input_requests import AnsweredSchema
from .input_requests import InputAnswerItemSchema
from .input_requests import InputAnswerSchema
from .input_requests import InputRequestPageSchema
from .input_requests import InputRequestQuerySchema
from .operations import PauseChangeSchema
from .operations import WorkerReportSchema
from .outcomes import CancelSeveralSchema
from .outcomes import OutcomesSchema
from .outcomes import RetrySeveralSchema
from .problems import ProblemItemSchema
from .submissions import LimitsSchema
from .submissions import QueueRequestSchema

Schema = type[ma.Schema]
Field = fields.Field[t.Any]
Kind = t.Literal[
    "string", "integer", "number", "boolean", "id", "object", "list", "choice", "document", "any"
]

_REQUESTS: t.Final[tuple[Schema, ...]] = (
    QueueRequestSchema,
    LimitsSchema,
    ExecutionQuerySchema,
    InputAnswerSchema,
    InputAnswerItemSchema,
    InputRequestQuerySchema,
    CallQuerySchema,
    ForkRequestSchema,
    CancelSeveralSchema,
    RetrySeveralSchema,
    GraphQuerySchema,
)
_ANSWERS: t.Final[tuple[Schema, ...]] = (
    WholeExecutionSchema,
    ExecutionPageSchema,
    InputRequestPageSchema,
    AnsweredSchema,
    ProblemItemSchema,
    StepSchema,
    ResultSchema,
    CallPageSchema,
    WholeCallSchema,
    ForkedSchema,
    ComparisonSchema,
    OutcomesSchema,
    PauseChangeSchema,
    WorkerReportSchema,
    GraphPageSchema,
)
_KINDS: t.Final[tuple[tuple[type[Field], Kind], ...]] = (
    (fields.Boolean, "boolean"),
    (fields.Integer, "integer"),
    (fields.Number, "number"),
    (fields.Dict, "object"),
    (fields.DateTime, "string"),
    (fields.UUID, "id"),
    (fields.String, "string"),
)


class FieldType(t.NamedTuple):
    """What a field may contain."""

    kind: Kind
    is_nullable: bool = False
    choices: tuple[str, ...] = ()
    document: str = ""
    """Name of the document that the field contains."""
    items: FieldType | None = None
    """Of a list."""


class DocumentField(t.NamedTuple):
    """A field of a document."""

    name: str
    type: FieldType
    description: str
    is_optional: bool
    """Whether it may be missing."""


class Document(t.NamedTuple):
    """An object that a client sends or receives."""

    name: str
    description: str
    is_request: bool
    fields: tuple[DocumentField, ...]


def client_documents() -> Iterator[Document]:
    """Yield the documents of the operations that clients have, each once."""
    requests = _with_nested(_REQUESTS)
    answers = (schema for schema in _with_nested(_ANSWERS) if schema not in requests)
    yield from (_document(schema, is_request=True) for schema in requests)
    yield from (_document(schema, is_request=False) for schema in answers)


def event_documents(types: Mapping[str, EventType]) -> Iterator[Document]:
    """Yield what events of these types carry."""
    for name, event in types.items():
        described = (
            DocumentField(key, _type_of_words(each.type), each.meaning, each.optional)
            for key, each in event.fields.items()
        )
        yield Document(name, event.meaning, False, tuple(described))


def _with_nested(schemas: Iterable[Schema]) -> list[Schema]:
    """Return the schemas and those of their fields, each once."""
    found: dict[Schema, None] = {}
    left = [*schemas]
    while left:
        schema = left.pop(0)
        found[schema] = None
        left += [each for each in _nested_in(schema) if each not in found]
    return [*found]


def _nested_in(schema: Schema) -> Iterator[Schema]:
    for field in schema().fields.values():
        inner = field.inner if isinstance(field, fields.List) else field
        if isinstance(inner, fields.Nested):
            yield type(inner.schema)


def _document(schema: Schema, *, is_request: bool) -> Document:
    described = (
        DocumentField(
            field.data_key or name,
            _type_of(field),
            f"{field.metadata['description']}.",
            not field.required if is_request else bool(field.metadata.get("optional")),
        )
        for name, field in schema().fields.items()
    )
    summary = (schema.__doc__ or "").partition("\n")[0]
    return Document(_name_of(schema), summary, is_request, tuple(described))


def _name_of(schema: Schema) -> str:
    return schema.__name__.removesuffix("Schema")


def _type_of(field: Field) -> FieldType:
    return _type_of_value(field)._replace(is_nullable=bool(field.allow_none))


def _type_of_value(field: Field) -> FieldType:
    if isinstance(field, fields.Nested):
        return FieldType("document", document=_name_of(type(field.schema)))
    if isinstance(field, fields.List):
        return FieldType("list", items=_type_of(field.inner))
    for validator in field.validators:
        if isinstance(validator, validate.OneOf):
            return FieldType("choice", choices=tuple(map(str, validator.choices)))
    kinds = (kind for type, kind in _KINDS if isinstance(field, type))
    return FieldType(next(kinds, "any"))


def _type_of_words(words: str) -> FieldType:
    """Return the type that an event's field has in the words of JSON Schema."""
    kind, _, alternative = words.partition(" or ")
    if kind == "array":
        return FieldType("list", items=FieldType("any"), is_nullable=bool(alternative))
    if kind not in t.get_args(Kind) or alternative not in ("", "null"):
        raise ValueError(f"Clients know no type {words!r}.")
    return FieldType(t.cast(Kind, kind), is_nullable=bool(alternative))
