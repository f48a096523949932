"""Usage by user and day."""

from __future__ import annotations

import datetime as dt
import typing as t

import marshmallow as ma
from marshmallow import fields
from marshmallow import validate

from .fields import Text


class UsageSchema(ma.Schema):
    """Model calls, tool calls and tokens."""

    llm_calls = fields.Integer(metadata={"description": "Number of model calls"})
    tool_calls = fields.Integer(metadata={"description": "Number of tool calls"})
    prompt_tokens = fields.Integer(metadata={"description": "Tokens that were sent to models"})
    completion_tokens = fields.Integer(metadata={"description": "Tokens that models have answered"})
    total_tokens = fields.Integer(metadata={"description": "Tokens in both directions"})
    cost = fields.Float(metadata={"description": "From 'CREWEXEC_PRICES'; 0 without prices"})


class TokensSchema(ma.Schema):
    """Tokens of one model call."""

    prompt_tokens = fields.Integer(metadata={"description": "Tokens that were sent to the model"})
    completion_tokens = fields.Integer(metadata={"description": "Tokens that it has answered"})
    total_tokens = fields.Integer(metadata={"description": "Tokens in both directions"})
    cost = fields.Float(metadata={"description": "From 'CREWEXEC_PRICES'; 0 without prices"})


_DAYS: t.Final = validate.Range(dt.date(2000, 1, 1), dt.date(2999, 12, 31))
_DAYS_PATTERN: t.Final = r"^2[0-9]{3}-[0-9]{2}-[0-9]{2}$"


class UsageQuerySchema(ma.Schema):
    """Filters of the usage report."""

    since = fields.Date(
        validate=_DAYS,
        metadata={
            "description": "First day; by default thirty days ago",
            "pattern": _DAYS_PATTERN,
        },
    )
    until = fields.Date(
        validate=_DAYS,
        metadata={"description": "Last day; by default today", "pattern": _DAYS_PATTERN},
    )
    user_id = Text(1, 255, metadata={"description": "Only usage of this user"})
    limit = fields.Integer(
        load_default=1000,
        validate=validate.Range(1, 10_000),
        metadata={"description": "Maximum number of rows; the oldest days are left out"},
    )


class DayUsageSchema(UsageSchema):
    """Usage of one user on one day (UTC)."""

    day = fields.String(metadata={"description": "The day as YYYY-MM-DD"})
    user_id = fields.String(metadata={"description": "Id of the user"})
    executions = fields.Integer(metadata={"description": "Number of executions that were queued"})


class UsageReportSchema(ma.Schema):
    """Usage by user and day, newest day first."""

    usage = fields.List(
        fields.Nested(DayUsageSchema), metadata={"description": "One row for each user and day"}
    )
