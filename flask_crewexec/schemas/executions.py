"""Executions, their steps and their events."""

from __future__ import annotations

import datetime as dt
import typing as t

import marshmallow as ma
from marshmallow import fields
from marshmallow import validate

from ..statuses import ExecutionStatus
from ..statuses import StepOrigin
from ..statuses import StepStatus
from ..statuses import WaitingFor
from .fields import CommaSeparated
from .fields import MAX_INTEGER
from .fields import Moment
from .fields import RowSchema
from .fields import Text
from .pages import MAX_PAGE
from .pages import PageQuerySchema
from .usage import UsageSchema

MAX_IDS: t.Final = 50
"""Executions of one request; with their positions they fit into a URL of 4,000 characters."""

UUID_PATTERN: t.Final = "[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"

MAX_WAIT_SECONDS = 30.0
"""How long a request may wait for an event; it occupies a thread of the web server."""


class ExecutionQuerySchema(PageQuerySchema):
    """Filters of the list of executions."""

    status = fields.String(
        validate=validate.OneOf(list(ExecutionStatus)),
        metadata={"description": "Only executions with this status"},
    )
    graph_id = fields.UUID(metadata={"description": "Only executions of this graph"})
    forked_from = fields.UUID(metadata={"description": "Only forks of this execution"})
    thread_id = Text(
        1, 255, allow_none=True, metadata={"description": "Only executions of this thread"}
    )
    user_id = Text(
        1,
        255,
        attribute="owner_id",
        metadata={"description": "Only executions of this user; ordinary users see only their own"},
    )
    code = Text(
        1,
        64,
        attribute="error_code",
        metadata={"description": "Only executions whose error has this code"},
    )
    created_after = fields.AwareDateTime(
        format="iso",
        default_timezone=dt.UTC,
        metadata={"description": "Only executions with an id of this time or later"},
    )
    created_before = fields.AwareDateTime(
        format="iso",
        default_timezone=dt.UTC,
        metadata={"description": "Only executions with an id of an earlier time"},
    )
    ids = CommaSeparated(
        fields.UUID(),
        UUID_PATTERN,
        most=MAX_IDS,
        metadata={
            "description": f"Only these executions, up to {MAX_IDS} ids separated by commas;"
            " those that do not exist are left out"
        },
    )


class EventLimitSchema(ma.Schema):
    """Length of a list of events."""

    limit = fields.Integer(
        load_default=MAX_PAGE,
        validate=validate.Range(1, MAX_PAGE),
        metadata={"description": "Maximum number of events"},
    )


class EventQuerySchema(EventLimitSchema):
    """Range of a list of events."""

    after = fields.Integer(
        load_default=0,
        validate=validate.Range(0, MAX_INTEGER),
        metadata={"description": "Only events with a greater number"},
    )


class WaitSchema(ma.Schema):
    """How long to wait for an event."""

    wait = fields.Float(
        load_default=0.0,
        validate=validate.Range(0, MAX_WAIT_SECONDS),
        metadata={
            "description": "Seconds to wait for an event if there is none yet; while too many"
            " requests wait, the answer comes at once, with 'Retry-After'"
        },
    )


class EventWaitSchema(EventQuerySchema, WaitSchema):
    """Range of a list of events, and how long to wait for one."""


class StepSchema(RowSchema):
    """A step of an execution: one task of the crew."""

    position = fields.Integer(
        metadata={"description": "Position in the order of execution, from 0"}
    )
    node_id = fields.String(metadata={"description": "Id of the task's node in the graph"})
    name = fields.String(metadata={"description": "Name of the task"})
    agent = fields.String(
        allow_none=True, metadata={"description": "Role of the agent; null if a manager chooses it"}
    )
    status = fields.String(
        validate=validate.OneOf(list(StepStatus)), metadata={"description": "Status of the step"}
    )
    output = fields.String(
        attribute="text", allow_none=True, metadata={"description": "Text of the output"}
    )
    json = fields.Raw(
        allow_none=True, metadata={"description": "The output of a task with 'output_schema'"}
    )
    origin = fields.String(
        allow_none=True,
        validate=validate.OneOf(list(StepOrigin)),
        metadata={
            "description": "Where a fork has the output from: 'reused' from the execution that was"
            " forked, 'edited' from the request; null if the step runs"
        },
    )
    truncated = fields.Boolean(
        metadata={"description": "Whether the output ends where the model had to stop"}
    )
    usage = fields.Nested(
        UsageSchema, metadata={"description": "Model calls and tokens of the step"}
    )
    started_at = Moment(allow_none=True, metadata={"description": "When the step started"})
    finished_at = Moment(allow_none=True, metadata={"description": "When the step ended"})


class StatusStepSchema(StepSchema):
    """A step in the status of its execution."""

    output_omitted = fields.Boolean(
        metadata={"description": "Whether the output was left out, because it is too large"}
    )
    output_url = fields.String(
        allow_none=True,
        metadata={"description": "Where the output is, if it was left out"},
    )


class ProgressSchema(RowSchema):
    """Progress of an execution."""

    fraction = fields.Float(metadata={"description": "Finished steps of all steps, from 0 to 1"})
    finished_steps = fields.Integer(metadata={"description": "Number of finished steps"})
    total_steps = fields.Integer(metadata={"description": "Number of steps"})
    current_step = fields.String(
        allow_none=True, metadata={"description": "Name of the running step"}
    )
    current_agent = fields.String(
        allow_none=True, metadata={"description": "Role of the agent that works on it"}
    )
    elapsed_seconds = fields.Float(
        allow_none=True,
        metadata={
            "description": "Seconds from the first start to the end, except those of waited_seconds"
        },
    )
    waited_seconds = fields.Float(metadata={"description": "Seconds that it waited for people"})
    queue_position = fields.Integer(
        allow_none=True,
        metadata={
            "description": "From 1 to 1000, for a single queued execution, as of a second ago"
        },
    )
    waiting_for = fields.String(
        allow_none=True,
        validate=validate.OneOf(list(WaitingFor)),
        metadata={"description": "What it waits for; null if it runs or has ended"},
    )


class ResultSchema(ma.Schema):
    """Answer of the crew's last task."""

    raw = fields.String(metadata={"description": "Text of the answer"})
    json = fields.Raw(
        allow_none=True, metadata={"description": "The answer of a task with 'output_schema'"}
    )


class ErrorSchema(ma.Schema):
    """Why an execution failed."""

    code = fields.String(
        metadata={"description": "Stable kind of failure", "known_values": "FailureCode"}
    )
    message = fields.String(metadata={"description": "What went wrong, as a sentence"})
    correlation_id = fields.String(metadata={"description": "Id of the error in the worker's log"})
    step = fields.String(allow_none=True, metadata={"description": "Name of the step that failed"})
    call = fields.Integer(
        allow_none=True, metadata={"description": "Number of the call that ended it, if one did"}
    )


class CancellationSchema(RowSchema):
    """Who requested the cancellation, when and why."""

    requested_at = Moment(
        attribute="cancel_requested_at",
        metadata={"description": "When the cancellation was requested"},
    )
    by = fields.String(
        attribute="cancelled_by",
        allow_none=True,
        metadata={"description": "Id of the user who requested it"},
    )
    reason = fields.String(
        attribute="cancel_reason",
        allow_none=True,
        metadata={"description": "Reason that was given"},
    )


class ExecutionLimitsSchema(RowSchema):
    """Limits of an execution; null means no limit."""

    timeout = fields.Float(
        allow_none=True, metadata={"description": "Seconds from the first start"}
    )
    max_llm_calls = fields.Integer(
        allow_none=True, metadata={"description": "Maximum number of model calls"}
    )
    max_tool_calls = fields.Integer(
        allow_none=True, metadata={"description": "Maximum number of tool calls"}
    )
    max_tokens = fields.Integer(
        allow_none=True, metadata={"description": "Tokens after which no further call is made"}
    )


class ExecutionSchema(RowSchema):
    """An execution without its inputs, steps and result, which may be large."""

    id = fields.UUID(metadata={"description": "Id of the execution"})
    graph_id = fields.UUID(metadata={"description": "Id of the graph"})
    graph_name = fields.String(metadata={"description": "Present name of the graph"})
    graph_version = fields.Integer(metadata={"description": "Version of the graph that runs"})
    forked_from = fields.UUID(
        allow_none=True,
        metadata={"description": "Execution that it is a fork of, which may be removed by now"},
    )
    thread_id = fields.String(
        allow_none=True, metadata={"description": "Id that groups executions"}
    )
    request_id = fields.String(
        allow_none=True, metadata={"description": "'X-Request-ID' of the request that queued it"}
    )
    user_id = fields.String(attribute="owner_id", metadata={"description": "Id of the owner"})
    status = fields.String(
        validate=validate.OneOf(list(ExecutionStatus)),
        metadata={"description": "Status of the execution"},
    )
    priority = fields.Integer(metadata={"description": "From 1, the most urgent, to 10"})
    attempt = fields.Integer(metadata={"description": "Number of the current or last attempt"})
    retries = fields.Integer(metadata={"description": "Automatic retries after transient errors"})
    lost_attempts = fields.Integer(metadata={"description": "Attempts whose worker was lost"})
    limits = fields.Nested(
        ExecutionLimitsSchema, metadata={"description": "Limits of the execution"}
    )
    progress = fields.Nested(ProgressSchema, metadata={"description": "How far the execution is"})
    error = fields.Nested(
        ErrorSchema, allow_none=True, metadata={"description": "Why it failed; null if it has not"}
    )
    usage = fields.Nested(
        UsageSchema, metadata={"description": "Model calls and tokens of all attempts"}
    )
    cancellation = fields.Nested(
        CancellationSchema,
        allow_none=True,
        metadata={"description": "Who cancelled it; null if nobody has"},
    )
    created_at = Moment(metadata={"description": "When it was submitted"})
    queued_at = Moment(metadata={"description": "When it was queued last"})
    started_at = Moment(allow_none=True, metadata={"description": "When it was first started"})
    deadline = Moment(allow_none=True, metadata={"description": "When it will time out"})
    next_attempt_at = Moment(
        attribute="available_at",
        allow_none=True,
        metadata={"description": "When it will be retried"},
    )
    finished_at = Moment(allow_none=True, metadata={"description": "When it ended"})


class WholeExecutionSchema(ExecutionSchema):
    """An execution with its inputs, steps and result."""

    inputs = fields.Dict(metadata={"description": "Values of the placeholders"})
    result = fields.Nested(
        ResultSchema,
        allow_none=True,
        metadata={"description": "Answer of the crew; null until it has completed"},
    )
    result_omitted = fields.Boolean(
        metadata={"description": "Whether the result was left out, because it is too large"}
    )
    result_url = fields.String(
        allow_none=True,
        metadata={"description": "Where the result is, if it was left out"},
    )
    steps = fields.List(
        fields.Nested(StatusStepSchema), metadata={"description": "Steps in the order of execution"}
    )
    input_requests = fields.List(
        fields.String(), metadata={"description": "Ids of the input requests that are open"}
    )


class ExecutionPageSchema(ma.Schema):
    """A page of executions, newest first."""

    executions = fields.List(
        fields.Nested(ExecutionSchema), metadata={"description": "The executions of this page"}
    )
    next = fields.UUID(allow_none=True, metadata={"description": "'before' for the next page"})


class EventSchema(RowSchema):
    """An event in an execution's history."""

    seq = fields.Integer(metadata={"description": "Number within the execution, from 1"})
    type = fields.String(metadata={"description": "Type of the event"})
    data = fields.Dict(metadata={"description": "Fields of this type of event"})
    created_at = Moment(metadata={"description": "When it happened"})


class EventPageSchema(ma.Schema):
    """A page of events, oldest first."""

    events = fields.List(
        fields.Nested(EventSchema), metadata={"description": "The events of this page"}
    )
    next = fields.Integer(metadata={"description": "'after' for the next page"})


class PreferHeaderSchema(ma.Schema):
    """How long the client will wait (RFC 7240)."""

    prefer = fields.String(
        data_key="Prefer",
        metadata={
            "description": "'wait=N': respond at the end or after N seconds, at most 30; while too"
            " many requests wait, the answer comes at once, with 'Retry-After'"
        },
    )


class LastEventIdHeaderSchema(ma.Schema):
    """Where a stream continues."""

    last_event_id = fields.String(
        data_key="Last-Event-ID",
        metadata={"description": "For a stream: id of the last event that the client has received"},
    )
