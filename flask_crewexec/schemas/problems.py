"""Problem documents (RFC 9457)."""

from __future__ import annotations

import marshmallow as ma
from marshmallow import fields


class ProblemItemSchema(ma.Schema):
    """One problem of the request."""

    pointer = fields.String(metadata={"description": "JSON pointer to the value"})
    code = fields.String(metadata={"description": "Stable kind of problem"})
    detail = fields.String(metadata={"description": "What is wrong and what to do"})
    hint = fields.String(metadata={"description": "What is allowed instead, if it helps"})


class ProblemSchema(ma.Schema):
    """A problem document (RFC 9457)."""

    type = fields.String(metadata={"description": "URI of the kind of problem"})
    title = fields.String(metadata={"description": "Short name of the kind of problem"})
    status = fields.Integer(metadata={"description": "Status code of the response"})
    code = fields.String(metadata={"description": "Stable kind of error"})
    detail = fields.String(metadata={"description": "What is wrong and what to do"})
    instance = fields.String(metadata={"description": "Path of the request"})
    correlation_id = fields.String(metadata={"description": "Id of the error in the server's log"})
    errors = fields.List(
        fields.Nested(ProblemItemSchema), metadata={"description": "Every problem of the request"}
    )


class HintedProblemSchema(ProblemItemSchema):
    """One problem of a graph document."""

    hint = fields.String(metadata={"description": "What is allowed instead"})
