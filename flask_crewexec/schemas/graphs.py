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

    version = fields.Integer(
        required=True, metadata={"description": "Version of the format", "enum": [1]}
    )
    name = fields.String(required=True, metadata={"description": "Name of the graph"})
    process = fields.String(
        metadata={
            "description": "Whether tasks run in order, or a manager assigns them",
            "enum": ["sequential", "hierarchical"],
        }
    )
    nodes = fields.List(
        fields.Dict(),
        required=True,
        metadata={"description": "Agents, tasks, tools, models and conditions"},
    )
    edges = fields.List(
        fields.Dict(), required=True, metadata={"description": "Connections between nodes"}
    )
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

    example: t.ClassVar[t.Any] = {"name": "Page about a topic, in French"}

    name = Text(
        1,
        200,
        load_default=None,
        allow_none=True,
        metadata={"description": "Name of the copy; by default that of the graph"},
    )
    version = fields.Integer(
        load_default=None,
        allow_none=True,
        strict=True,
        validate=validate.Range(1, MAX_INTEGER),
        metadata={"description": "By default the newest"},
    )


class GraphSchema(ma.Schema):
    """A graph, without its document."""

    id = fields.UUID(metadata={"description": "Id of the graph"})
    name = fields.String(metadata={"description": "Name of the graph"})
    user_id = fields.String(attribute="owner_id", metadata={"description": "Id of the owner"})
    latest_version = fields.Integer(metadata={"description": "Number of the newest version"})
    created_at = Moment(metadata={"description": "When the graph was created"})
    updated_at = Moment(metadata={"description": "When its newest version was stored"})
    archived_at = Moment(
        attribute="deleted_at",
        allow_none=True,
        metadata={"description": "When it was archived; null if it is not"},
    )


class GraphDocumentSchema(GraphSchema):
    """A graph with one version of its document."""

    version = fields.Integer(attribute="number", metadata={"description": "Number of the version"})
    digest = fields.String(metadata={"description": "SHA-256 of the document as canonical JSON"})
    document = fields.Dict(metadata={"description": "Document of the graph"})


class GraphPageSchema(ma.Schema):
    """A page of graphs, newest first."""

    graphs = fields.List(
        fields.Nested(GraphSchema), metadata={"description": "The graphs of this page"}
    )
    next = fields.UUID(allow_none=True, metadata={"description": "'before' for the next page"})


class ModelCallsSchema(ma.Schema):
    """Estimated number of model calls of one attempt."""

    lower = fields.Integer(metadata={"description": "At least so many calls"})
    upper = fields.Integer(metadata={"description": "At most so many calls"})


_ORDER_DESCRIPTION: t.Final = {"description": "Ids of the tasks, in the order of execution"}


class ValidationSchema(ma.Schema):
    """Problems of a graph document, or what it needs and how it would run."""

    valid = fields.Boolean(metadata={"description": "Whether the document could be stored"})
    problems = fields.List(
        fields.Nested(HintedProblemSchema),
        metadata={"description": "Every problem of the document"},
    )
    inputs = fields.List(fields.String(), metadata={"description": "Names of the inputs it needs"})
    inputs_schema = fields.Dict(
        allow_none=True, metadata={"description": "JSON Schema of the inputs; null if not valid"}
    )
    order = fields.List(fields.String(), metadata=_ORDER_DESCRIPTION)
    model_calls = fields.Nested(
        ModelCallsSchema,
        allow_none=True,
        metadata={"description": "Estimated number of model calls; null if not valid"},
    )
