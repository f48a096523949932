"""What is wrong, as clients are told it."""

from __future__ import annotations

import marshmallow as ma
from marshmallow import fields


class ProblemItemSchema(ma.Schema):
    """One thing that is wrong with the request."""

    pointer = fields.String(metadata={"description": "JSON pointer to the place"})
    code = fields.String(metadata={"description": "Stable kind of problem"})
    detail = fields.String(metadata={"description": "What is wrong and what to do"})
    hint = fields.String(metadata={"description": "What is allowed instead, if it helps"})


class ProblemSchema(ma.Schema):
    """An error as RFC 9457 describes it."""

    type = fields.String()
    title = fields.String()
    status = fields.Integer()
    code = fields.String(metadata={"description": "Stable kind of error"})
    detail = fields.String()
    instance = fields.String()
    correlation_id = fields.String(metadata={"description": "Quote it to the operator"})
    errors = fields.List(fields.Nested(ProblemItemSchema))


class HintedProblemSchema(ProblemItemSchema):
    """One thing that is wrong with a graph document."""

    hint = fields.String(metadata={"description": "What is allowed instead"})
