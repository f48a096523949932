"""Executions, their steps and their events."""

from __future__ import annotations

import marshmallow as ma
from marshmallow import fields
from marshmallow import validate

from ..statuses import ExecutionStatus
from .fields import MAX_INTEGER
from .fields import Moment
from .fields import RowSchema
from .fields import Text
from .pages import MAX_PAGE
from .pages import PageQuerySchema
from .usage import UsageSchema

MAX_WAIT_SECONDS = 30.0
"""How long a request may wait for an event; it occupies a thread of the web server."""


class ExecutionQuerySchema(PageQuerySchema):
    """Filters of the list of executions."""

    status = fields.String(validate=validate.OneOf(list(ExecutionStatus)))
    graph_id = fields.UUID()
    thread_id = Text(1, 255, allow_none=True)


class EventQuerySchema(ma.Schema):
    """Range of a list of events."""

    after = fields.Integer(load_default=0, validate=validate.Range(0, MAX_INTEGER))
    limit = fields.Integer(load_default=MAX_PAGE, validate=validate.Range(1, MAX_PAGE))


class EventWaitSchema(EventQuerySchema):
    """Range of a list of events, and how long to wait for one."""

    wait = fields.Float(
        load_default=0.0,
        validate=validate.Range(0, MAX_WAIT_SECONDS),
        metadata={"description": "Seconds to wait for an event if there is none yet"},
    )


class StepSchema(RowSchema):
    """A step of an execution: one task of the crew."""

    position = fields.Integer()
    node_id = fields.String()
    name = fields.String()
    agent = fields.String(allow_none=True)
    status = fields.String()
    output = fields.String(attribute="text", allow_none=True)
    json = fields.Raw(
        allow_none=True, metadata={"description": "The output of a task with 'output_schema'"}
    )
    truncated = fields.Boolean(
        metadata={"description": "Whether the output ends where the model had to stop"}
    )
    usage = fields.Nested(UsageSchema)
    started_at = Moment(allow_none=True)
    finished_at = Moment(allow_none=True)


class ProgressSchema(RowSchema):
    """Progress of an execution."""

    fraction = fields.Float()
    finished_steps = fields.Integer()
    total_steps = fields.Integer()
    current_step = fields.String(allow_none=True)
    current_agent = fields.String(allow_none=True)
    elapsed_seconds = fields.Float(allow_none=True)
    queue_position = fields.Integer(
        allow_none=True,
        metadata={"description": "From 1 to 1000, for a single queued execution"},
    )


class ResultSchema(ma.Schema):
    """Answer of the crew's last task."""

    raw = fields.String()
    json = fields.Raw(allow_none=True)


class ErrorSchema(ma.Schema):
    """Why an execution failed."""

    code = fields.String()
    message = fields.String()
    correlation_id = fields.String()
    step = fields.String(allow_none=True)


class CancellationSchema(RowSchema):
    """Who requested the cancellation, when and why."""

    requested_at = Moment(attribute="cancel_requested_at")
    by = fields.String(attribute="cancelled_by", allow_none=True)
    reason = fields.String(attribute="cancel_reason", allow_none=True)


class ExecutionLimitsSchema(RowSchema):
    """Limits of an execution; null means no limit."""

    timeout = fields.Float(allow_none=True)
    max_llm_calls = fields.Integer(allow_none=True)
    max_tokens = fields.Integer(allow_none=True)


class ExecutionSchema(RowSchema):
    """An execution without its inputs, steps and result, which may be large."""

    id = fields.UUID()
    graph_id = fields.UUID()
    graph_version = fields.Integer()
    thread_id = fields.String(allow_none=True)
    request_id = fields.String(
        allow_none=True, metadata={"description": "'X-Request-ID' of the request that queued it"}
    )
    user_id = fields.String(attribute="owner_id")
    status = fields.String(validate=validate.OneOf(list(ExecutionStatus)))
    priority = fields.Integer()
    attempt = fields.Integer()
    retries = fields.Integer(metadata={"description": "Automatic retries after transient errors"})
    lost_attempts = fields.Integer(metadata={"description": "Attempts whose worker was lost"})
    limits = fields.Nested(ExecutionLimitsSchema)
    progress = fields.Nested(ProgressSchema)
    error = fields.Nested(ErrorSchema, allow_none=True)
    usage = fields.Nested(UsageSchema)
    cancellation = fields.Nested(CancellationSchema, allow_none=True)
    created_at = Moment()
    queued_at = Moment()
    started_at = Moment(allow_none=True)
    deadline = Moment(allow_none=True)
    next_attempt_at = Moment(attribute="available_at", allow_none=True)
    finished_at = Moment(allow_none=True)


class ExecutionStatusSchema(ExecutionSchema):
    """An execution with its inputs, steps and result."""

    inputs = fields.Dict()
    result = fields.Nested(ResultSchema, allow_none=True)
    steps = fields.List(fields.Nested(StepSchema))


class ExecutionPageSchema(ma.Schema):
    """A page of executions, newest first."""

    executions = fields.List(fields.Nested(ExecutionSchema))
    next = fields.UUID(allow_none=True, metadata={"description": "'before' for the next page"})


class EventSchema(RowSchema):
    """An event in an execution's history."""

    seq = fields.Integer()
    type = fields.String()
    data = fields.Dict()
    created_at = Moment()


class EventPageSchema(ma.Schema):
    """A page of events, oldest first."""

    events = fields.List(fields.Nested(EventSchema))
    next = fields.Integer(metadata={"description": "'after' for the next page"})


class PreferHeaderSchema(ma.Schema):
    """How long the client will wait (RFC 7240)."""

    prefer = fields.String(
        data_key="Prefer",
        metadata={"description": "'wait=N': respond at the end or after N seconds, at most 30"},
    )


class LastEventIdHeaderSchema(ma.Schema):
    """Where a stream continues."""

    last_event_id = fields.String(
        data_key="Last-Event-ID",
        metadata={"description": "For a stream: id of the last event that the client has received"},
    )
