"""Events of several executions in one response."""

from __future__ import annotations

import typing as t
import uuid

import marshmallow as ma
from marshmallow import fields
from marshmallow import validate

from ..statuses import TERMINAL
from .executions import EventLimitSchema
from .executions import EventPageSchema
from .executions import MAX_IDS
from .executions import UUID_PATTERN
from .executions import WaitSchema
from .fields import CommaSeparated
from .fields import MAX_INTEGER


class Positions(CommaSeparated):
    """Number of the last event that a client has, for each of some executions."""

    def __init__(self, **options: t.Any) -> None:
        number = fields.Integer(validate=validate.Range(0, MAX_INTEGER))
        super().__init__(number, "[0-9]{1,9}", most=MAX_IDS, **options)


class SeveralEventsQuerySchema(EventLimitSchema, WaitSchema):
    """Executions, and after which of their events to continue."""

    executions = CommaSeparated(
        fields.UUID(),
        UUID_PATTERN,
        most=MAX_IDS,
        required=True,
        metadata={"description": f"Ids of up to {MAX_IDS} executions, separated by commas"},
    )
    after = Positions(
        load_default=None,
        metadata={
            "description": "For each execution, in the order of 'executions', the number of the"
            " last event that the client has; all events by default"
        },
    )

    @ma.validates("executions")
    def _check_different(self, value: list[uuid.UUID], data_key: str) -> None:
        if len(set(value)) < len(value):
            raise ma.ValidationError("Name each execution once.")

    @ma.validates_schema(skip_on_field_errors=True)
    def _check_positions(self, data: dict[str, t.Any], **options: t.Any) -> None:
        after, expected = data["after"], len(data["executions"])
        if after is not None and len(after) != expected:
            detail = f"Send {expected} numbers, one for each execution in 'executions'."
            raise ma.ValidationError(detail, "after")

    @ma.post_load
    def _pair(self, data: dict[str, t.Any], **options: t.Any) -> dict[str, t.Any]:
        """Return the numbers by execution, as ``positions``."""
        ids, after = data.pop("executions"), data.pop("after")
        return {**data, "positions": dict(zip(ids, after or [0] * len(ids), strict=True))}


class ExecutionEventsSchema(EventPageSchema):
    """Events of one of several executions, oldest first."""

    execution_id = fields.UUID(metadata={"description": "Id of the execution"})
    final_status = fields.String(
        allow_none=True,
        validate=validate.OneOf(sorted(TERMINAL)),
        metadata={
            "description": "Status of the execution, if it has ended and these are its last events"
        },
    )


class SeveralEventsSchema(ma.Schema):
    """Events of several executions."""

    executions = fields.List(
        fields.Nested(ExecutionEventsSchema),
        metadata={"description": "The executions in the order of the request"},
    )
