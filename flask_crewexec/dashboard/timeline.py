"""Timeline of an execution: its attempts and pauses, and when its steps ran and made calls."""

from __future__ import annotations

import datetime as dt
import functools
import typing as t
from collections.abc import Iterable
from collections.abc import Iterator
from collections.abc import Sequence
from dataclasses import dataclass

from .. import clock
from ..models import StepMixin
from ..models import Usage
from ..statuses import CallStatus
from ..statuses import STEP_DONE
from ..statuses import StepStatus
from ..storage.call_log import CallSpan
from .formatting import duration
from .graph_layout import agent_of
from .periods import find_periods
from .periods import find_segments
from .periods import Period
from .periods import running_seconds
from .periods import Segment
from .queries import ExecutionView
from .time_axis import TimeAxis

_MIN_WIDTH: t.Final = 0.3
"""Percent of the line that the shortest bar takes, so that it is visible."""
_MERGED: t.Final = 0.2
"""Bars of one kind with a smaller gap, in percent, are drawn as one."""
_MAX_BARS: t.Final = 100
"""How many bars of calls a step has; of more, neighbours of one kind are one."""


class Bar(t.NamedTuple):
    """A period of time, in percent of the whole."""

    kind: str
    """``wait``, ``run``, ``broken``, ``model``, ``tool``, ``check``, ``failed`` or a pause."""
    x: float
    width: float
    title: str
    calls: int = 1
    """How many calls it stands for."""


class Span(t.NamedTuple):
    """A call."""

    kind: str
    begin: dt.datetime
    end: dt.datetime
    title: str
    has_failed: bool


@dataclass(frozen=True, kw_only=True)
class Row:
    """One step on the timeline."""

    position: int
    name: str
    agent: str | None
    status: str
    started_at: dt.datetime | None
    seconds: float | None
    """For how long it ran in all attempts, until now if it is running."""
    reads: tuple[str, ...]
    """Names of the steps whose outputs it reads."""
    missing: tuple[str, ...]
    """Names of those that have not completed."""
    waited: float | None
    """Seconds of attempts from the end of the steps that it reads to its start."""
    model_seconds: float
    tool_seconds: float
    bars: tuple[Bar, ...]
    calls: tuple[Bar, ...]
    usage: Usage
    output: str | None


@dataclass(frozen=True, kw_only=True)
class Timeline:
    """An execution over time."""

    periods: Sequence[Period]
    """Attempts and pauses."""
    bars: Sequence[Bar]
    """The same, as drawn."""
    axis: TimeAxis
    rows: Sequence[Row]
    """The steps in order, including those that have not started."""


def make_timeline(view: ExecutionView) -> Timeline:
    """Return what an execution did, and when."""
    maker = _Maker(view)
    bars = [
        Bar(stretch.period.kind, round(stretch.x, 2), round(stretch.width, 2), stretch.period.title)
        for stretch in maker.axis.stretches
    ]
    return Timeline(periods=maker.periods, bars=bars, axis=maker.axis, rows=_rows(view, maker))


def _rows(view: ExecutionView, maker: _Maker) -> list[Row]:
    if view.graph is None:
        return [maker.row(step.position, step.name, None, step, ()) for step in view.steps]
    steps = {step.node_id: step for step in view.steps}
    tasks = {task.id: task for task in view.graph.tasks}
    rows = []
    for position, task in enumerate(tasks.values()):
        reads = [(tasks[id].name, steps.get(id)) for id in task.context]
        planned = agent_of(view.graph, task)
        rows.append(maker.row(position, task.name, planned, steps.get(task.id), reads))
    return rows


class _Maker:
    """Makes the rows of one execution."""

    def __init__(self, view: ExecutionView) -> None:
        execution = view.execution
        self._end = clock.as_utc(execution.finished_at or execution.read_at) or clock.now()
        self._outputs = view.outputs
        self.periods = find_periods(view.marks, self._end)
        self.axis = TimeAxis(self.periods)
        self._segments = find_segments(view.marks, self._end)
        self._spans: dict[int | None, list[Span]] = {}
        for call in view.calls:
            self._spans.setdefault(call.step, []).append(self._span(call))

    def _span(self, call: CallSpan) -> Span:
        begin = clock.as_utc(call.started_at)
        end = clock.as_utc(call.finished_at) or self._end_of_attempt(begin)
        has_failed = call.status in (CallStatus.FAILED, CallStatus.UNKNOWN)
        took = duration(max(0.0, (end - begin).total_seconds()))
        failed = " (failed)" if has_failed else ""
        number = f"Call {call.number}, " if call.number else ""
        title = f"{number}{call.kind} {call.name}{failed}: {took}"
        return Span(call.kind, begin, max(begin, end), title, has_failed)

    def _end_of_attempt(self, moment: dt.datetime) -> dt.datetime:
        """Return when the attempt of *moment* ended: no call outlives it."""
        return next((each.end for each in self.periods if moment < each.end), self._end)

    def row(
        self,
        position: int,
        name: str,
        agent: str | None,
        step: StepMixin | None,
        reads: Sequence[tuple[str, StepMixin | None]],
    ) -> Row:
        begin = None if step is None else clock.as_utc(step.started_at)
        segments = self._segments.get(name, [])
        first = segments[0].begin if segments else begin
        ready, spans = self._ready(reads), self._spans.get(position, [])
        return Row(
            position=position,
            name=name,
            agent=(step.agent if step else None) or agent,
            status=step.status if step else StepStatus.PENDING,
            started_at=begin,
            seconds=_total(segments) if begin else None,
            reads=tuple(name for name, _ in reads),
            missing=tuple(name for name, other in reads if not _is_completed(other)),
            waited=running_seconds(self.periods, ready, first) if ready and first else None,
            model_seconds=_total(span for span in spans if span.kind == "model"),
            tool_seconds=_total(span for span in spans if span.kind == "tool"),
            bars=tuple(self._step_bars(step, ready, first, segments)),
            calls=tuple(self._call_bars(spans)),
            usage=step.usage if step else Usage(),
            output=self._outputs.get(step.position) if step else None,
        )

    def _ready(self, reads: Sequence[tuple[str, StepMixin | None]]) -> dt.datetime | None:
        """Return when the last of the steps that are read completed; None before that."""
        ends = [
            clock.as_utc(step.finished_at) or self._end
            for _, step in reads
            if step is not None and _is_completed(step)
        ]
        return max(ends) if ends and len(ends) == len(reads) else None

    def _step_bars(
        self,
        step: StepMixin | None,
        ready: dt.datetime | None,
        first: dt.datetime | None,
        segments: Sequence[Segment],
    ) -> Iterator[Bar]:
        if ready is not None and first is not None and ready < first:
            yield self._bar("wait", ready, first, "Ready, but not started")
        has_failed = step is not None and step.status == StepStatus.FAILED
        for number, (begin, end, is_broken) in enumerate(segments, start=1):
            took = duration((end - begin).total_seconds())
            if is_broken:
                what = "Failed" if has_failed and number == len(segments) else "Interrupted"
                yield self._bar("broken", begin, end, f"{what} after {took}")
            else:
                yield self._bar("run", begin, end, f"Ran for {took}")

    def _call_bars(self, spans: Sequence[Span]) -> Sequence[Bar]:
        """Return the bars of calls; those that would touch are one, and so are those of many."""
        bars = [*_without_gaps(map(self._call_bar, spans))]
        return bars if len(bars) <= _MAX_BARS else [*_folded(bars)]

    def _call_bar(self, span: Span) -> Bar:
        kind = "failed" if span.has_failed else span.kind
        return self._bar(kind, span.begin, span.end, span.title)

    def _bar(self, kind: str, begin: dt.datetime, end: dt.datetime, title: str) -> Bar:
        x = min(self.axis.position(begin), 100 - _MIN_WIDTH)
        width = max(self.axis.position(end) - x, _MIN_WIDTH)
        return Bar(kind, round(x, 2), round(min(width, 100 - x), 2), title)


def _without_gaps(bars: Iterable[Bar]) -> Iterator[Bar]:
    """Yield *bars*, those of one kind that would touch as one."""
    last: dict[str, Bar] = {}
    for bar in bars:
        before = last.get(bar.kind)
        touches = before and bar.x - (before.x + before.width) < _MERGED
        if before and not touches:
            yield before
        last[bar.kind] = _both(before, bar) if before and touches else bar
    yield from last.values()


def _folded(bars: Sequence[Bar]) -> Iterator[Bar]:
    """Yield *bars* with several neighbours of one kind as one."""
    size = -(-len(bars) // _MAX_BARS)
    for kind in dict.fromkeys(bar.kind for bar in bars):
        same = [bar for bar in bars if bar.kind == kind]
        for at in range(0, len(same), size):
            yield functools.reduce(_both, same[at : at + size])


def _both(bar: Bar, other: Bar) -> Bar:
    end, calls = max(bar.x + bar.width, other.x + other.width), bar.calls + other.calls
    title = f"{calls} calls, {bar.kind}"
    return bar._replace(width=round(end - bar.x, 2), calls=calls, title=title)


def _is_completed(step: StepMixin | None) -> bool:
    return step is not None and step.status in STEP_DONE


def _total(parts: Iterable[Span | Segment]) -> float:
    return sum((part.end - part.begin).total_seconds() for part in parts)
