"""Queues, workers and health, for operators."""

from __future__ import annotations

import marshmallow as ma
from marshmallow import fields

from .fields import Moment


class QueuesSchema(ma.Schema):
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
    workers = fields.List(fields.Nested("WorkerSchema"))


class WorkerSchema(ma.Schema):
    """A worker as of its last heartbeat."""

    name = fields.String()
    queues = fields.List(fields.String())
    pool = fields.String()
    concurrency = fields.Integer()
    started_at = Moment()
    seen_at = Moment()


class HealthSchema(ma.Schema):
    """Result of a health check."""

    status = fields.String()
    checks = fields.Dict(keys=fields.String(), values=fields.String())
