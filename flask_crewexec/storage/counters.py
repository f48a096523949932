"""Figures that only grow, kept in the database so that they survive every process.

What happens to an execution is entered here in the transaction that makes it so: it counts once,
whoever ran it and however often a worker was killed, and it counts on when the execution is tried
again or removed. Entering inserts rows and changes none, so no transaction waits for another. Now
and then :func:`fold` replaces many rows by their sums, in one transaction. Whoever adds all rows up
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

if t.TYPE_CHECKING:
    from .new_event import NewEvent

ENDED: t.Final = "executions_ended"
RETRIES: t.Final = "retries"
LOST_WORKERS: t.Final = "lost_workers"
MODEL_CALLS: t.Final = "model_calls"
TOKENS: t.Final = "tokens"
WAITING: t.Final = "waiting_seconds"
RUN: t.Final = "run_seconds"

HISTOGRAM_BUCKETS: t.Final = {
    WAITING: (0.1, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0, 60.0, 300.0, 900.0, 3600.0, 14400.0),
    RUN: (1.0, 2.0, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1800.0, 3600.0, 14400.0),
}
"""Upper bounds of the buckets of seconds; beyond the last one there is one more bucket."""

FOLD_FROM: t.Final = 500
"""How many rows there are before they are folded."""
FOLD_BATCH: t.Final = 5_000
"""How many rows one transaction folds."""

_STARTED: t.Final = "started"
_LEFT: t.Final = frozenset({*TERMINAL, "retrying", "released", "worker_lost"})
"""Events with which an attempt ends."""
_QUEUED: t.Final = frozenset({"queued", "released", "worker_lost"})
"""Events behind which an execution waits for a worker."""
_COUNTED: t.Final = frozenset({_STARTED, *_LEFT})


class CounterDelta(t.NamedTuple):
    """Something that happened some *times*."""

    name: str
    label: str = ""
    bound: float | None = None
    """Upper bound of the bucket, for what was measured."""
    times: int = 1
    total: float = 0.0
    """Sum of what was measured."""


def record_usage(session: Session, models: Models, usage: Usage) -> None:
    """Count model calls and tokens, together with the write that stores them."""
    _insert(session, models, deltas_of_usage(usage))


def deltas_of_usage(usage: Usage) -> list[CounterDelta]:
    """Return what counts model calls and tokens."""
    tallies = (
        CounterDelta(MODEL_CALLS, times=usage.llm_calls),
        CounterDelta(TOKENS, "prompt", times=usage.prompt_tokens),
        CounterDelta(TOKENS, "completion", times=usage.completion_tokens),
    )
    return [tally for tally in tallies if tally.times]


class LastTransition(t.NamedTuple):
    """An execution's last change of state."""

    type: str
    at: dt.datetime
    priority: int


def deltas_of_history(
    session: Session,
    models: Models,
    execution_id: uuid.UUID,
    first: int,
    entries: Sequence[NewEvent],
    past: LastTransition | None = None,
) -> list[CounterDelta]:
    """Return what counts what *entries*, numbered from *first*, say about an execution's course.

    :param past: what came before them, if it is known.
    """
    if _COUNTED.isdisjoint(entry.type for entry in entries):
        return []
    return deltas_of_events(entries, past or _past(session, models, execution_id, first))


def deltas_of_events(
    entries: Iterable[NewEvent], past: LastTransition | None
) -> list[CounterDelta]:
    """Return what counts the changes of state among *entries*, of which *past* came before."""
    tallies: list[CounterDelta] = []
    for entry in entries:
        if entry.type in _COUNTED:
            tallies += _tallies(entry, past)
        if past is not None and entry.type in _COUNTED | _QUEUED:
            past = past._replace(type=entry.type, at=entry.at)
    return tallies


def _past(
    session: Session, models: Models, execution_id: uuid.UUID, first: int
) -> LastTransition | None:
    """Return the last change of state before the event with the number *first*."""
    before = {"execution_id": execution_id, "first": first}
    found = session.execute(_last_change(models), before).one_or_none()
    if found is None:
        return None
    return LastTransition(found.type, clock.as_utc(found.created_at), found.priority)


@functools.lru_cache(maxsize=8)
def _last_change(models: Models) -> sa.Select[t.Any]:
    # Kept, of tables and without IN: making it anew takes several times as long as running it.
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


def _tallies(entry: NewEvent, past: LastTransition | None) -> Iterator[CounterDelta]:
    if past is not None:
        # Clocks of machines differ.
        seconds = max(0.0, (entry.at - past.at).total_seconds())
        if entry.type == _STARTED and past.type in _QUEUED:
            yield _measured(WAITING, str(past.priority), seconds)
        if entry.type in _LEFT and past.type == _STARTED:
            yield _measured(RUN, entry.type, seconds)
    if entry.type == "retrying":
        yield CounterDelta(RETRIES)
    if entry.type == "worker_lost":
        yield CounterDelta(LOST_WORKERS)
    ended = entry.data.get("then") if entry.type == "worker_lost" else entry.type
    if ended in TERMINAL:
        yield CounterDelta(ENDED, ended)


def _measured(name: str, label: str, seconds: float) -> CounterDelta:
    # A multiple of a power of two: sums of these are exact, so they never fall by adding up in
    # another order.
    seconds = round(seconds * 1024) / 1024
    bounds = HISTOGRAM_BUCKETS[name]
    place = bisect.bisect_left(bounds, seconds)
    return CounterDelta(name, label, bounds[place] if place < len(bounds) else None, 1, seconds)


def _insert(session: Session, models: Models, tallies: Sequence[CounterDelta]) -> None:
    if tallies:
        session.execute(sa.insert(table_of(models.counter)), rows(tallies))


def rows(tallies: Iterable[CounterDelta]) -> list[dict[str, t.Any]]:
    """Return the rows that keep *tallies*."""
    return [{"id": uuid7(), **tally._asdict()} for tally in tallies]


def read_totals(session: Session, models: Models) -> list[CounterDelta]:
    """Return the sums of everything that was counted."""
    tally = models.counter
    kind = (tally.name, tally.label, tally.bound)
    sums = (sa.func.sum(tally.times).label("times"), sa.func.sum(tally.total).label("total"))
    # One statement: between two, rows could be folded.
    rows = session.execute(sa.select(*kind, *sums).group_by(*kind))
    return [CounterDelta(r.name, r.label, r.bound, int(r.times), r.total) for r in rows]


def compact(app_state: AppState) -> int:
    """Replace rows by their sums, if there are many; return how many rows were folded.

    Any number of processes may do so at once.
    """
    folded = 0
    while _are_many(app_state):
        with app_state.database.write_transaction() as session:
            rows = _pop_batch(session, app_state.models)
            _insert(session, app_state.models, _totals(rows))
        folded += len(rows)
        if len(rows) < FOLD_BATCH:
            break
    return folded


def _are_many(app_state: AppState) -> bool:
    some = sa.select(app_state.models.counter.id).limit(FOLD_FROM).subquery()
    with app_state.database.read_session() as session:
        return session.scalar(sa.select(sa.func.count()).select_from(some)) == FOLD_FROM


def _pop_batch(session: Session, models: Models) -> list[CounterDelta]:
    """Remove rows and return them: exactly those that nobody else has removed."""
    tally = models.counter
    oldest = sa.select(tally.id).order_by(tally.id).limit(FOLD_BATCH)
    statement = (
        sa.delete(tally)
        .where(tally.id.in_(oldest.with_for_update(skip_locked=True)))
        .returning(tally.name, tally.label, tally.bound, tally.times, tally.total)
    )
    rows = session.execute(statement, execution_options={"synchronize_session": False})
    return [CounterDelta._make(row) for row in rows]


def _totals(tallies: Iterable[CounterDelta]) -> list[CounterDelta]:
    sums: dict[tuple[object, ...], CounterDelta] = {}
    for tally in tallies:
        before = sums.get(tally[:3], tally._replace(times=0, total=0.0))
        times, total = before.times + tally.times, before.total + tally.total
        sums[tally[:3]] = tally._replace(times=times, total=total)
    return list(sums.values())
