"""Queues, workers and health, for those who run the service."""

from __future__ import annotations

import marshmallow as ma
from marshmallow import fields

from .fields import Moment


class QueuesSchema(ma.Schema):
    """How much waits, and who works."""

    queues = fields.Dict(
        keys=fields.String(),
        values=fields.Dict(keys=fields.String(), values=fields.Integer()),
        metadata={"description": "Waiting messages by queue and priority"},
    )
    on_hold = fields.Dict(
        keys=fields.String(),
        values=fields.Integer(),
        metadata={"description": "Executions that wait for their user's turn, by priority"},
    )
    workers = fields.List(fields.Nested("WorkerSchema"))


class WorkerSchema(ma.Schema):
    """A worker as it last said of itself."""

    name = fields.String()
    queues = fields.List(fields.String())
    pool = fields.String()
    concurrency = fields.Integer()
    started_at = Moment()
    seen_at = Moment()


class HealthSchema(ma.Schema):
    """Whether the service can do its work."""

    status = fields.String()
    checks = fields.Dict(keys=fields.String(), values=fields.String())
