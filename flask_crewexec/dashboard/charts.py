"""Geometry of the column charts."""

from __future__ import annotations

import datetime as dt
import math
import typing as t
from collections.abc import Callable
from collections.abc import Sequence
from dataclasses import dataclass

from ..storage.hourly_stats import Hour
from .formatting import duration
from .usage_totals import DayTotal

WIDTH: t.Final = 640
HEIGHT: t.Final = 170
_LEFT: t.Final = 72
"""Room for the values, whose text is larger on phones."""
_TOP: t.Final = 10
_BOTTOM: t.Final = 24
_GAP: t.Final = 0.28
"""Fraction of a column's slot that stays empty."""
_DAY_MARKS: t.Final = 8
"""Up to how many days are named."""


class Column(t.NamedTuple):
    """A rectangle of the chart."""

    kind: str
    x: float
    y: float
    width: float
    height: float
    title: str


class Tick(t.NamedTuple):
    """A mark on an axis."""

    position: float
    text: str


@dataclass(frozen=True, kw_only=True)
class Chart:
    """A chart of :data:`WIDTH` by :data:`HEIGHT`."""

    columns: tuple[Column, ...]
    times: tuple[Tick, ...]
    values: tuple[Tick, ...]
    width: int = WIDTH
    height: int = HEIGHT
    left: int = _LEFT
    base: int = HEIGHT - _BOTTOM


def throughput(hours: Sequence[Hour]) -> Chart:
    """Return a chart of the ended executions by hour: completed ones below, others on top."""
    top = _ceiling(max(hour.completed + hour.other for hour in hours))
    columns = []
    for number, hour in enumerate(hours):
        title = f"{_span(hour)}: {hour.completed} completed, {hour.other} other"
        columns += [
            _column("completed", number, 0, hour.completed, top, title, len(hours)),
            _column("other", number, hour.completed, hour.other, top, title, len(hours)),
        ]
    return _chart(columns, _marks_of_hours(hours), _scale(top, f"{top:g}", "0"))


def waiting(hours: Sequence[Hour]) -> Chart:
    """Return a chart of the mean waiting time by the hour in which executions ended."""
    top = _ceiling(max(hour.waiting or 0.0 for hour in hours))
    columns = [
        _column(
            "waiting",
            number,
            0,
            hour.waiting or 0.0,
            top,
            f"{_span(hour)}: {duration(hour.waiting) or 'none'}",
            len(hours),
        )
        for number, hour in enumerate(hours)
    ]
    return _chart(columns, _marks_of_hours(hours), _scale(top, duration(top), "0 s"))


def executions_by_day(days: Sequence[DayTotal]) -> Chart:
    """Return a chart of the executions of each day: failed ones on top of the others."""
    top = _ceiling(max(day.executions for day in days))
    columns = []
    for number, day in enumerate(days):
        others = day.executions - day.failed
        title = f"{day.day}: {day.executions} executions, {day.failed} failed"
        columns += [
            _column("queued", number, 0, others, top, title, len(days)),
            _column("other", number, others, day.failed, top, title, len(days)),
        ]
    return _chart(columns, _marks_of_days(days), _scale(top, f"{top:g}", "0"))


def amounts_by_day(
    days: Sequence[DayTotal], amount: Callable[[DayTotal], float], say: Callable[[float], str]
) -> Chart:
    """Return a chart of an amount of each day.

    :param say: returns an amount as text.
    """
    amounts = [amount(day) for day in days]
    top = _ceiling(max(amounts), lowest=0)
    columns = [
        _column("waiting", number, 0, each, top, f"{day.day}: {say(each)}", len(days))
        for number, (day, each) in enumerate(zip(days, amounts, strict=True))
    ]
    return _chart(columns, _marks_of_days(days), _scale(top, say(top), say(0)))


def _chart(columns: Sequence[Column], times: Sequence[Tick], values: Sequence[Tick]) -> Chart:
    drawn = tuple(column for column in columns if column.height)
    return Chart(columns=drawn, times=tuple(times), values=tuple(values))


def _scale(top: float, highest: str, lowest: str) -> list[Tick]:
    return [Tick(_y(top, top), highest), Tick(_y(0, top), lowest)]


def _marks_of_hours(hours: Sequence[Hour]) -> list[Tick]:
    texts = [f"{hour.begin:%H}" if hour.begin.hour % 3 == 0 else "" for hour in hours]
    return _marks(texts)


def _marks_of_days(days: Sequence[DayTotal]) -> list[Tick]:
    every = math.ceil(len(days) / _DAY_MARKS)
    texts = [f"{day.day:%d %b}" if number % every == 0 else "" for number, day in enumerate(days)]
    return _marks(texts)


def _marks(texts: Sequence[str]) -> list[Tick]:
    slot = _slot_width(len(texts))
    return [Tick(_LEFT + (number + 0.5) * slot, text) for number, text in enumerate(texts) if text]


def _column(
    kind: str, number: int, low: float, value: float, top: float, title: str, count: int
) -> Column:
    slot, upper = _slot_width(count), _y(low + value, top)
    return Column(
        kind=kind,
        x=round(_LEFT + (number + _GAP / 2) * slot, 2),
        y=round(upper, 2),
        width=round(slot * (1 - _GAP), 2),
        height=round(_y(low, top) - upper, 2),
        title=title,
    )


def _slot_width(count: int) -> float:
    return (WIDTH - _LEFT) / count


def _y(value: float, top: float) -> float:
    base = HEIGHT - _BOTTOM
    return base - (base - _TOP) * value / top


def _ceiling(value: float, lowest: float = 1) -> float:
    """Return the next round number from *value* upwards, and *lowest* at least."""
    if value <= lowest:
        return lowest or 1
    power = 10.0 ** math.floor(math.log10(value))
    return next(step * power for step in (1, 2, 5, 10) if step * power >= value)


def _span(hour: Hour) -> str:
    return f"{hour.begin:%H:%M} to {hour.begin + dt.timedelta(hours=1):%H:%M}"
