"""Versions of graphs and their differences."""

from __future__ import annotations

import marshmallow as ma
from marshmallow import fields
from marshmallow import validate

from .fields import MAX_INTEGER
from .fields import Moment
from .pages import MAX_PAGE


class VersionQuerySchema(ma.Schema):
    """Version of a graph."""

    version = fields.Integer(
        load_default=None,
        validate=validate.Range(1, MAX_INTEGER),
        metadata={"description": "Version of the graph; by default the newest"},
    )


class VersionPageQuerySchema(ma.Schema):
    """Range of the list of versions."""

    limit = fields.Integer(
        load_default=50,
        validate=validate.Range(1, MAX_PAGE),
        metadata={"description": "Maximum number of versions"},
    )
    before = fields.Integer(
        load_default=None,
        allow_none=True,
        validate=validate.Range(1, MAX_INTEGER),
        metadata={"description": "'next' of the previous page, for older versions"},
    )


class DiffQuerySchema(ma.Schema):
    """Versions of a graph to compare."""

    older = fields.Integer(
        data_key="from",
        required=True,
        validate=validate.Range(1, MAX_INTEGER),
        metadata={"description": "Version to compare with"},
    )
    newer = fields.Integer(
        data_key="to",
        load_default=None,
        allow_none=True,
        validate=validate.Range(1, MAX_INTEGER),
        metadata={"description": "By default the newest"},
    )


class IfMatchHeaderSchema(ma.Schema):
    """Version of the graph that the client has read."""

    if_match = fields.String(
        data_key="If-Match",
        load_default=None,
        metadata={"description": "'ETag' of the graph as it was read; 412 if it has changed"},
    )


class GraphVersionSchema(ma.Schema):
    """A version of a graph, without its document."""

    version = fields.Integer(attribute="number", metadata={"description": "Number of the version"})
    author = fields.String(
        attribute="author_id", metadata={"description": "Id of the user who stored it"}
    )
    digest = fields.String(metadata={"description": "SHA-256 of the document as canonical JSON"})
    created_at = Moment(metadata={"description": "When it was stored"})


class GraphVersionPageSchema(ma.Schema):
    """A page of versions, newest first."""

    versions = fields.List(
        fields.Nested(GraphVersionSchema), metadata={"description": "The versions of this page"}
    )
    next = fields.Integer(allow_none=True, metadata={"description": "'before' for the next page"})


class ChangeSchema(ma.Schema):
    """A difference between two versions."""

    kind = fields.String(
        metadata={
            "description": "What happened to the element",
            "enum": ["added", "removed", "changed", "moved"],
        }
    )
    element = fields.String(
        metadata={"description": "What has changed", "enum": ["document", "node", "edge"]}
    )
    id = fields.String(
        allow_none=True,
        metadata={"description": "Id of a node, or ends of an edge; null for the document"},
    )
    pointer = fields.String(
        metadata={"description": "JSON pointer into the newer document; if removed, the older"}
    )
    old = fields.Raw(
        metadata={
            "description": "Missing if added; if moved, the old position",
            "optional": True,
        }
    )
    new = fields.Raw(metadata={"description": "Missing if removed", "optional": True})


class DifferenceSchema(ma.Schema):
    """Changes from one version to another."""

    older = fields.Integer(
        data_key="from", metadata={"description": "Version that was compared with"}
    )
    newer = fields.Integer(data_key="to", metadata={"description": "Version that was compared"})
    changes = fields.List(
        fields.Nested(ChangeSchema),
        metadata={"description": "What has changed"},
    )
