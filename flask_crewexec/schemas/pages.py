"""Pagination of lists."""

from __future__ import annotations

import marshmallow as ma
from marshmallow import fields
from marshmallow import validate

MAX_PAGE = 200


class NoQuerySchema(ma.Schema):
    """No parameters: one that is there by mistake is not ignored."""


class LimitQuerySchema(ma.Schema):
    """Length of a page of a list."""

    limit = fields.Integer(
        load_default=50,
        validate=validate.Range(1, MAX_PAGE),
        metadata={"description": "Maximum number of items"},
    )


class PageQuerySchema(LimitQuerySchema):
    """Range of a list."""

    before = fields.UUID(
        load_default=None, metadata={"description": "'next' of the previous page, for older items"}
    )
