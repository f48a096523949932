"""Usage by day."""

from __future__ import annotations

import datetime as dt
import typing as t

import marshmallow as ma
from marshmallow import fields
from marshmallow import validate

from ..statuses import UsageGroup
from .fields import RowSchema
from .fields import Text


class UsageSchema(RowSchema):
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
    group_by = fields.String(
        load_default=UsageGroup.USER,
        validate=validate.OneOf(list(UsageGroup)),
        metadata={"description": "Whose totals of each day are returned"},
    )
    user_id = Text(1, 255, metadata={"description": "Only usage of this user"})
    limit = fields.Integer(
        load_default=1000,
        validate=validate.Range(1, 10_000),
        metadata={"description": "Maximum number of rows; the oldest days are left out"},
    )


class DayUsageSchema(UsageSchema):
    """Usage of one user, graph or model on one day (UTC)."""

    day = fields.String(metadata={"description": "The day as YYYY-MM-DD"})
    user_id = fields.String(
        allow_none=True, metadata={"description": "Id of the user, in totals by user"}
    )
    graph_id = fields.UUID(
        allow_none=True, metadata={"description": "Id of the graph, in totals by graph"}
    )
    graph_name = fields.String(
        allow_none=True, metadata={"description": "Present name of the graph"}
    )
    model = fields.String(
        allow_none=True,
        metadata={"description": "The model's name at its provider, in totals by model"},
    )
    executions = fields.Integer(metadata={"description": "Number of executions that were queued"})
    failed = fields.Integer(
        metadata={"description": "How many of the executions have failed or timed out"}
    )


class UsageReportSchema(ma.Schema):
    """Usage by day, newest day first."""

    usage = fields.List(
        fields.Nested(DayUsageSchema),
        metadata={"description": "One row for each day and user, graph or model"},
    )
