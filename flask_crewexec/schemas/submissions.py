"""What somebody wants to be run, or not to be run any more."""

from __future__ import annotations

import marshmallow as ma
from marshmallow import fields
from marshmallow import validate

from ..statuses import PRIORITIES
from .executions import ExecutionLimitsSchema
from .fields import MAX_INTEGER
from .fields import Text
from .fields import UserId
from .graphs import _ORDER_DESCRIPTION
from .graphs import ModelCallsSchema

MAX_TIMEOUT = 366 * 86_400


class LimitsSchema(ma.Schema):
    """What one execution may cost; the settings say what is allowed."""

    timeout = fields.Float(
        load_default=None,
        allow_none=True,
        validate=validate.Range(0, MAX_TIMEOUT, min_inclusive=False),
        metadata={"description": "Seconds from its first start on"},
    )
    max_llm_calls = fields.Integer(
        load_default=None, allow_none=True, strict=True, validate=validate.Range(1, MAX_INTEGER)
    )
    max_tokens = fields.Integer(
        load_default=None,
        allow_none=True,
        strict=True,
        validate=validate.Range(1, MAX_INTEGER),
        metadata={"description": "No further call is made once they are spent"},
    )


class ThreadSchema(ma.Schema):
    """What groups executions."""

    thread_id = Text(
        1,
        255,
        load_default=None,
        allow_none=True,
        metadata={"description": "Anything that groups executions, such as a conversation"},
    )


class IdempotencyKeySchema(ma.Schema):
    """What makes an order that is sent twice one order."""

    idempotency_key = Text(1, 255, load_default=None, allow_none=True)


class IdempotencyHeaderSchema(ma.Schema):
    """The same as a header."""

    idempotency_key = Text(
        1,
        255,
        data_key="Idempotency-Key",
        load_default=None,
        metadata={"description": "The same order with the same key is queued once"},
    )


class QueueRequestSchema(LimitsSchema, ThreadSchema):
    """An order to run a graph."""

    graph_id = fields.UUID(required=True)
    inputs = fields.Dict(load_default=dict, metadata={"description": "Values for placeholders"})
    priority = fields.Integer(
        load_default=5,
        strict=True,
        validate=validate.Range(min(PRIORITIES), max(PRIORITIES)),
        metadata={"description": "1 is the most urgent"},
    )


class CancelRequestSchema(ma.Schema):
    """Why an execution is cancelled."""

    reason = Text(0, 500, lines=True, load_default=None, allow_none=True)


class CancelSchema(CancelRequestSchema):
    """Who cancels an execution, and why."""

    by = Text(0, 255, load_default=None, allow_none=True)


class OwnerSchema(ma.Schema):
    """Whose something is."""

    user_id = UserId()


class OrderSchema(OwnerSchema, ThreadSchema, IdempotencyKeySchema, LimitsSchema):
    """What an order says beside its graph, inputs and priority."""


class DryRunQuerySchema(ma.Schema):
    """Whether an order is placed or only checked."""

    dry_run = fields.Boolean(
        load_default=False, metadata={"description": "Check everything, but queue nothing"}
    )


class DryRunSchema(ma.Schema):
    """What an order would queue."""

    execution_id = fields.UUID(
        allow_none=True,
        metadata={"description": "The one that the same order with this key has queued already"},
    )
    graph_id = fields.UUID()
    graph_version = fields.Integer()
    thread_id = fields.String(allow_none=True)
    user_id = fields.String(attribute="owner_id")
    priority = fields.Integer()
    inputs = fields.Dict()
    limits = fields.Nested(ExecutionLimitsSchema)
    order = fields.List(fields.String(), metadata=_ORDER_DESCRIPTION)
    model_calls = fields.Nested(ModelCallsSchema)
