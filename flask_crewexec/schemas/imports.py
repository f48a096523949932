"""Graphs from and for elsewhere."""

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
    """As what a graph is exported, and which version of it."""

    format = fields.String(load_default="crewai", validate=validate.OneOf(EXPORT_FORMATS))


class ImportQuerySchema(ma.Schema):
    """How to import."""

    dry_run = fields.Boolean(
        load_default=False, metadata={"description": "Answer with the document, but store nothing"}
    )


class ImportSchema(ma.Schema):
    """Files of a crew that was made elsewhere."""

    example: t.ClassVar[t.Any] = {
        "format": "crewai-yaml",
        "files": {
            "agents.yaml": "writer: {role: Writer, goal: Write, backstory: Writes.}",
            "tasks.yaml": "facts: {description: Tell, expected_output: A list, agent: writer}",
        },
        "name": "Facts",
    }

    format = fields.String(required=True, validate=validate.OneOf(FORMATS))
    files = fields.Dict(required=True, metadata={"description": "The texts of the files, by name"})
    name = Text(1, 200, metadata={"description": "For files that do not name the crew"})
    process = fields.String(
        validate=validate.OneOf(["sequential", "hierarchical"]),
        metadata={"description": "For formats that do not say it"},
    )
    order = fields.List(
        fields.String(),
        validate=validate.Length(max=200),
        metadata={"description": "The tasks of 'crewai-yaml' in their order in 'crew.py'"},
    )
    manager_agent = fields.String(metadata={"description": "Who manages, for 'crewai-yaml'"})
    manager_llm = fields.String(metadata={"description": "Its manager's model, for 'crewai-yaml'"})
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
    """Something in the files that is not in the graph."""

    file = fields.String()
    pointer = fields.String(metadata={"description": "JSON pointer into the file"})
    code = fields.String(metadata={"description": "Stable kind of note"})
    detail = fields.String(metadata={"description": "What is left out, and what to do instead"})


class ImportedGraphSchema(GraphDocumentSchema):
    """A graph that was imported."""

    notes = fields.List(fields.Nested(NoteSchema))


class ImportPreviewSchema(ma.Schema):
    """What an import would store."""

    document = fields.Dict()
    notes = fields.List(fields.Nested(NoteSchema))


class ExportSchema(ma.Schema):
    """A graph as files; 'POST /graphs/import' takes 'format' and 'files' back."""

    format = fields.String(validate=validate.OneOf(EXPORT_FORMATS))
    files = fields.Dict(
        keys=fields.String(),
        values=fields.String(),
        metadata={"description": "The texts of the files, by name"},
    )
    notes = fields.List(
        fields.Nested(NoteSchema),
        metadata={"description": "What the files cannot say, with pointers into the document"},
    )
