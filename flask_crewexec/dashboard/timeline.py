"""Timeline of an execution: when its steps ran, waited, and called models and tools."""

from __future__ import annotations

import datetime as dt
import typing as t
from collections.abc import Iterable
from collections.abc import Iterator
from collections.abc import Sequence
from dataclasses import dataclass

from .. import clock
from ..models import EventMixin
from ..models import StepMixin
from ..models import Usage
from ..statuses import STEP_DONE
from ..statuses import StepStatus
from .graph_layout import agent_of
from .queries import ExecutionView

_MIN_WIDTH: t.Final = 0.4
"""Percent of the line that the shortest bar takes, so that it is visible."""
_INTERRUPTIONS: t.Final = frozenset({"queued", "started", "worker_lost", "released", "retrying"})
"""Events after which no earlier call can be in progress."""


class Bar(t.NamedTuple):
    """A period of time, in percent of the whole."""

    kind: str
    """``wait``, ``run``, ``model`` or ``tool``."""
    x: float
    width: float


class Span(t.NamedTuple):
    """A call of a model or tool."""

    kind: str
    begin: dt.datetime
    end: dt.datetime
    step: str | None = None
    """Name of the step to which it belongs, if that is known."""

    def is_of(self, step: str) -> bool:
        """Return whether it may belong to the step of that name."""
        return self.step in (None, step)


@dataclass(frozen=True, kw_only=True)
class Row:
    """One step on the timeline."""

    position: int
    name: str
    agent: str | None
    status: str
    started_at: dt.datetime | None
    seconds: float | None
    """Duration, until now if the step is running."""
    reads: tuple[str, ...]
    """Names of the steps whose outputs it reads."""
    missing: tuple[str, ...]
    """Names of those that have not completed."""
    waited: float | None
    """Seconds from the end of the steps that it reads to its start."""
    model_seconds: float
    tool_seconds: float
    bars: tuple[Bar, ...]
    usage: Usage
    output: str | None


def make_rows(view: ExecutionView) -> list[Row]:
    """Return the steps of an execution in order, including those that have not started."""
    steps = {step.node_id: step for step in view.steps}
    timeline = _Timeline(view)
    if view.graph is None:
        return [timeline.row(step.position, step.name, None, step, ()) for step in view.steps]
    tasks = {task.id: task for task in view.graph.tasks}
    rows = []
    for position, task in enumerate(tasks.values()):
        reads = [(tasks[id].name, steps.get(id)) for id in task.context]
        planned = agent_of(view.graph, task)
        rows.append(timeline.row(position, task.name, planned, steps.get(task.id), reads))
    return rows


class _Timeline:
    """The time from the execution's start to its end, or to now."""

    def __init__(self, view: ExecutionView) -> None:
        execution = view.execution
        self._end = clock.as_utc(execution.finished_at or execution.read_at) or clock.now()
        self._begin = clock.as_utc(execution.started_at) or self._end
        self._spans = find_spans(view.events, self._end)
        self._outputs = view.outputs

    def row(
        self,
        position: int,
        name: str,
        agent: str | None,
        step: StepMixin | None,
        reads: Sequence[tuple[str, StepMixin | None]],
    ) -> Row:
        begin = None if step is None else clock.as_utc(step.started_at)
        end = self._end_of(step)
        ready = self._ready(reads)
        spans = [
            span for span in self._spans if begin and begin <= span.begin < end and span.is_of(name)
        ]
        return Row(
            position=position,
            name=name,
            agent=(step.agent if step else None) or agent,
            status=step.status if step else StepStatus.PENDING,
            started_at=begin,
            seconds=None if begin is None else (end - begin).total_seconds(),
            reads=tuple(name for name, _ in reads),
            missing=tuple(name for name, other in reads if not _is_completed(other)),
            waited=_seconds(ready, begin) if reads else None,
            model_seconds=_total(spans, "model"),
            tool_seconds=_total(spans, "tool"),
            bars=tuple(self._bars(ready, begin, end, spans)),
            usage=step.usage if step else Usage(),
            output=self._outputs.get(step.position) if step else None,
        )

    def _end_of(self, step: StepMixin | None) -> dt.datetime:
        return (clock.as_utc(step.finished_at) if step else None) or self._end

    def _ready(self, reads: Sequence[tuple[str, StepMixin | None]]) -> dt.datetime | None:
        """Return when the last of the steps that are read completed; None before that."""
        ends = [self._end_of(step) for _, step in reads if _is_completed(step)]
        return max(ends) if ends and len(ends) == len(reads) else None

    def _bars(
        self,
        ready: dt.datetime | None,
        begin: dt.datetime | None,
        end: dt.datetime,
        spans: Sequence[Span],
    ) -> Iterator[Bar]:
        if begin is None:
            return
        if ready is not None and ready < begin:
            yield self._bar("wait", ready, begin)
        yield self._bar("run", begin, end)
        for span in spans:
            yield self._bar(span.kind, span.begin, span.end)

    def _bar(self, kind: str, begin: dt.datetime, end: dt.datetime) -> Bar:
        whole = max((self._end - self._begin).total_seconds(), 0.001)
        x = 100 * max(0.0, (begin - self._begin).total_seconds()) / whole
        width = 100 * (end - begin).total_seconds() / whole
        x = min(x, 100 - _MIN_WIDTH)
        return Bar(kind, round(x, 2), round(min(max(width, _MIN_WIDTH), 100 - x), 2))


def find_spans(events: Iterable[EventMixin], end: dt.datetime) -> list[Span]:
    """Return the calls among *events*; a call that has not ended lasts until *end*."""
    spans: list[Span] = []
    open_calls: dict[tuple[str, str | None], dt.datetime] = {}
    for event in events:
        kind, _, what = event.type.replace("model_call_", "model_").partition("_")
        at, key = clock.as_utc(event.created_at), (kind, event.data.get("step"))
        if event.type in _INTERRUPTIONS:
            spans += _closed(open_calls, at)
        elif kind in ("model", "tool") and what == "started":
            open_calls[key] = at
        elif key in open_calls:
            spans.append(Span(kind, open_calls.pop(key), at, key[1]))
    return spans + _closed(open_calls, end)


def _closed(open_calls: dict[tuple[str, str | None], dt.datetime], at: dt.datetime) -> list[Span]:
    spans = [Span(kind, begin, max(begin, at), step) for (kind, step), begin in open_calls.items()]
    open_calls.clear()
    return spans


def _is_completed(step: StepMixin | None) -> bool:
    return step is not None and step.status in STEP_DONE


def _seconds(begin: dt.datetime | None, end: dt.datetime | None) -> float | None:
    return None if begin is None or end is None else max(0.0, (end - begin).total_seconds())


def _total(spans: Iterable[Span], kind: str) -> float:
    return sum((span.end - span.begin).total_seconds() for span in spans if span.kind == kind)
