"""Requests to queue, retry and cancel executions."""

from __future__ import annotations

import typing as t

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
from .webhooks import SubmissionWebhookSchema

MAX_TIMEOUT = 366 * 86_400


class LimitsSchema(ma.Schema):
    """Limits of one execution, within those of the settings."""

    example: t.ClassVar[t.Any] = {"max_llm_calls": 50}

    timeout = fields.Float(
        load_default=None,
        allow_none=True,
        validate=validate.Range(0, MAX_TIMEOUT, min_inclusive=False),
        metadata={"description": "Seconds from the first start"},
    )
    max_llm_calls = fields.Integer(
        load_default=None,
        allow_none=True,
        strict=True,
        validate=validate.Range(1, MAX_INTEGER),
        metadata={"description": "Maximum number of model calls"},
    )
    max_tool_calls = fields.Integer(
        load_default=None,
        allow_none=True,
        strict=True,
        validate=validate.Range(1, MAX_INTEGER),
        metadata={"description": "Maximum number of tool calls"},
    )
    max_tokens = fields.Integer(
        load_default=None,
        allow_none=True,
        strict=True,
        validate=validate.Range(1, MAX_INTEGER),
        metadata={"description": "No further calls are made once they are used"},
    )


class ThreadSchema(ma.Schema):
    """Id that groups executions."""

    thread_id = Text(
        1,
        255,
        load_default=None,
        allow_none=True,
        metadata={"description": "Groups executions, for instance those of a conversation"},
    )


class IdempotencyKeySchema(ma.Schema):
    """Key that makes repeated submissions one."""

    idempotency_key = Text(
        1,
        255,
        load_default=None,
        allow_none=True,
        metadata={"description": "The same submission with the same key is queued once"},
    )


class IdempotencyHeaderSchema(ma.Schema):
    """The idempotency key as a header."""

    idempotency_key = Text(
        1,
        255,
        data_key="Idempotency-Key",
        load_default=None,
        metadata={"description": "The same submission with the same key is queued once"},
    )


class WebhookOfSubmissionSchema(ma.Schema):
    """A webhook that comes with a submission."""

    webhook = fields.Nested(
        SubmissionWebhookSchema,
        load_default=None,
        allow_none=True,
        metadata={"description": "A webhook that is told of this execution alone"},
    )


class QueueRequestSchema(LimitsSchema, ThreadSchema, WebhookOfSubmissionSchema):
    """A submission: the graph to run, its inputs, priority and limits."""

    example: t.ClassVar[t.Any] = {
        "graph_id": "01900000-0000-7000-8000-000000000000",
        "inputs": {"topic": "tea"},
        "priority": 5,
        "timeout": 600,
    }

    graph_id = fields.UUID(required=True, metadata={"description": "Id of the graph to run"})
    inputs = fields.Dict(load_default=dict, metadata={"description": "Values of the placeholders"})
    priority = fields.Integer(
        strict=True,
        validate=validate.Range(min(PRIORITIES), max(PRIORITIES)),
        metadata={
            "description": "1 is the most urgent; by default 5, or the most urgent that the user"
            " may use if that is less urgent"
        },
    )


class CancelRequestSchema(ma.Schema):
    """Reason of a cancellation."""

    example: t.ClassVar[t.Any] = {"reason": "The topic has changed."}

    reason = Text(
        0,
        500,
        lines=True,
        load_default=None,
        allow_none=True,
        metadata={"description": "Reason, which the owner will see"},
    )


class CancelSchema(CancelRequestSchema):
    """User who cancels, and the reason."""

    by = Text(
        0,
        255,
        load_default=None,
        allow_none=True,
        metadata={"description": "Id of the user who cancels"},
    )


class OwnerSchema(ma.Schema):
    """Owner of a graph or execution."""

    user_id = UserId()


class SubmissionSchema(
    OwnerSchema, ThreadSchema, IdempotencyKeySchema, LimitsSchema, WebhookOfSubmissionSchema
):
    """A submission without its graph, inputs and priority."""


class ExecutionPreviewSchema(ma.Schema):
    """What a submission would queue."""

    execution_id = fields.UUID(
        allow_none=True,
        metadata={"description": "Execution that the same submission with this key has queued"},
    )
    graph_id = fields.UUID(metadata={"description": "Id of the graph"})
    graph_name = fields.String(metadata={"description": "Present name of the graph"})
    graph_version = fields.Integer(metadata={"description": "Version of the graph that would run"})
    thread_id = fields.String(
        allow_none=True, metadata={"description": "Id that groups executions"}
    )
    user_id = fields.String(attribute="owner_id", metadata={"description": "Id of the owner"})
    priority = fields.Integer(metadata={"description": "From 1, the most urgent, to 10"})
    inputs = fields.Dict(metadata={"description": "Values of the placeholders, with defaults"})
    limits = fields.Nested(
        ExecutionLimitsSchema, metadata={"description": "Limits that would apply"}
    )
    order = fields.List(fields.String(), metadata=_ORDER_DESCRIPTION)
    model_calls = fields.Nested(
        ModelCallsSchema, metadata={"description": "Estimated number of model calls"}
    )
