"""Graphs, their documents and their validation."""

from __future__ import annotations

import typing as t

import marshmallow as ma
from marshmallow import fields
from marshmallow import validate

from .fields import MAX_INTEGER
from .fields import Moment
from .fields import Text
from .pages import PageQuerySchema
from .problems import HintedProblemSchema


class GraphRequestSchema(ma.Schema):
    """Outline of a graph document for OpenAPI; ``graphs.validate`` checks the whole."""

    example: t.ClassVar[t.Any] = {
        "version": 1,
        "name": "Page about a topic",
        "process": "sequential",
        "nodes": [
            {
                "id": "writer",
                "type": "agent",
                "data": {"role": "Writer", "goal": "Write about {topic}"},
            },
            {
                "id": "facts",
                "type": "task",
                "data": {
                    "description": "Tell three facts about {topic}.",
                    "expected_output": "A list",
                },
            },
        ],
        "edges": [{"source": "writer", "target": "facts"}],
    }

    version = fields.Integer(required=True, metadata={"enum": [1]})
    name = fields.String(required=True)
    process = fields.String(metadata={"enum": ["sequential", "hierarchical"]})
    nodes = fields.List(fields.Dict(), required=True)
    edges = fields.List(fields.Dict(), required=True)
    inputs = fields.Dict(
        keys=fields.String(),
        values=fields.Dict(),
        metadata={"description": "By name: type, description, default, required, enum and bounds"},
    )


class GraphQuerySchema(PageQuerySchema):
    """Filters of the list of graphs."""

    archived = fields.Boolean(
        load_default=False, metadata={"description": "Archived graphs instead of the others"}
    )


class CopySchema(ma.Schema):
    """Version of a graph to copy, and name of the copy."""

    name = Text(1, 200, load_default=None, allow_none=True)
    version = fields.Integer(
        load_default=None,
        allow_none=True,
        strict=True,
        validate=validate.Range(1, MAX_INTEGER),
        metadata={"description": "By default the newest"},
    )


class GraphSchema(ma.Schema):
    """A graph, without its document."""

    id = fields.UUID()
    name = fields.String()
    user_id = fields.String(attribute="owner_id")
    latest_version = fields.Integer()
    created_at = Moment()
    updated_at = Moment()
    archived_at = Moment(attribute="deleted_at", allow_none=True)


class GraphDocumentSchema(GraphSchema):
    """A graph with one version of its document."""

    version = fields.Integer(attribute="number")
    digest = fields.String(metadata={"description": "SHA-256 of the document as canonical JSON"})
    document = fields.Dict()


class GraphPageSchema(ma.Schema):
    """A page of graphs, newest first."""

    graphs = fields.List(fields.Nested(GraphSchema))
    next = fields.UUID(allow_none=True, metadata={"description": "'before' for the next page"})


class ModelCallsSchema(ma.Schema):
    """Estimated number of model calls of one attempt."""

    lower = fields.Integer()
    upper = fields.Integer()


_ORDER_DESCRIPTION: t.Final = {"description": "Ids of the tasks, in the order of execution"}


class ValidationSchema(ma.Schema):
    """Problems of a graph document, or what it needs and how it would run."""

    valid = fields.Boolean()
    problems = fields.List(fields.Nested(HintedProblemSchema))
    inputs = fields.List(fields.String(), metadata={"description": "Names of the inputs it needs"})
    inputs_schema = fields.Dict(
        allow_none=True, metadata={"description": "JSON Schema of the inputs; null if not valid"}
    )
    order = fields.List(fields.String(), metadata=_ORDER_DESCRIPTION)
    model_calls = fields.Nested(ModelCallsSchema, allow_none=True)
