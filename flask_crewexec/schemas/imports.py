"""Import and export of graphs."""

from __future__ import annotations

import typing as t

import marshmallow as ma
from marshmallow import fields
from marshmallow import validate

from ..graphs.exporters import FORMATS as EXPORT_FORMATS
from ..graphs.importers import FORMATS
from .fields import Text
from .graphs import GraphDocumentSchema
from .problems import NoteSchema
from .versions import VersionQuerySchema


class ExportQuerySchema(VersionQuerySchema):
    """Format and version of an export."""

    format = fields.String(
        load_default="crewai",
        validate=validate.OneOf(EXPORT_FORMATS),
        metadata={"description": "Format of the files"},
    )


class ImportQuerySchema(ma.Schema):
    """Options of an import."""

    accept = fields.String(
        load_default=None,
        validate=validate.OneOf(["unguarded"]),
        metadata={"description": "Import the crew although checks are missing, which notes name"},
    )
    strict = fields.Boolean(
        load_default=False,
        metadata={"description": "Refuse a crew that would behave differently"},
    )


class ImportSchema(ma.Schema):
    """Files of a crew from another tool."""

    example: t.ClassVar[t.Any] = {
        "format": "crewai-yaml",
        "files": {
            "agents.yaml": "writer: {role: Writer, goal: Write, backstory: Writes.}",
            "tasks.yaml": "facts: {description: Tell, expected_output: A list, agent: writer}",
        },
        "name": "Facts",
    }

    format = fields.String(
        required=True,
        validate=validate.OneOf(FORMATS),
        metadata={"description": "What wrote the files"},
    )
    files = fields.Dict(required=True, metadata={"description": "Contents of the files by name"})
    name = Text(1, 200, metadata={"description": "Name of the graph, if the files have none"})
    process = fields.String(
        validate=validate.OneOf(["sequential", "hierarchical"]),
        metadata={"description": "For formats that do not specify it"},
    )
    order = fields.List(
        fields.String(),
        validate=validate.Length(max=200),
        metadata={"description": "Tasks of 'crewai-yaml' in the order of 'crew.py'"},
    )
    manager_agent = fields.String(metadata={"description": "Manager agent, for 'crewai-yaml'"})
    manager_llm = fields.String(metadata={"description": "Model of the manager, for 'crewai-yaml'"})
    tools = fields.Dict(
        keys=fields.String(),
        values=fields.String(),
        metadata={"description": "Registered tools by their names in the files"},
    )
    models = fields.Dict(
        keys=fields.String(),
        values=fields.String(),
        metadata={"description": "Registered models by their names in the files"},
    )
    guardrails = fields.Dict(
        keys=fields.String(),
        values=fields.String(),
        metadata={"description": "Registered guardrails by their names in the files"},
    )
    predicates = fields.Dict(
        keys=fields.String(),
        values=fields.String(),
        metadata={"description": "Registered predicates by the names of conditions in the files"},
    )
    schemas = fields.Dict(
        keys=fields.String(),
        values=fields.Dict(),
        metadata={"description": "JSON Schemas by the names of output classes in the files"},
    )
    crew = fields.String(metadata={"description": "Name of the crew, if the files have several"})
    tasks = fields.List(
        fields.String(),
        validate=validate.Length(max=200),
        metadata={"description": "Tasks of the crew, if 'crewai-yaml' has those of several"},
    )
    node_types = fields.Dict(
        keys=fields.String(),
        values=fields.String(),
        metadata={"description": "Types of nodes by those in the file, for 'reactflow'"},
    )


class ImportedGraphSchema(GraphDocumentSchema):
    """An imported graph."""

    notes = fields.List(
        fields.Nested(NoteSchema), metadata={"description": "What could not be carried over"}
    )
    summary = fields.String(metadata={"description": "What was imported, in numbers"})


class ImportPreviewSchema(ma.Schema):
    """What an import would store."""

    document = fields.Dict(metadata={"description": "Document of the graph"})
    notes = fields.List(
        fields.Nested(NoteSchema), metadata={"description": "What could not be carried over"}
    )
    summary = fields.String(metadata={"description": "What was imported, in numbers"})


class ExportSchema(ma.Schema):
    """A graph as files; 'POST /graphs/import' accepts 'format' and 'files'."""

    format = fields.String(
        validate=validate.OneOf(EXPORT_FORMATS), metadata={"description": "Format of the files"}
    )
    files = fields.Dict(
        keys=fields.String(),
        values=fields.String(),
        metadata={"description": "Contents of the files by name"},
    )
    notes = fields.List(
        fields.Nested(NoteSchema),
        metadata={"description": "What the files cannot express, with pointers into the document"},
    )
