"""The calls of executions, as they are read, and what changes of one before it ends."""

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
from .bounded_outputs import count_fitting
from .bounded_outputs import total_length

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
    max_chars: int | None,
) -> Sequence[CallMixin]:
    """Return calls with a number greater than *after*, in order.

    :param step: only those of the step at this position.
    :param max_chars: maximum length of their requests and answers together, beyond which there are
        fewer calls than *limit*, but at least one; None to load neither.
    """
    call = models.call
    query = sa.select(call).where(call.execution_id == execution_id, call.number > after)
    if step is not None:
        query = query.where(call.step == step)
    query = query.order_by(call.number).limit(limit)
    if max_chars is None:
        contents = (call.request, call.answer)
        query = query.options(*(defer(each, raiseload=True) for each in contents))
    else:
        query = query.limit(_count_fitting(session, models, query, max_chars))
    return session.scalars(query).all()


def _count_fitting(
    session: Session, models: Models, query: sa.Select[t.Any], max_chars: int
) -> int:
    length = total_length(models.call.request, models.call.answer)
    return count_fitting(session.scalars(query.with_only_columns(length)), max_chars)


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


class LastRequests(t.NamedTuple):
    """The end of a conversation."""

    requests: Sequence[t.Any]
    """What was new in each request, in order."""
    call_before: int | None
    """Number of the last call of the conversation whose request is not among them."""


def last_requests(
    session: Session, models: Models, call: CallMixin, max_chars: int
) -> LastRequests:
    """Return the request of *call*, and those before it in the same conversation.

    :param max_chars: maximum length of all, beyond which the earliest ones are left out.
    """
    model = models.call
    query = sa.select(model.number, total_length(model.request)).where(
        model.execution_id == call.execution_id,
        model.number <= call.number,
        model.step == call.step if call.step is not None else model.step.is_(None),
        model.path == call.path,
        model.generation == call.generation,
        model.kind == call.kind,
    )
    rows = session.execute(query.order_by(model.number.desc())).all()
    if not rows:  # it was removed after it was found
        return LastRequests([None], None)
    numbers, lengths = zip(*rows, strict=True)
    count = count_fitting(lengths, max_chars)
    wanted = query.with_only_columns(model.request).where(model.number >= numbers[count - 1])
    requests = session.scalars(wanted.order_by(model.number)).all()
    return LastRequests(requests, numbers[count] if count < len(numbers) else None)


def store_request(
    session: Session, models: Models, execution_id: uuid.UUID, number: int, request: object
) -> None:
    """Replace what is stored of the request of a call that has begun."""
    call = table_of(models.call)
    key = (call.c.execution_id == execution_id, call.c.number == number)
    session.execute(sa.update(call).where(*key).values(request=request))


class EarlierWork(t.NamedTuple):
    """What earlier attempts have stored of steps and calls."""

    outputs: dict[int, dict[str, t.Any]]
    """Outputs of the steps that were completed or skipped, by position."""
    last_number: int
    """Number of the last call."""
    size: int
    """Characters of the contents of all calls."""
    steps: Sequence[t.Any]
    """Position, generation and fingerprint of each step that is not done."""
    calls: Sequence[t.Any]
    """Calls of their generations, in order."""


def read_earlier_work(
    session: Session, models: Models, execution_id: uuid.UUID, columns: Sequence[str]
) -> EarlierWork:
    """Return what an attempt needs to continue, also in the middle of steps.

    :param columns: columns of the calls.
    """
    steps, calls = _earlier_work_queries(models, tuple(columns))
    given = {"of_execution": execution_id}
    rows = session.execute(steps, given).all()
    return EarlierWork(
        {row.position: row.output for row in rows if row.is_done and row.output},
        int(rows[0].last_number) if rows else 0,
        int(rows[0].size) if rows else 0,
        [row for row in rows if not row.is_done],
        session.execute(calls, given).all(),
    )


@functools.lru_cache(maxsize=8)
def _earlier_work_queries(
    models: Models, columns: tuple[str, ...]
) -> tuple[sa.Select[t.Any], sa.Select[t.Any]]:
    # Cached, and of tables: building them takes several times as long as running them.
    call, step = table_of(models.call).c, table_of(models.step).c
    id = sa.bindparam("of_execution", type_=sa.Uuid)
    is_done = step.status.in_(STEP_DONE)
    last_number, size = (
        sa.select(sa.func.coalesce(total, 0)).where(call.execution_id == id).scalar_subquery()
        for total in (sa.func.max(call.number), sa.func.sum(call.size))
    )
    steps = sa.select(
        step.position,
        step.generation,
        step.fingerprint,
        is_done.label("is_done"),
        sa.case((is_done, step.output)).label("output"),
        last_number.label("last_number"),
        size.label("size"),
    )
    this_step = sa.and_(step.execution_id == call.execution_id, step.position == call.step)
    calls = sa.select(*(call[name] for name in columns)).join(table_of(models.step), this_step)
    unfinished = (step.execution_id == id, sa.not_(is_done), call.generation == step.generation)
    return (
        steps.where(step.execution_id == id),
        calls.where(call.execution_id == id, *unfinished).order_by(call.number),
    )
