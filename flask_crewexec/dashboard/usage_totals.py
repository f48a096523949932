"""Sums of the usage report: of each day, and of each user, graph or model."""

from __future__ import annotations

import datetime as dt
import typing as t
from collections.abc import Hashable
from collections.abc import Iterable
from collections.abc import Sequence

from ..models import Usage
from ..storage.usage_report import DailyUsage
from ..storage.usage_report import usage_key


class DayTotal(t.NamedTuple):
    """What was used on one day."""

    day: dt.date
    executions: int = 0
    failed: int = 0
    usage: Usage = Usage()


class KeyTotal(t.NamedTuple):
    """What one user, graph or model has used in a period."""

    name: str
    first: DailyUsage
    """One of its rows, which says what it is."""
    executions: int
    failed: int
    usage: Usage
    share: float
    """Its part of all costs, or of all tokens if nothing costs anything; from 0 to 1."""


def totals_by_day(rows: Iterable[DailyUsage], first: dt.date, last: dt.date) -> list[DayTotal]:
    """Return the totals of each day of a period, also of days without executions."""
    days = [first + dt.timedelta(days=each) for each in range((last - first).days + 1)]
    totals = {day: DayTotal(day) for day in days}
    for row in rows:
        day = dt.date.fromisoformat(row.day)
        before = totals.get(day, DayTotal(day))
        totals[day] = DayTotal(
            day,
            before.executions + row.executions,
            before.failed + row.failed,
            before.usage.plus(row.usage),
        )
    return [totals[day] for day in sorted(totals)]


def totals_by_key(rows: Iterable[DailyUsage]) -> list[KeyTotal]:
    """Return the totals of each user, graph or model, those that cost most first."""
    groups: dict[Hashable, list[DailyUsage]] = {}
    for row in rows:
        groups.setdefault(row.graph_id or usage_key(row), []).append(row)
    totals = [_total_of(group) for group in groups.values()]
    whole = sum_of(each.usage for each in totals)
    shared = [each._replace(share=_share(each.usage, whole)) for each in totals]
    return sorted(shared, key=lambda each: (-each.share, each.name))


def sum_of(usages: Iterable[Usage]) -> Usage:
    """Return the sum of usages."""
    return Usage(*(sum(column) for column in zip(Usage(), *usages, strict=True)))


def _total_of(rows: Sequence[DailyUsage]) -> KeyTotal:
    return KeyTotal(
        usage_key(rows[0]),
        rows[0],
        sum(row.executions for row in rows),
        sum(row.failed for row in rows),
        sum_of(row.usage for row in rows),
        0.0,
    )


def _share(usage: Usage, whole: Usage) -> float:
    if whole.cost_nanos:
        return usage.cost_nanos / whole.cost_nanos
    return usage.total_tokens / (whole.total_tokens or 1)
