"""Removal of the calls of executions that ended long ago."""

from __future__ import annotations

import datetime as dt
import functools
import math
import secrets
import time
import typing as t
import uuid
from collections.abc import Iterator
from collections.abc import Sequence

import sqlalchemy as sa

from .. import clock
from ..app_state import AppState
from ..config.call_log import resolve_duration
from ..statuses import has_status
from ..statuses import TERMINAL
from . import counters
from . import database_clock
from .call_retention import delete_calls
from .call_retention import end_remaining
from .counters import CounterDelta

_FIRST: t.Final = uuid.UUID(int=0)


class _Page(t.NamedTuple):
    last: uuid.UUID
    """The greatest id that was looked at."""
    ended: Sequence[t.Any]
    """Id, owner and end of each execution that has ended and has calls."""


def purge_calls(app_state: AppState, seconds: float = math.inf) -> int:
    """Delete the calls of executions that ended ``CREWEXEC_KEEP_CALLS_FOR`` ago; return how many.

    Also remove what is not kept of the calls of executions that have ended without their worker.

    :param seconds: start no other batch after this time; the next purge continues.
    :raises ConfigError: if the host's function returns no duration.
    """
    deadline = time.monotonic() + seconds
    end_remaining(app_state, deadline)
    with app_state.database.read_session() as session:
        now = database_clock.read(session)
    expires_after = _duration_of_users(app_state)
    purged = 0
    for page in _pages(app_state, now, deadline):
        expired = [
            row
            for row in page
            if clock.as_utc(row.finished_at) <= now - expires_after(row.owner_id)
        ]
        purged += _purge(app_state, expired) if expired else 0
    return purged


def _duration_of_users(app_state: AppState) -> t.Callable[[str], dt.timedelta]:
    """Return a function that asks the host's once for each user."""
    value = app_state.settings.keep_calls_for
    return functools.cache(lambda owner: resolve_duration("CREWEXEC_KEEP_CALLS_FOR", value, owner))


def _pages(app_state: AppState, now: dt.datetime, deadline: float) -> Iterator[Sequence[t.Any]]:
    """Yield executions that have ended and have calls."""
    keep_for = app_state.settings.keep_calls_for
    newest = _newest_id(now if callable(keep_for) else now - keep_for)
    start = _somewhere_before(app_state, newest) if callable(keep_for) else _FIRST
    for after, until in ((start, newest), (_FIRST, start)):
        while time.monotonic() < deadline and (page := _page(app_state, after, until)):
            yield page.ended
            after = page.last


def _somewhere_before(app_state: AppState, newest: uuid.UUID) -> uuid.UUID:
    """Return where to begin, where what is kept must be looked at, too.

    A purge that always began with the oldest executions might never reach the newer ones in time.
    """
    oldest = _ids_with_calls(app_state, _FIRST, newest).limit(1)
    with app_state.database.read_session() as session:
        first = session.scalar(oldest)
    if first is None:
        return _FIRST
    return uuid.UUID(int=first.int + secrets.randbelow(newest.int - first.int + 1))


def _ids_with_calls(app_state: AppState, after: uuid.UUID, until: uuid.UUID) -> sa.Select[t.Any]:
    call = app_state.models.call
    query = sa.select(call.execution_id).where(call.execution_id > after)
    return query.where(call.execution_id <= until).distinct().order_by(call.execution_id)


def _page(app_state: AppState, after: uuid.UUID, until: uuid.UUID) -> _Page | None:
    if after >= until:
        return None
    execution = app_state.models.execution
    ids = _ids_with_calls(app_state, after, until).limit(app_state.settings.purge_batch_size)
    looked_at = ids.subquery()
    ended = sa.and_(
        execution.id == looked_at.c.execution_id,
        has_status(execution, *TERMINAL),
        execution.finished_at.is_not(None),
    )
    columns = (looked_at.c.execution_id, execution.id, execution.owner_id, execution.finished_at)
    query = sa.select(*columns).outerjoin_from(looked_at, execution, ended)
    with app_state.database.read_session() as session:
        rows = session.execute(query.order_by(looked_at.c.execution_id)).all()
    if not rows:
        return None
    return _Page(rows[-1].execution_id, [row for row in rows if row.id is not None])


def _purge(app_state: AppState, expired: Sequence[t.Any]) -> int:
    """Delete the calls of those that nobody has retried in the meantime."""
    models, execution = app_state.models, app_state.models.execution
    unchanged = sa.and_(
        execution.id.in_([row.id for row in expired]),
        has_status(execution, *TERMINAL),
        execution.finished_at <= max(row.finished_at for row in expired),
    )
    query = sa.select(execution.id).where(unchanged).with_for_update(skip_locked=True)
    with app_state.database.write_transaction() as session:
        ids = session.scalars(query).all()
        purged = delete_calls(session, models, ids)
        counters.record(session, models, [CounterDelta(counters.PURGED_CALLS, times=purged)])
    return purged


def _newest_id(moment: dt.datetime) -> uuid.UUID:
    """Return an id that is not less than that of any execution that was created by *moment*."""
    milliseconds = int(moment.timestamp() * 1000)
    return uuid.UUID(int=(milliseconds << 80) | ((1 << 80) - 1))
