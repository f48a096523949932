"""Geometry of the column charts."""

from __future__ import annotations

import datetime as dt
import math
import typing as t
from collections.abc import Sequence
from dataclasses import dataclass

from ..storage.hourly_stats import Hour
from .formatting import duration

WIDTH: t.Final = 640
HEIGHT: t.Final = 170
_LEFT: t.Final = 46
_TOP: t.Final = 10
_BOTTOM: t.Final = 24
_GAP: t.Final = 0.28
"""Fraction of a column's slot that stays empty."""


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
    hours: tuple[Tick, ...]
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
    return _chart(columns, hours, [Tick(_y(top, top), f"{top:g}"), Tick(_y(0, top), "0")])


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
    return _chart(columns, hours, [Tick(_y(top, top), duration(top)), Tick(_y(0, top), "0 s")])


def _chart(columns: Sequence[Column], hours: Sequence[Hour], values: Sequence[Tick]) -> Chart:
    slot = _slot_width(len(hours))
    marks = [
        Tick(_LEFT + (number + 0.5) * slot, f"{hour.begin:%H}")
        for number, hour in enumerate(hours)
        if hour.begin.hour % 3 == 0
    ]
    drawn = tuple(column for column in columns if column.height)
    return Chart(columns=drawn, hours=tuple(marks), values=tuple(values))


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


def _ceiling(value: float) -> float:
    """Return the next round number from *value* upwards."""
    if value <= 1:
        return 1
    power = 10.0 ** math.floor(math.log10(value))
    return next(step * power for step in (1, 2, 5, 10) if step * power >= value)


def _span(hour: Hour) -> str:
    return f"{hour.begin:%H:%M} to {hour.begin + dt.timedelta(hours=1):%H:%M}"
