"""What is kept of the calls of executions that have ended, and for how long."""

from __future__ import annotations

import datetime as dt
import logging
import time
import typing as t
import uuid
from collections.abc import Sequence

import sqlalchemy as sa
from sqlalchemy.orm import Session

from ..app_state import AppState
from ..config.call_log import Kept
from ..config.call_log import resolve_kept
from ..models import Models
from ..models import table_of
from ..registry.specs import RedactorFunction
from ..statuses import has_status
from ..statuses import TERMINAL
from . import database_clock

_BULK: t.Final = {"synchronize_session": False}
_ROWS: t.Final = 100
"""How many calls are in memory at once."""
_REFUSED: t.Final = "[withheld]"

log = logging.getLogger(__name__)


def redact_value(redactor: RedactorFunction, value: t.Any, goes: str) -> t.Any:
    """Return a value of JSON whose texts the host's *redactor* has seen.

    A text is withheld if the redactor fails.
    """
    if isinstance(value, str):
        try:
            return str(redactor(value, goes))
        except Exception:
            log.exception("The redactor has failed; a text of a call is withheld.")
            return _REFUSED
    if isinstance(value, dict):
        return {key: redact_value(redactor, each, goes) for key, each in value.items()}
    if isinstance(value, list):
        return [redact_value(redactor, each, goes) for each in value]
    return value


class CallPolicy(t.NamedTuple):
    """What becomes of the calls of an execution at its end."""

    kept: Kept
    redactor: RedactorFunction | None

    @classmethod
    def of(cls, app_state: AppState, owner_id: str) -> t.Self:
        """Return the policy for a user.

        Call it without an open session, because the host's function may be slow.

        :raises ConfigError: if the host's function returns none of the choices.
        """
        kept = resolve_kept("CREWEXEC_CALL_LOG", app_state.settings.call_log, owner_id)
        return cls(kept, app_state.registry.redactor)

    @property
    def changes_nothing(self) -> bool:
        """Whether everything is kept as it is."""
        return self.kept == "content" and self.redactor is None

    def apply(self, session: Session, models: Models, execution_id: uuid.UUID) -> None:
        """Remove what is not kept of the calls of an ended execution."""
        if self.kept == "off":
            delete_calls(session, models, [execution_id])
        elif self.kept == "shape":
            _remove_contents(session, models, execution_id)
        elif self.redactor is not None:
            _redact(session, models, execution_id, self.redactor)


def delete_calls(session: Session, models: Models, ids: Sequence[uuid.UUID]) -> int:
    """Delete all calls of these executions; return how many."""
    call = models.call
    statement = sa.delete(call).where(call.execution_id.in_(ids))
    result = session.execute(statement, execution_options=_BULK)
    return t.cast("sa.CursorResult[t.Any]", result).rowcount


def _remove_contents(session: Session, models: Models, execution_id: uuid.UUID) -> None:
    call = models.call
    values = {"request": sa.null(), "answer": sa.null(), "size": 0, "cut": True}
    statement = sa.update(call).where(call.execution_id == execution_id)
    session.execute(statement.values(values), execution_options=_BULK)


def _redact(
    session: Session, models: Models, execution_id: uuid.UUID, redactor: RedactorFunction
) -> None:
    call = table_of(models.call)
    last = 0
    while rows := session.execute(_next_rows(call, execution_id, last)).all():
        for row in rows:
            new = {
                name: redact_value(redactor, getattr(row, name), "stored")
                for name in ("request", "answer")
            }
            key = (call.c.execution_id == execution_id, call.c.number == row.number)
            session.execute(sa.update(call).where(*key).values(**new, altered=True))
        last = rows[-1].number


def _next_rows(call: sa.Table, execution_id: uuid.UUID, last: int) -> sa.Select[t.Any]:
    query = sa.select(call.c.number, call.c.request, call.c.answer)
    query = query.where(call.c.execution_id == execution_id, call.c.number > last)
    return query.order_by(call.c.number).limit(_ROWS)


def end_remaining(app_state: AppState, deadline: float) -> None:
    """Apply the policy where an execution was ended by others than its worker."""
    settings = app_state.settings
    if settings.call_log == "content" and app_state.registry.redactor is None:
        return
    models = app_state.models
    call, execution = models.call, models.execution
    untouched = sa.exists().where(
        call.execution_id == execution.id, ~call.altered, ~call.cut, call.size > 0
    )
    recent = database_clock.seconds_from_now(-_REMAINING.total_seconds())
    query = sa.select(execution.id, execution.owner_id).where(
        has_status(execution, *TERMINAL), execution.finished_at > recent, untouched
    )
    with app_state.database.read_session() as session:
        found = session.execute(query.limit(settings.purge_batch_size)).all()
    for id, owner_id in found:
        policy = CallPolicy.of(app_state, owner_id)
        if policy.changes_nothing or time.monotonic() > deadline:
            continue
        with app_state.database.write_transaction() as session:
            ended = sa.select(execution.id).where(
                execution.id == id, has_status(execution, *TERMINAL)
            )
            if session.scalar(ended.with_for_update()) is not None:
                policy.apply(session, models, id)


_REMAINING: t.Final = dt.timedelta(days=1)
"""How far back executions are looked for that were ended by others than their worker."""
