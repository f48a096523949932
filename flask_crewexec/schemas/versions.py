"""Versions of a graph, and what changed between them."""

from __future__ import annotations

import marshmallow as ma
from marshmallow import fields
from marshmallow import validate

from .fields import MAX_INTEGER
from .fields import Moment
from .pages import MAX_PAGE


class VersionQuerySchema(ma.Schema):
    """Which version of a graph."""

    version = fields.Integer(load_default=None, validate=validate.Range(1, 2**31 - 1))


class VersionPageQuerySchema(ma.Schema):
    """Which versions of a graph."""

    limit = fields.Integer(load_default=50, validate=validate.Range(1, MAX_PAGE))
    before = fields.Integer(
        load_default=None,
        allow_none=True,
        validate=validate.Range(1, MAX_INTEGER),
        metadata={"description": "'next' of the page before, for older versions"},
    )


class DiffQuerySchema(ma.Schema):
    """Which versions of a graph are compared."""

    older = fields.Integer(data_key="from", required=True, validate=validate.Range(1, MAX_INTEGER))
    newer = fields.Integer(
        data_key="to",
        load_default=None,
        allow_none=True,
        validate=validate.Range(1, MAX_INTEGER),
        metadata={"description": "The newest if not given"},
    )


class IfMatchHeaderSchema(ma.Schema):
    """What the caller believes to change."""

    if_match = fields.String(
        data_key="If-Match",
        load_default=None,
        metadata={"description": "'ETag' of the graph as it was read; 412 if it has changed"},
    )


class GraphVersionSchema(ma.Schema):
    """A version of a graph, without its document."""

    version = fields.Integer(attribute="number")
    author = fields.String(attribute="author_id")
    digest = fields.String(metadata={"description": "SHA-256 of the document as canonical JSON"})
    created_at = Moment()


class GraphVersionPageSchema(ma.Schema):
    """A page of versions, newest first."""

    versions = fields.List(fields.Nested(GraphVersionSchema))
    next = fields.Integer(allow_none=True, metadata={"description": "'before' for the next page"})


class ChangeSchema(ma.Schema):
    """One thing that differs between two versions."""

    kind = fields.String(metadata={"enum": ["added", "removed", "changed", "moved"]})
    element = fields.String(metadata={"enum": ["document", "node", "edge"]})
    id = fields.String(
        allow_none=True,
        metadata={"description": "A node's id, or an edge's ends; null for the document"},
    )
    pointer = fields.String(
        metadata={"description": "JSON pointer into the newer document; if removed, the older"}
    )
    old = fields.Raw(metadata={"description": "Missing if added; if moved, the place in the list"})
    new = fields.Raw(metadata={"description": "Missing if removed"})


class DifferenceSchema(ma.Schema):
    """What changed from one version to another."""

    older = fields.Integer(data_key="from")
    newer = fields.Integer(data_key="to")
    changes = fields.List(fields.Nested(ChangeSchema))
