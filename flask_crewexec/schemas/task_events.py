"""Events that the task modules receive."""

from __future__ import annotations

import datetime as dt

import marshmallow as ma
from marshmallow import fields
from marshmallow import validate

from .fields import MAX_INTEGER


class ExecutionEventSchema(ma.Schema):
    """Event of the execution task."""

    execution_id = fields.UUID(required=True)
    attempt = fields.Integer(
        load_default=None, strict=True, validate=validate.Range(1, MAX_INTEGER)
    )


class CleanupEventSchema(ma.Schema):
    """Event of the cleanup task."""

    action = fields.String(required=True, validate=validate.OneOf(["purge", "reconcile"]))
    older_than_seconds = fields.TimeDelta(
        load_default=None, validate=validate.Range(dt.timedelta())
    )
    keep = fields.Integer(
        load_default=None, allow_none=True, strict=True, validate=validate.Range(0, MAX_INTEGER)
    )


class NotificationEventSchema(ma.Schema):
    """Event of the notification task."""

    limit = fields.Integer(load_default=100, strict=True, validate=validate.Range(1, MAX_INTEGER))
