"""Lists of executions, graphs and others as tables of text."""

from __future__ import annotations

import typing as t
from collections.abc import Iterator
from collections.abc import Mapping
from collections.abc import Sequence

from ..config.pricing import money
from ..models import GraphMixin
from ..services.worker_control import WorkerStatus
from ..storage.queue_pause import QueuePause
from ..storage.usage_report import DailyUsage
from ..storage.usage_report import usage_key
from .escaping import one_line
from .formatting import moment
from .formatting import span
from .tables import Column
from .tables import table_lines
from .tables import terminal_width

Json = dict[str, t.Any]

_ID: t.Final = Column("ID")
_STATUS: t.Final = Column("STATUS")
_GRAPH: t.Final = Column("GRAPH", may_be_cut=True)
_COST: t.Final = Column("COST", is_number=True)
_USER: t.Final = Column("USER", may_be_cut=True)
_EXECUTIONS: t.Final = (_ID, _STATUS, _GRAPH, _COST)
_MORE: t.Final = (
    Column("STEPS", is_number=True),
    Column("PRIORITY", is_number=True),
    Column("CREATED"),
    _USER,
)
_WIDE: t.Final = 130
"""Width of terminals that have room for all columns."""


def execution_lines(executions: Sequence[Json], currency: str) -> Iterator[str]:
    """Yield a table of executions; below each failed one, why."""
    is_wide = terminal_width() >= _WIDE
    rows = [[*_basics(one, currency), *(_more(one) if is_wide else ())] for one in executions]
    header, *lines = table_lines((*_EXECUTIONS, *(_MORE if is_wide else ())), rows)
    yield header
    for one, line in zip(executions, lines, strict=True):
        yield line
        if error := one["error"]:
            yield f"    {error['code']}: {one_line(error['message'])}"[: terminal_width()]


def _basics(one: Json, currency: str) -> list[str]:
    cost = one["usage"]["cost"]
    shown = money(cost, currency) if cost else ""
    return [one["id"], one["status"], one["graph_name"], shown]


def _more(one: Json) -> list[str]:
    steps = "{finished_steps}/{total_steps}".format_map(one["progress"])
    return [steps, str(one["priority"]), moment(one["created_at"]), one["user_id"]]


def outcome_lines(outcomes: Sequence[Json]) -> Iterator[str]:
    """Yield a table of what came of several executions; below each that was refused, why."""
    rows = [[one["id"], one["status"] or "-"] for one in outcomes]
    header, *lines = table_lines((_ID, _STATUS), rows)
    yield header
    for one, line in zip(outcomes, lines, strict=True):
        yield line
        if error := one["error"]:
            yield f"    {error['code']}: {one_line(error['detail'])}"


def graph_lines(graphs: Sequence[GraphMixin]) -> Iterator[str]:
    """Yield a table of graphs."""
    columns = (_ID, Column("NAME", may_be_cut=True), Column("VERSION", is_number=True), _USER)
    rows = [[graph.id, graph.name, graph.latest_version, graph.owner_id] for graph in graphs]
    return table_lines(columns, rows)


def usage_lines(rows: Sequence[DailyUsage], group_by: str, currency: str) -> Iterator[str]:
    """Yield a table of what was used on each day by users, for graphs or of models."""
    names = ("EXECUTIONS", "FAILED", "MODEL CALLS", "TOKENS", "COST")
    key = Column(group_by.upper(), may_be_cut=True)
    columns = (Column("DAY"), key, *(Column(name, is_number=True) for name in names))
    return table_lines(columns, [_usage_row(row, currency) for row in rows])


def _usage_row(row: DailyUsage, currency: str) -> list[str]:
    usage = row.usage
    numbers = (row.executions, row.failed, usage.llm_calls, usage.total_tokens)
    return [row.day, usage_key(row), *map("{:,}".format, numbers), money(usage.cost, currency)]


def queue_lines(depths: Mapping[str, Mapping[int, int]]) -> Iterator[str]:
    """Yield a table of how many executions wait by queue and priority."""
    priorities = sorted({priority for counts in depths.values() for priority in counts})
    names = (*map(str, priorities), "ALL")
    columns = (Column("QUEUE"), *(Column(name, is_number=True) for name in names))
    rows = [
        [name, *(counts.get(each, 0) for each in priorities), sum(counts.values())]
        for name, counts in depths.items()
    ]
    return table_lines(columns, rows)


def pause_lines(pause: QueuePause | None) -> Iterator[str]:
    """Yield that the queue is paused, and why, if it is."""
    if pause is not None:
        by = "" if pause.by is None else f" by {one_line(pause.by)}"
        since = moment(pause.since.isoformat())
        yield f"The queue is paused since {since}{by}: no execution starts."
        if pause.reason:
            yield f"Reason: {one_line(pause.reason)}"


def worker_lines(workers: Sequence[WorkerStatus]) -> Iterator[str]:
    """Yield a table of workers."""
    columns = (
        Column("WORKER", may_be_cut=True),
        Column("STATE"),
        Column("SEEN"),
        Column("POOL"),
        Column("BUSY", is_number=True),
        Column("SLOTS", is_number=True),
        Column("QUEUES", may_be_cut=True),
    )
    return table_lines(columns, [_worker_row(each) for each in workers])


def _worker_row(worker: WorkerStatus) -> list[str]:
    row = worker.row
    return [
        row.name,
        worker.state,
        f"{span(worker.silent)} ago",
        row.pool,
        "" if row.busy is None else str(row.busy),
        str(row.concurrency),
        ", ".join(row.queues),
    ]


def webhook_lines(webhooks: Sequence[Json]) -> Iterator[str]:
    """Yield a table of webhooks; the URL of each is for its owner alone."""
    names = ("STATE", "FAILURES", "HOST")
    columns = (_ID, *map(Column, names), _USER, Column("EVENTS", may_be_cut=True))
    return table_lines(columns, [_webhook_row(webhook) for webhook in webhooks])


def _webhook_row(webhook: Json) -> list[str]:
    return [
        webhook["id"],
        "on" if webhook["enabled"] else "off",
        str(webhook["failures"]),
        webhook["host"] or "(of executions)",
        webhook["user_id"],
        " ".join(webhook["events"]) if webhook["host"] else "",
    ]


def delivery_lines(deliveries: Sequence[Json]) -> Iterator[str]:
    """Yield a table of deliveries, with how the last try of each ended."""
    names = ("ID", "RECEIVER", "TYPE", "STATUS")
    columns = (
        *map(Column, names),
        Column("TRIES", is_number=True),
        Column("ANSWER", may_be_cut=True),
    )
    return table_lines(columns, [_delivery_row(delivery) for delivery in deliveries])


def _delivery_row(delivery: Json) -> list[str]:
    answer = delivery["answer"] or {}
    told = " ".join(str(answer[key]) for key in ("status", "code", "text") if key in answer)
    names = ("id", "receiver", "type", "status", "tries")
    return [*(str(delivery[name]) for name in names), told]
