"""The page of what was used: cost, tokens and failures over time."""

from __future__ import annotations

import datetime as dt
import typing as t

import marshmallow as ma
from flask import request
from marshmallow import fields
from marshmallow import validate

from .. import clock
from ..app_state import current_app_state
from ..identity import Identity
from ..scheduling.quotas import remaining_tokens
from ..schemas import load
from ..schemas import Text
from ..statuses import UsageGroup
from ..storage.usage_report import daily_usage
from ..storage.usage_report import DailyUsage
from ..web.authentication import current_identity
from . import charts
from .templating import render
from .usage_totals import DayTotal
from .usage_totals import sum_of
from .usage_totals import totals_by_day
from .usage_totals import totals_by_key

PERIODS: t.Final = (7, 30, 90)
"""Days that the page offers."""
_MAX_ROWS: t.Final = 10_000
_SHOWN: t.Final = 100
"""How many users, graphs or models the table has."""


class _QuerySchema(ma.Schema):
    days = fields.Integer(load_default=30, validate=validate.OneOf(PERIODS))
    by = fields.String(load_default=UsageGroup.GRAPH, validate=validate.OneOf(list(UsageGroup)))
    user_id = Text(1, 255, load_default=None)


def show_usage() -> str:
    """Show cost, tokens and failures by day, and by graph, model or user."""
    requester = current_identity()
    given = {name: value for name, value in request.args.items() if value}
    query = load(_QuerySchema(), given)
    days = _read_days(requester, query)
    totals = totals_by_key(_read(requester, query, query["by"]))
    usage = sum_of(day.usage for day in days)
    return render(
        "usage.html",
        requester,
        query=query,
        periods=PERIODS,
        days=days,
        usage=usage,
        executions=sum(day.executions for day in days),
        failed=sum(day.failed for day in days),
        totals=totals[:_SHOWN],
        left_out=len(totals[_SHOWN:]),
        tokens_left=remaining_tokens(current_app_state(), requester.user_id),
        charts=_charts(days),
    )


def _read_days(requester: Identity, query: dict[str, t.Any]) -> list[DayTotal]:
    rows = _read(requester, query, UsageGroup.USER)
    return totals_by_day(rows, _first_day(query), clock.now().date())


def _read(requester: Identity, query: dict[str, t.Any], group_by: str) -> list[DailyUsage]:
    return daily_usage(
        current_app_state(),
        requester,
        group_by=group_by,
        since=_first_day(query),
        user_id=query["user_id"],
        limit=_MAX_ROWS,
    )


def _first_day(query: dict[str, t.Any]) -> dt.date:
    return clock.now().date() - dt.timedelta(days=query["days"] - 1)


def _charts(days: list[DayTotal]) -> dict[str, charts.Chart]:
    tokens = charts.amounts_by_day(days, lambda day: day.usage.total_tokens, "{:,.0f}".format)
    drawn = {"executions": charts.executions_by_day(days), "tokens": tokens}
    if any(day.usage.cost_nanos for day in days):
        drawn["cost"] = charts.amounts_by_day(days, lambda day: day.usage.cost, _rounded)
    return drawn


def _rounded(amount: float) -> str:
    return f"{amount:.2g}" if amount < 1 else f"{amount:,.2f}"
