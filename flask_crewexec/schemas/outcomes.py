"""Cancel or retry several executions in one request."""

from __future__ import annotations

import typing as t
import uuid

import marshmallow as ma
from marshmallow import fields
from marshmallow import validate

from ..statuses import ExecutionStatus
from .fields import RowSchema
from .submissions import CancelRequestSchema
from .submissions import LimitsSchema

MAX_SEVERAL: t.Final = 100
"""Executions of one request that changes them; each is a transaction of its own."""

_IDS: t.Final = [
    "01900000-0000-7000-8000-000000000000",
    "01900000-0000-7000-8000-000000000001",
]


def _are_different(ids: list[uuid.UUID]) -> None:
    if len(set(ids)) < len(ids):
        raise ma.ValidationError("Name each execution once.")


class SeveralIdsSchema(ma.Schema):
    """Ids of several executions."""

    ids = fields.List(
        fields.UUID(),
        required=True,
        validate=[validate.Length(max=MAX_SEVERAL), _are_different],
        metadata={"description": f"Ids of up to {MAX_SEVERAL} executions"},
    )


class CancelSeveralSchema(SeveralIdsSchema, CancelRequestSchema):
    """Executions to cancel, and why."""

    example: t.ClassVar[t.Any] = {"ids": _IDS, "reason": "The topic has changed."}


class RetrySeveralSchema(SeveralIdsSchema, LimitsSchema):
    """Executions to retry, and limits of each of them."""

    example: t.ClassVar[t.Any] = {"ids": _IDS, "max_llm_calls": 50}


class OutcomeErrorSchema(RowSchema):
    """Why nothing was done with one of several executions."""

    code = fields.String(
        metadata={"description": "Stable kind of error", "known_values": "ErrorCode"}
    )
    detail = fields.String(metadata={"description": "What is wrong and what to do"})


class OutcomeSchema(RowSchema):
    """What came of one of several executions."""

    id = fields.String(metadata={"description": "Id of the execution"})
    status = fields.String(
        allow_none=True,
        validate=validate.OneOf(list(ExecutionStatus)),
        metadata={
            "description": "Status of the execution afterwards; null if there is none, or not for"
            " the user"
        },
    )
    error = fields.Nested(
        OutcomeErrorSchema,
        allow_none=True,
        metadata={"description": "Why nothing was done; null if it was"},
    )
    retry_after = fields.Integer(
        allow_none=True,
        metadata={"description": "Seconds after which it may succeed, if a limit was reached"},
    )


class OutcomesSchema(ma.Schema):
    """What came of several executions."""

    executions = fields.List(
        fields.Nested(OutcomeSchema),
        metadata={"description": "The executions in the order of the request"},
    )
