"""Queues, workers and health, for operators."""

from __future__ import annotations

import typing as t

import marshmallow as ma
from marshmallow import fields
from marshmallow import validate

from ..statuses import AfterDrain
from ..statuses import WorkerState
from .fields import Moment
from .fields import Text


class FailedCheckSchema(ma.Schema):
    """A check that failed."""

    check = fields.String(metadata={"description": "Its name, as in 'checks'"})
    detail = fields.String(metadata={"description": "What is wrong"})
    remedy = fields.String(metadata={"description": "What operators do about it"})


class OpenInputsSchema(ma.Schema):
    """Input requests of all users that people have not answered yet."""

    open = fields.Integer(metadata={"description": "How many there are"})
    oldest_seconds = fields.Float(
        metadata={"description": "For how long the oldest one has been open; 0 if none is"}
    )


class _OrderedSchema(ma.Schema):
    """User who orders something."""

    by = Text(
        0, 255, load_default=None, allow_none=True, metadata={"description": "Id of the user"}
    )


class PauseRequestSchema(ma.Schema):
    """Why the queue is paused."""

    example: t.ClassVar[t.Any] = {"reason": "The database moves to another server."}

    reason = Text(
        0,
        500,
        load_default=None,
        allow_none=True,
        metadata={"description": "Reason, which other managers will see"},
    )


class PauseSchema(PauseRequestSchema, _OrderedSchema):
    """User who pauses the queue, and the reason."""


class QueuePauseSchema(ma.Schema):
    """A pause of the queue, during which no execution starts."""

    since = Moment(metadata={"description": "When it began"})
    by = fields.String(
        allow_none=True,
        metadata={"description": "Id of the user who has paused it; null if that is not known"},
    )
    reason = fields.String(allow_none=True, metadata={"description": "The reason that was given"})


class PauseChangeSchema(ma.Schema):
    """What became of a wish to pause or to resume the queue."""

    pause = fields.Nested(
        QueuePauseSchema,
        allow_none=True,
        metadata={"description": "The pause that lasts now; null if the queue is not paused"},
    )
    changed = fields.Boolean(
        attribute="is_changed",
        metadata={"description": "False if that was so before, as after a repeated request"},
    )


class QueueReportSchema(ma.Schema):
    """Lengths of the queues, and live workers."""

    queues = fields.Dict(
        keys=fields.String(),
        values=fields.Dict(keys=fields.String(), values=fields.Integer()),
        metadata={"description": "Waiting messages by queue and priority"},
    )
    on_hold = fields.Dict(
        keys=fields.String(),
        values=fields.Integer(),
        metadata={"description": "Executions that the scheduler holds, by priority"},
    )
    pause = fields.Nested(
        QueuePauseSchema,
        allow_none=True,
        metadata={"description": "The pause of the queue of executions; null if there is none"},
    )
    input_requests = fields.Nested(
        OpenInputsSchema, metadata={"description": "Input requests that are open"}
    )
    workers = fields.List(
        fields.Nested("WorkerSchema"), metadata={"description": "Workers with a recent heartbeat"}
    )
    problems = fields.List(
        fields.Nested(FailedCheckSchema),
        metadata={"description": "Checks of the service that failed, as readiness reports them"},
    )


class DrainRequestSchema(ma.Schema):
    """How a worker is drained."""

    example: t.ClassVar[t.Any] = {"then": "stop"}

    then = fields.String(
        load_default=AfterDrain.IDLE,
        validate=validate.OneOf(list(AfterDrain)),
        metadata={"description": "What it does after it has finished what it runs"},
    )


class DrainSchema(DrainRequestSchema, _OrderedSchema):
    """How a worker is drained, and by whom."""


class DrainOrderSchema(ma.Schema):
    """That a worker is to take nothing new."""

    since = Moment(metadata={"description": "When that was asked for"})
    by = fields.String(
        allow_none=True,
        metadata={"description": "Id of the user who has asked for it; null if that is not known"},
    )
    then = fields.String(
        validate=validate.OneOf(list(AfterDrain)),
        metadata={"description": "What it does after it has finished what it runs"},
    )


class RunSchema(ma.Schema):
    """An execution that a worker runs."""

    id = fields.UUID(metadata={"description": "Id of the execution"})
    user_id = fields.String(
        attribute="owner_id", metadata={"description": "Id of the user who submitted it"}
    )
    graph_name = fields.String(metadata={"description": "Present name of the graph"})
    current_step = fields.String(
        allow_none=True, metadata={"description": "Name of the running step"}
    )
    started_at = Moment(metadata={"description": "When it was first started"})


class WorkerSchema(ma.Schema):
    """A worker as of its last heartbeat."""

    id = fields.UUID(
        attribute="row.id",
        allow_none=True,
        metadata={"description": "Id of this start of the worker; null if its version has none"},
    )
    name = fields.String(
        attribute="row.name", metadata={"description": "Celery's name of the worker"}
    )
    host = fields.String(metadata={"description": "The machine, as its name says"})
    pid = fields.Integer(
        attribute="row.pid", metadata={"description": "Id of its main process there"}
    )
    version = fields.String(
        attribute="row.version",
        allow_none=True,
        metadata={"description": "Version of Flask-CrewExec that it runs"},
    )
    crewai_version = fields.String(
        attribute="row.crewai_version",
        allow_none=True,
        metadata={"description": "Version of CrewAI that it runs"},
    )
    state = fields.String(
        validate=validate.OneOf(list(WorkerState)), metadata={"description": "What it does"}
    )
    queues = fields.List(
        fields.String(), attribute="row.queues", metadata={"description": "Queues that it consumes"}
    )
    pool = fields.String(attribute="row.pool", metadata={"description": "Kind of its pool"})
    concurrency = fields.Integer(
        attribute="row.concurrency", metadata={"description": "How many tasks it runs at once"}
    )
    busy = fields.Integer(
        attribute="row.busy",
        allow_none=True,
        metadata={"description": "How many tasks it had taken"},
    )
    free = fields.Integer(
        allow_none=True, metadata={"description": "How many further tasks it could run"}
    )
    drain = fields.Nested(
        DrainOrderSchema,
        allow_none=True,
        metadata={"description": "The order to drain it; null if there is none"},
    )
    runs = fields.List(
        fields.Nested(RunSchema), metadata={"description": "The executions that it runs"}
    )
    started_at = Moment(attribute="row.started_at", metadata={"description": "When it started"})
    seen_at = Moment(
        attribute="row.seen_at", metadata={"description": "When its last heartbeat was"}
    )


class WorkerReportSchema(ma.Schema):
    """All workers that have not signed off."""

    workers = fields.List(
        fields.Nested(WorkerSchema),
        metadata={"description": "Those with the latest heartbeat first"},
    )


class HealthQuerySchema(ma.Schema):
    """What readiness requires."""

    require = fields.String(
        load_default=None,
        validate=validate.OneOf(["workers"]),
        metadata={"description": "Also require a live worker for each queue"},
    )


class HealthSchema(ma.Schema):
    """Result of a health check."""

    status = fields.String(metadata={"description": "'ok' or 'unavailable'"})
    checks = fields.Dict(
        keys=fields.String(),
        values=fields.String(),
        metadata={
            "description": "Result of each check by name; 'ok' if it passed",
            "optional": True,
        },
    )
    problems = fields.List(
        fields.Nested(FailedCheckSchema),
        metadata={"description": "The checks that failed", "optional": True},
    )


class OpenApiSchema(ma.Schema):
    """The OpenAPI document."""

    openapi = fields.String(metadata={"description": "Version of OpenAPI"})
    info = fields.Dict(metadata={"description": "Title and version"})
    servers = fields.List(fields.Dict(), metadata={"description": "Where the routes are"})
    tags = fields.List(fields.Dict(), metadata={"description": "Groups of operations"})
    security = fields.List(fields.Dict(), metadata={"description": "How users sign in"})
    paths = fields.Dict(metadata={"description": "Operations by path and method"})
    components = fields.Dict(metadata={"description": "What operations refer to"})
