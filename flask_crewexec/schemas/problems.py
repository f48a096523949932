"""Problem documents (RFC 9457)."""

from __future__ import annotations

import typing as t

import marshmallow as ma
from marshmallow import fields
from marshmallow import validate

from ..errors import Severity
from .input_requests import InputRequestSchema


class ProblemItemSchema(ma.Schema):
    """One problem of the request."""

    pointer = fields.String(metadata={"description": "JSON pointer to the value"})
    code = fields.String(
        metadata={"description": "Stable kind of problem", "known_values": "ProblemCode"}
    )
    detail = fields.String(metadata={"description": "What is wrong and what to do"})
    hint = fields.String(
        metadata={"description": "What is allowed instead, if it helps", "optional": True}
    )


class NoteSchema(ma.Schema):
    """Something that an import or export leaves out or replaces."""

    file = fields.String(metadata={"description": "Name of the file"})
    pointer = fields.String(metadata={"description": "JSON pointer into the file"})
    code = fields.String(metadata={"description": "Stable kind of note"})
    detail = fields.String(metadata={"description": "What is left out, and what to do instead"})
    severity = fields.String(
        validate=validate.OneOf(t.get_args(Severity)),
        metadata={
            "description": "'info' if nothing changes, 'changed' if the crew behaves differently,"
            " 'unguarded' if a check is missing"
        },
    )


class ProblemSchema(ma.Schema):
    """A problem document (RFC 9457)."""

    type = fields.String(metadata={"description": "URI of the kind of problem"})
    title = fields.String(metadata={"description": "Short name of the kind of problem"})
    status = fields.Integer(metadata={"description": "Status code of the response"})
    code = fields.String(
        metadata={"description": "Stable kind of error", "known_values": "ErrorCode"}
    )
    detail = fields.String(metadata={"description": "What is wrong and what to do"})
    instance = fields.String(metadata={"description": "Path of the request"})
    correlation_id = fields.String(
        metadata={"description": "Id of the error in the server's log", "optional": True}
    )
    errors = fields.List(
        fields.Nested(ProblemItemSchema),
        metadata={"description": "Every problem of the request", "optional": True},
    )
    notes = fields.List(
        fields.Nested(NoteSchema),
        metadata={"description": "What an import would leave out", "optional": True},
    )
    input_request = fields.Nested(
        InputRequestSchema,
        metadata={
            "description": "The input request that was answered before, with that answer",
            "optional": True,
        },
    )


class HintedProblemSchema(ProblemItemSchema):
    """One problem of a graph document."""

    hint = fields.String(metadata={"description": "What is allowed instead"})
