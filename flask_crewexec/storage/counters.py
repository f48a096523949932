"""Monotonic counters and histograms, stored in the database so that they outlive processes.

A change of an execution is counted in the transaction that makes it, so it counts exactly once,
however often workers are killed, and keeps counting after a retry or after the execution was
purged. Counting only inserts rows, so transactions never wait for each other. From time to time
:func:`compact` replaces many rows by their sums, in one transaction. A reader that adds up all rows
with one statement sees either the rows or their sums.
"""

from __future__ import annotations

import bisect
import datetime as dt
import functools
import typing as t
import uuid
from collections.abc import Iterable
from collections.abc import Iterator
from collections.abc import Sequence

import sqlalchemy as sa
from sqlalchemy.orm import Session
from uuid_utils.compat import uuid7

from .. import clock
from ..app_state import AppState
from ..models import Models
from ..models import table_of
from ..models import Usage
from ..statuses import TERMINAL
from .new_event import DatedEvent

ENDED: t.Final = "executions_ended"
RETRIES: t.Final = "retries"
LOST_WORKERS: t.Final = "lost_workers"
MODEL_CALLS: t.Final = "model_calls"
TOKENS: t.Final = "tokens"
PURGED_CALLS: t.Final = "purged_calls"
NOTIFICATIONS: t.Final = "notifications"
WAITING: t.Final = "waiting_seconds"
RUN: t.Final = "run_seconds"
INPUT: t.Final = "input_seconds"

HISTOGRAM_BUCKETS: t.Final = {
    WAITING: (0.1, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0, 60.0, 300.0, 900.0, 3600.0, 14400.0),
    RUN: (1.0, 2.0, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1800.0, 3600.0, 14400.0),
    INPUT: (60.0, 300.0, 900.0, 3600.0, 14400.0, 43200.0, 86400.0, 259200.0, 604800.0, 2592000.0),
}
"""Upper bounds of the buckets, in seconds. One more bucket has no upper bound."""

COMPACT_FROM: t.Final = 500
"""Number of rows from which they are compacted."""
COMPACT_BATCH: t.Final = 5_000
"""How many rows one transaction compacts."""

_STARTED: t.Final = "started"
_ATTEMPT_ENDED: t.Final = frozenset(
    {*TERMINAL, "retrying", "waiting_input", "released", "worker_lost"}
)
"""Events with which an attempt ends."""
_QUEUED: t.Final = frozenset({"queued", "released", "worker_lost"})
"""Events after which an execution waits for a worker."""
_INPUT_ENDED: t.Final = {"input_answered": "answered", "input_expired": "expired"}
"""Outcomes of input requests, by the events with which they end."""
_COUNTED: t.Final = frozenset({_STARTED, *_ATTEMPT_ENDED})


class CounterDelta(t.NamedTuple):
    """An increment of a counter, or measurements of a histogram."""

    name: str
    label: str = ""
    bound: float | None = None
    """Upper bound of the bucket of a histogram."""
    times: int = 1
    total: float = 0.0
    """Sum of the measurements."""


class LastTransition(t.NamedTuple):
    """The last change of an execution's status."""

    type: str
    at: dt.datetime
    """By the database's clock."""
    priority: int


def record_usage(session: Session, models: Models, usage: Usage) -> None:
    """Count model calls and tokens, in the transaction that stores them."""
    record(session, models, deltas_of_usage(usage))


def deltas_of_usage(usage: Usage) -> list[CounterDelta]:
    """Return the increments for model calls and tokens."""
    deltas = (
        CounterDelta(MODEL_CALLS, times=usage.llm_calls),
        CounterDelta(TOKENS, "prompt", times=usage.prompt_tokens),
        CounterDelta(TOKENS, "completion", times=usage.completion_tokens),
    )
    return [delta for delta in deltas if delta.times]


def deltas_of_history(
    session: Session,
    models: Models,
    execution_id: uuid.UUID,
    first: int,
    events: Sequence[DatedEvent],
) -> list[CounterDelta]:
    """Return the increments for *events*; the last transition before them is read if needed.

    :param first: number of the first of the events.
    """
    if _COUNTED.isdisjoint(event.type for event in events):
        return deltas_of_events(events, None)
    return deltas_of_events(events, _read_last_transition(session, models, execution_id, first))


def deltas_of_events(
    events: Iterable[DatedEvent], last_transition: LastTransition | None
) -> list[CounterDelta]:
    """Return the increments for *events*, which follow *last_transition*."""
    deltas: list[CounterDelta] = []
    for event in events:
        if event.type in _COUNTED:
            deltas += _deltas_of_event(event, last_transition)
        if event.type in _INPUT_ENDED:
            deltas.append(_measurement(INPUT, _INPUT_ENDED[event.type], event.data["seconds"]))
        if last_transition is not None and event.type in _COUNTED | _QUEUED:
            last_transition = last_transition._replace(type=event.type, at=event.time)
    return deltas


def _read_last_transition(
    session: Session, models: Models, execution_id: uuid.UUID, first: int
) -> LastTransition | None:
    """Return the last change of status before the event with the number *first*."""
    parameters = {"execution_id": execution_id, "first": first}
    row = session.execute(_last_transition_query(models), parameters).one_or_none()
    if row is None:
        return None
    return LastTransition(row.type, clock.as_utc(row.created_at), row.priority)


@functools.lru_cache(maxsize=8)
def _last_transition_query(models: Models) -> sa.Select[t.Any]:
    # Cached, of tables and without IN: building it takes several times as long as running it.
    execution, event = table_of(models.execution), table_of(models.event)
    return (
        sa.select(event.c.type, event.c.created_at, execution.c.priority)
        .join(execution, execution.c.id == event.c.execution_id)
        .where(event.c.execution_id == sa.bindparam("execution_id"))
        .where(event.c.seq < sa.bindparam("first"))
        .where(sa.or_(*(event.c.type == type for type in sorted(_COUNTED | _QUEUED))))
        .order_by(event.c.seq.desc())
        .limit(1)
    )


def _deltas_of_event(
    event: DatedEvent, last_transition: LastTransition | None
) -> Iterator[CounterDelta]:
    if last_transition is not None:
        yield from _durations(event, last_transition)
    if event.type == "retrying":
        yield CounterDelta(RETRIES)
    if event.type == "worker_lost":
        yield CounterDelta(LOST_WORKERS)
    ended = event.data.get("then") if event.type == "worker_lost" else event.type
    if ended in TERMINAL:
        yield CounterDelta(ENDED, ended)


def _durations(event: DatedEvent, last_transition: LastTransition) -> Iterator[CounterDelta]:
    # The database's clock may have been set back.
    seconds = max(0.0, (event.time - last_transition.at).total_seconds())
    if event.type == _STARTED and last_transition.type in _QUEUED:
        yield _measurement(WAITING, str(last_transition.priority), seconds)
    if event.type in _ATTEMPT_ENDED and last_transition.type == _STARTED:
        yield _measurement(RUN, event.type, seconds)


def _measurement(name: str, label: str, seconds: float) -> CounterDelta:
    # Multiples of a power of two have exact sums, so adding them up in another order never makes
    # a total fall.
    seconds = round(seconds * 1024) / 1024
    bounds = HISTOGRAM_BUCKETS[name]
    index = bisect.bisect_left(bounds, seconds)
    return CounterDelta(name, label, bounds[index] if index < len(bounds) else None, 1, seconds)


def record(session: Session, models: Models, deltas: Sequence[CounterDelta]) -> None:
    """Count in the transaction that makes the change."""
    if deltas:
        session.execute(sa.insert(table_of(models.counter)), as_rows(deltas))


def as_rows(deltas: Iterable[CounterDelta]) -> list[dict[str, t.Any]]:
    """Return the rows that store *deltas*."""
    return [{"id": uuid7(), **delta._asdict()} for delta in deltas]


def read_totals(app_state: AppState) -> list[CounterDelta]:
    """Return the totals of all counters and histograms."""
    counter = app_state.models.counter
    key = (counter.name, counter.label, counter.bound)
    sums = (sa.func.sum(counter.times).label("times"), sa.func.sum(counter.total).label("total"))
    # One statement, because rows could be compacted between two.
    query = sa.select(*key, *sums).group_by(*key)
    with app_state.database.read_session() as session:
        return [
            CounterDelta(row.name, row.label, row.bound, int(row.times), row.total)
            for row in session.execute(query)
        ]


def compact(app_state: AppState) -> int:
    """Replace rows by their sums, if there are many; return how many rows were replaced.

    Any number of processes may do so at the same time.
    """
    compacted = 0
    while _are_many(app_state):
        with app_state.database.write_transaction() as session:
            deltas = _pop_batch(session, app_state.models)
            record(session, app_state.models, _totals(deltas))
        compacted += len(deltas)
        if len(deltas) < COMPACT_BATCH:
            break
    return compacted


def _are_many(app_state: AppState) -> bool:
    some = sa.select(app_state.models.counter.id).limit(COMPACT_FROM).subquery()
    with app_state.database.read_session() as session:
        return session.scalar(sa.select(sa.func.count()).select_from(some)) == COMPACT_FROM


def _pop_batch(session: Session, models: Models) -> list[CounterDelta]:
    """Delete rows and return those that no other process has deleted."""
    counter = models.counter
    oldest = sa.select(counter.id).order_by(counter.id).limit(COMPACT_BATCH)
    statement = (
        sa.delete(counter)
        .where(counter.id.in_(oldest.with_for_update(skip_locked=True)))
        .returning(counter.name, counter.label, counter.bound, counter.times, counter.total)
    )
    rows = session.execute(statement, execution_options={"synchronize_session": False})
    return [CounterDelta._make(row) for row in rows]


def _totals(deltas: Iterable[CounterDelta]) -> list[CounterDelta]:
    sums: dict[tuple[object, ...], CounterDelta] = {}
    for delta in deltas:
        before = sums.get(delta[:3], delta._replace(times=0, total=0.0))
        times, total = before.times + delta.times, before.total + delta.total
        sums[delta[:3]] = delta._replace(times=times, total=total)
    return list(sums.values())
