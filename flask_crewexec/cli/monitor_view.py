"""Render the monitor's page: queues, workers, running and recently ended executions.

Names come from users and models, so every cell is an escaped ``Text``: rich would interpret markup
in a plain string.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import typing as t
from collections.abc import Mapping

from rich.console import Group
from rich.console import RenderableType
from rich.progress_bar import ProgressBar
from rich.table import Column
from rich.table import Table
from rich.text import Text

from .. import clock
from ..models import ExecutionMixin
from ..services.readiness import Check
from ..statuses import ExecutionStatus
from ..statuses import PRIORITIES
from ..storage.workers import SeenWorker
from .escaping import one_line
from .formatting import span
from .monitor_snapshot import MAX_ROWS
from .monitor_snapshot import QueueSnapshot
from .polling import SourceError

Depths = Mapping[str, Mapping[int, int]]
Checks = Mapping[str, Check]

_FIXED_LINES: t.Final = 16
"""Lines of the page without the rows of its last three tables."""
_COLOURS: t.Final = {
    ExecutionStatus.COMPLETED: "green",
    ExecutionStatus.FAILED: "red",
    ExecutionStatus.TIMED_OUT: "red",
    ExecutionStatus.CANCELLED: "yellow",
}


@dataclasses.dataclass(frozen=True, kw_only=True)
class MonitorFrame:
    """The data of one update."""

    at: dt.datetime
    stale_after: float
    """Seconds after which a worker without a heartbeat counts as lost."""
    depths: Depths | SourceError
    snapshot: QueueSnapshot | SourceError
    checks: Checks | SourceError
    """Results of the checks that readiness consists of."""

    @property
    def complete(self) -> bool:
        """Whether database and broker have answered and accept writes."""
        parts = (self.depths, self.snapshot, self.checks)
        answered = not any(isinstance(each, SourceError) for each in parts)
        return answered and not any(map(self.problems, ("broker", "database")))

    def problems(self, name: str) -> list[str]:
        """Return what a check, such as that of the broker, has found, if anything."""
        if isinstance(self.checks, SourceError) or self.checks[name].passed:
            return []
        return [f"{self.checks[name].detail} {self.checks[name].remedy}"]


def page(frame: MonitorFrame, height: int | None = None) -> RenderableType:
    """Return the page; with a *height* in lines, as many rows as fit."""
    parts: list[RenderableType] = [_heading(frame), Text()]
    parts += map(_error, frame.problems("queue"))
    if isinstance(frame.depths, SourceError):
        parts.append(_error(frame.depths))
    else:
        parts += map(_error, frame.problems("broker"))
        parts.append(_queues({**frame.depths, **_on_hold(frame)}))
    if isinstance(frame.snapshot, SourceError):
        parts += [Text(), _error(frame.snapshot)]
    else:
        for problem in frame.problems("database"):
            parts += [Text(), _error(problem)]
        for table in _tables(frame.snapshot, frame, _without_problems(height, frame)):
            parts += [Text(), table]
    return Group(*parts)


def _without_problems(height: int | None, frame: MonitorFrame) -> int | None:
    """Return the lines that are left, if each problem needs two and an empty one."""
    found = sum(len(frame.problems(name)) for name in ("broker", "database", "queue"))
    return None if height is None else height - 3 * found


def _on_hold(frame: MonitorFrame) -> Depths:
    return {} if isinstance(frame.snapshot, SourceError) else {"on_hold": frame.snapshot.on_hold}


def _tables(
    snapshot: QueueSnapshot, frame: MonitorFrame, height: int | None
) -> list[RenderableType]:
    workers, running, ended = _shares(snapshot, height)
    count = snapshot.counts.get(ExecutionStatus.RUNNING, 0)
    return [
        _workers(snapshot.workers[:workers], frame),
        _running(snapshot.running[:running], count),
        _ended(snapshot.ended[:ended]),
    ]


def _shares(snapshot: QueueSnapshot, height: int | None) -> tuple[int, int, int]:
    """Return the number of rows of each table; rows that one does not need go to the next."""
    left = MAX_ROWS * 3 if height is None else max(3, height - _FIXED_LINES)
    workers = min(len(snapshot.workers), left // 3)
    running = min(len(snapshot.running), (left - workers) // 2)
    return workers, running, left - workers - running


def _heading(frame: MonitorFrame) -> Text:
    parts = [f"{frame.at:%Y-%m-%d %H:%M:%S}Z"]
    if not isinstance(frame.snapshot, SourceError):
        parts += [f"{number} {state}" for state, number in sorted(frame.snapshot.counts.items())]
        if inputs := frame.snapshot.inputs.open:
            oldest = span(frame.snapshot.inputs.oldest)
            parts.append(f"input requests: {inputs} open, oldest {oldest}")
    return Text("   ".join(parts), "bold", overflow="ellipsis", no_wrap=True)


def _error(error: str) -> Text:
    return Text(one_line(error), "bold red")


def _queues(depths: Depths) -> Table:
    numbers = [_right(str(priority)) for priority in PRIORITIES]
    table = _table("Waiting messages by priority", "queue", _right("all"), *numbers)
    for queue, by_priority in depths.items():
        waiting = [by_priority[priority] for priority in PRIORITIES]
        table.add_row(_text(queue), *map(_number, [sum(waiting), *waiting]))
    return table


def _workers(workers: t.Sequence[SeenWorker], frame: MonitorFrame) -> Table:
    columns = ("pool", _right("size"), _elastic("queues"), _right("heartbeat"))
    table = _table("Workers", _elastic("name"), *columns)
    for worker, silent in workers:
        table.add_row(
            _text(worker.name),
            _text(worker.pool),
            _number(worker.concurrency),
            _text(", ".join(worker.queues)),
            _text(f"{span(silent)} ago", "bold red" if silent > frame.stale_after else "green"),
        )
    return table


def _running(executions: t.Sequence[ExecutionMixin], total: int) -> Table:
    columns = (Column("progress", width=10), _right("steps"), _right("for"), _elastic("step"))
    table = _table(f"Running ({total})", "id", _elastic("user"), *columns)
    for execution in executions:
        progress = execution.progress
        cancelling = execution.cancellation is not None
        step = "cancelling" if cancelling else progress.current_step or ""
        table.add_row(
            _text(str(execution.id)),
            _text(execution.owner_id),
            ProgressBar(total=1.0, completed=progress.fraction),
            _text(f"{progress.finished_steps}/{progress.total_steps}"),
            _text(span(progress.elapsed_seconds or 0.0)),
            _text(step, "yellow" if cancelling else ""),
        )
    return table


def _ended(executions: t.Sequence[ExecutionMixin]) -> Table:
    columns = ("status", _right("ended"), _right("tokens"), _elastic("error"))
    table = _table("Recently ended", "id", _elastic("user"), *columns)
    for execution in executions:
        error = execution.error or {}
        table.add_row(
            _text(str(execution.id)),
            _text(execution.owner_id),
            _text(execution.status, _COLOURS.get(ExecutionStatus(execution.status), "")),
            _text(f"{span(_seconds_since_end(execution))} ago"),
            _number(execution.usage.total_tokens),
            _text(error.get("code", "")),
        )
    return table


def _table(title: str, *columns: str | Column) -> Table:
    return Table(
        *[_rigid(column) if isinstance(column, str) else column for column in columns],
        title=title,
        title_justify="left",
        title_style="bold",
        header_style="dim",
        box=None,
        pad_edge=False,
        padding=(0, 2, 0, 0),
    )


def _rigid(heading: str) -> Column:
    return Column(heading, no_wrap=True)


def _right(heading: str) -> Column:
    return Column(heading, no_wrap=True, justify="right")


def _elastic(heading: str) -> Column:
    """Return a column that shrinks in a narrow terminal."""
    return Column(heading, max_width=40)


def _text(text: str, style: str = "") -> Text:
    return Text(one_line(text), style, no_wrap=True, overflow="ellipsis")


def _number(number: int) -> Text:
    return _text(str(number), "" if number else "dim")


def _seconds_since_end(execution: ExecutionMixin) -> float:
    finished_at, read_at = clock.as_utc(execution.finished_at), clock.as_utc(execution.read_at)
    if finished_at is None or read_at is None:
        return 0.0
    return max(0.0, (read_at - finished_at).total_seconds())
