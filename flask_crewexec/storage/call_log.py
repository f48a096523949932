"""Reads the calls of executions."""

from __future__ import annotations

import datetime as dt
import functools
import typing as t
import uuid
from collections.abc import Sequence

import sqlalchemy as sa
from sqlalchemy.orm import defer
from sqlalchemy.orm import Session

from ..errors import NotFound
from ..models import CallMixin
from ..models import Models
from ..models import table_of
from ..statuses import STEP_DONE

_MAX_DIGITS: t.Final = 9
"""Databases cannot compare columns with any number."""


def read_calls(
    session: Session,
    models: Models,
    execution_id: uuid.UUID,
    *,
    step: int | None = None,
    after: int = 0,
    limit: int,
    content: bool = True,
) -> Sequence[CallMixin]:
    """Return calls with a number greater than *after*, in order.

    :param step: only those of the step at this position.
    :param content: whether requests and answers are loaded.
    """
    call = models.call
    query = sa.select(call).where(call.execution_id == execution_id, call.number > after)
    if step is not None:
        query = query.where(call.step == step)
    if not content:
        query = query.options(
            defer(call.request, raiseload=True), defer(call.answer, raiseload=True)
        )
    return session.scalars(query.order_by(call.number).limit(limit)).all()


class CallSpan(t.NamedTuple):
    """What a call was, and when it ran."""

    number: int | None
    """None if the call is not stored."""
    step: int | None
    kind: str
    name: str
    status: str
    started_at: dt.datetime
    finished_at: dt.datetime | None


def read_spans(
    session: Session, models: Models, execution_id: uuid.UUID, limit: int
) -> list[CallSpan]:
    """Return the newest calls, without their contents, in order."""
    call = models.call
    columns = (getattr(call, name) for name in CallSpan._fields)
    query = sa.select(*columns).where(call.execution_id == execution_id)
    newest = session.execute(query.order_by(call.number.desc()).limit(limit)).all()
    return [CallSpan(*row) for row in reversed(newest)]


def find_call(
    session: Session, models: Models, execution_id: uuid.UUID, number: int | str
) -> CallMixin:
    """Return a call with its contents.

    :raises NotFound: if there is none.
    """
    call = models.call
    digits = str(number)
    found = None
    if digits.isdecimal() and digits.isascii() and len(digits) <= _MAX_DIGITS:
        found = session.get(call, (execution_id, int(digits)))
    if found is None:
        raise NotFound(f"The execution has no call {digits[:20]!r}.")
    return found


def earlier_requests(session: Session, models: Models, call: CallMixin) -> Sequence[t.Any]:
    """Return what was new in the requests of the same conversation before *call*, in order."""
    model = models.call
    query = sa.select(model.request).where(
        model.execution_id == call.execution_id,
        model.number < call.number,
        model.step == call.step if call.step is not None else model.step.is_(None),
        model.path == call.path,
        model.generation == call.generation,
        model.kind == call.kind,
    )
    return session.scalars(query.order_by(model.number)).all()


class Unfinished(t.NamedTuple):
    """What earlier attempts have stored of the steps that have not completed."""

    last_number: int
    size: int
    """Characters of the contents of all calls."""
    steps: Sequence[t.Any]
    """Position, generation and fingerprint of each."""
    calls: Sequence[t.Any]
    """Calls of their generations, in order."""


def read_unfinished(
    session: Session, models: Models, execution_id: uuid.UUID, columns: Sequence[str]
) -> Unfinished:
    """Return what an attempt needs to continue in the middle of steps.

    :param columns: columns of the calls.
    """
    totals, steps, calls = _unfinished_queries(models, tuple(columns))
    given = {"of_execution": execution_id}
    last, size = session.execute(totals, given).one()
    return Unfinished(
        int(last),
        int(size),
        session.execute(steps, given).all(),
        session.execute(calls, given).all(),
    )


@functools.lru_cache(maxsize=8)
def _unfinished_queries(models: Models, columns: tuple[str, ...]) -> tuple[sa.Select[t.Any], ...]:
    # Cached, and of tables: building them takes several times as long as running them.
    call, step = table_of(models.call).c, table_of(models.step).c
    id = sa.bindparam("of_execution", type_=sa.Uuid)
    unfinished = (step.execution_id == id, step.status.not_in(STEP_DONE))
    this_step = sa.and_(step.execution_id == call.execution_id, step.position == call.step)
    return (
        sa.select(
            sa.func.coalesce(sa.func.max(call.number), 0),
            sa.func.coalesce(sa.func.sum(call.size), 0),
        ).where(call.execution_id == id),
        sa.select(step.position, step.generation, step.fingerprint).where(*unfinished),
        sa.select(*(call[name] for name in columns))
        .join(table_of(models.step), this_step)
        .where(call.execution_id == id, *unfinished, call.generation == step.generation)
        .order_by(call.number),
    )
