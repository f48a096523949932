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

    dry_run = fields.Boolean(
        load_default=False, metadata={"description": "Return the document without storing it"}
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


class NoteSchema(ma.Schema):
    """Something that could not be carried over."""

    file = fields.String(metadata={"description": "Name of the file"})
    pointer = fields.String(metadata={"description": "JSON pointer into the file"})
    code = fields.String(metadata={"description": "Stable kind of note"})
    detail = fields.String(metadata={"description": "What is left out, and what to do instead"})


class ImportedGraphSchema(GraphDocumentSchema):
    """An imported graph."""

    notes = fields.List(
        fields.Nested(NoteSchema), metadata={"description": "What could not be carried over"}
    )


class ImportPreviewSchema(ma.Schema):
    """What an import would store."""

    document = fields.Dict(metadata={"description": "Document of the graph"})
    notes = fields.List(
        fields.Nested(NoteSchema), metadata={"description": "What could not be carried over"}
    )


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
