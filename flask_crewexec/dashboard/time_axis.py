"""The time axis of an execution: proportional while it runs, with long pauses folded."""

from __future__ import annotations

import bisect
import datetime as dt
import itertools
import typing as t
from collections.abc import Iterator
from collections.abc import Sequence

from .formatting import duration
from .periods import Period
from .periods import RUN

_FOLD_WIDTH: t.Final = 3.0
"""Percent of the axis that a folded pause takes."""
_FOLDS_WIDTH: t.Final = 30.0
"""Percent that all of them take at most."""
_LONG_PAUSE: t.Final = 0.1
"""Pauses longer than this fraction of all running time are folded."""
_TICKS: t.Final = 6
_STEPS: t.Final = (0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 30, 60, 120, 300, 600, 1200, 1800, 3600)


class Stretch(t.NamedTuple):
    """A part of the axis with one scale."""

    period: Period
    x: float
    width: float
    is_folded: bool


class Tick(t.NamedTuple):
    """A mark on the axis."""

    x: float
    text: str


class TimeAxis:
    """Positions of moments, in percent of the width.

    :param periods: what the execution did, without gaps.
    """

    def __init__(self, periods: Sequence[Period]) -> None:
        self.stretches = [*_stretches(periods)]
        self._begins = [stretch.period.begin for stretch in self.stretches]

    def position(self, moment: dt.datetime) -> float:
        """Return where *moment* is, from 0 to 100."""
        number = bisect.bisect_right(self._begins, moment) - 1
        if number < 0:
            return 0.0
        period, x, width, _ = self.stretches[number]
        part = (moment - period.begin).total_seconds() / (period.seconds or 1)
        return min(x + width * min(part, 1.0), 100.0)

    @property
    def folds(self) -> Iterator[Stretch]:
        """The pauses that are not drawn in proportion."""
        return (stretch for stretch in self.stretches if stretch.is_folded)

    @property
    def ticks(self) -> Iterator[Tick]:
        """Marks at round numbers of seconds, counted without what is folded."""
        shown = [stretch for stretch in self.stretches if not stretch.is_folded]
        step = _step(sum(stretch.period.seconds for stretch in shown))
        before = 0.0
        for period, x, width, _ in shown:
            first = -(-before // step)
            for number in itertools.count(int(first)):
                offset = number * step - before
                if offset >= period.seconds:
                    break
                yield Tick(round(x + width * offset / period.seconds, 2), _label(number * step))
            before += period.seconds


def _stretches(periods: Sequence[Period]) -> Iterator[Stretch]:
    running = sum(period.seconds for period in periods if period.kind == RUN)
    limit = running * _LONG_PAUSE if running else float("inf")
    folded = [period.kind != RUN and period.seconds > limit for period in periods]
    fold_width = min(_FOLD_WIDTH, _FOLDS_WIDTH / max(sum(folded), 1))
    shown = sum(each.seconds for each, fold in zip(periods, folded, strict=True) if not fold)
    scale = (100 - fold_width * sum(folded)) / (shown or 1)
    x = 0.0
    for period, is_folded in zip(periods, folded, strict=True):
        width = fold_width if is_folded else period.seconds * scale
        yield Stretch(period, x, width, is_folded)
        x += width


def _step(seconds: float) -> float:
    """Return the round number of seconds between two ticks."""
    wanted = seconds / _TICKS
    return next((step for step in _STEPS if step >= wanted), 3600.0 * -(-wanted // 3600))


def _label(seconds: float) -> str:
    return duration(seconds) if seconds >= 60 else f"{seconds:.3g} s"
