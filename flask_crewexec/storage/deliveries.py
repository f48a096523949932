"""Deliveries of the outbox: which is due, and how each went.

::

    waiting ──claim──▶ waiting, due again after the lease ──settle──▶ delivered, failed
       ▲                                                      │
       └───────────────────── put_off ────────────────────────┘

A claim counts the tries, and who stores how a try went names its number. So a process that was
frozen or replaced changes nothing any more.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import typing as t
import uuid

import sqlalchemy as sa
from sqlalchemy.orm import aliased
from sqlalchemy.orm import Session

from .. import clock
from ..app_state import AppState
from ..models import DeliveryMixin
from ..models import Models
from . import counters
from . import database_clock
from .counters import CounterDelta
from .outbox import WAITING
from .transitions import update_one

Answer = dict[str, t.Any]


class DeliveryKey(t.NamedTuple):
    """Which event is told to whom."""

    execution_id: uuid.UUID
    receiver: str
    seq: int


@dataclasses.dataclass(frozen=True)
class Claim:
    """A delivery that this process is to try now, with what is told."""

    key: DeliveryKey
    type: str
    tries: int
    """Which try this is, from 1."""
    event: str
    """Type of the event in the history."""
    data: dict[str, t.Any]
    time: dt.datetime
    """When the event happened."""
    owner_id: str
    thread_id: str | None
    graph_id: uuid.UUID
    webhook_url: str | None
    """URL that came with the execution."""


def claim(app_state: AppState, seconds: float) -> Claim | None:
    """Claim the delivery that has been due longest, for *seconds*.

    A receiver's deliveries of one execution are claimed in order: none while an earlier one waits.
    """
    models = app_state.models
    with app_state.database.write_transaction() as session:
        delivery = models.delivery
        first = session.execute(_due(delivery).with_for_update(skip_locked=True)).one_or_none()
        if first is None:
            return None
        key = DeliveryKey._make(first[:3])
        values = {"tries": first.tries + 1, "due_at": database_clock.seconds_from_now(seconds)}
        if not update_one(session, _unchanged(delivery, key, first.tries).values(values)):
            return None
        return _read_claim(session, models, key)


def _due(delivery: type[DeliveryMixin]) -> sa.Select[t.Any]:
    """Return the query for the first delivery that is due."""
    earlier = aliased(delivery)
    is_next = ~sa.exists().where(
        earlier.execution_id == delivery.execution_id,
        earlier.receiver == delivery.receiver,
        earlier.seq < delivery.seq,
        earlier.status == WAITING,
    )
    key: list[t.Any] = [delivery.execution_id, delivery.receiver, delivery.seq]
    query = sa.select(*key, delivery.tries).where(*_is_due(delivery), is_next)
    return query.order_by(delivery.due_at, delivery.execution_id, delivery.seq).limit(1)


def _is_due(delivery: type[DeliveryMixin]) -> tuple[sa.ColumnElement[bool], ...]:
    # A literal, so that the partial index is used.
    waits = delivery.status == sa.literal_column(f"'{WAITING}'")
    return waits, delivery.due_at <= database_clock.now()


def _unchanged(delivery: type[DeliveryMixin], key: DeliveryKey, tries: int) -> sa.Update:
    return sa.update(delivery).where(
        *_has_key(delivery, key), delivery.tries == tries, delivery.status == WAITING
    )


def _has_key(delivery: type[DeliveryMixin], key: DeliveryKey) -> tuple[sa.ColumnElement[bool], ...]:
    return (
        delivery.execution_id == key.execution_id,
        delivery.receiver == key.receiver,
        delivery.seq == key.seq,
    )


def _read_claim(session: Session, models: Models, key: DeliveryKey) -> Claim:
    delivery, event, execution = models.delivery, models.event, models.execution
    query = (
        sa.select(
            delivery.type,
            delivery.tries,
            event.type.label("event"),
            event.data,
            event.created_at,
            execution.owner_id,
            execution.thread_id,
            execution.graph_id,
            execution.webhook_url,
        )
        .join(execution, execution.id == delivery.execution_id)
        .join(event, sa.and_(event.execution_id == execution.id, event.seq == delivery.seq))
        .where(*_has_key(delivery, key))
    )
    row = session.execute(query).one()
    values = {**row._mapping, "time": clock.as_utc(row.created_at)}
    del values["created_at"]
    return Claim(key=key, **values)


def has_due(app_state: AppState) -> bool:
    """Return whether a delivery is due, or waits behind one that is."""
    delivery = app_state.models.delivery
    query = sa.select(sa.exists().where(*_is_due(delivery)))
    with app_state.database.read_session() as session:
        return bool(session.scalar(query))


class Backlog(t.NamedTuple):
    """Deliveries that wait."""

    waiting: int
    delay: float
    """Seconds since the first of them was due; 0 if none is."""


def read_backlog(app_state: AppState) -> Backlog:
    """Return how much waits to be delivered."""
    delivery = app_state.models.delivery
    delay = database_clock.seconds_since(sa.func.min(delivery.due_at))
    waits, _ = _is_due(delivery)
    with app_state.database.read_session() as session:
        count, seconds = session.execute(sa.select(sa.func.count(), delay).where(waits)).one()
    return Backlog(count, max(0.0, seconds or 0.0))


def settle(
    app_state: AppState, claim: Claim, status: t.Literal["delivered", "failed"], answer: Answer
) -> bool:
    """Store that nothing more is to be tried; False if another process has claimed it since."""
    models = app_state.models
    values = {"status": status, "ended_at": database_clock.now(), "answer": answer}
    with app_state.database.write_transaction() as session:
        mine = _unchanged(models.delivery, claim.key, claim.tries)
        settled = update_one(session, mine.values(values))
        if settled:
            counters.record(session, models, [CounterDelta(counters.NOTIFICATIONS, status)])
    return settled


def put_off(app_state: AppState, claim: Claim, seconds: float, answer: Answer) -> bool:
    """Let a delivery be tried again after *seconds*, and those behind it not before.

    :return: False if another process has claimed it since.
    """
    delivery = app_state.models.delivery
    due_at = database_clock.seconds_from_now(seconds)
    behind = sa.update(delivery).where(
        delivery.execution_id == claim.key.execution_id,
        delivery.receiver == claim.key.receiver,
        delivery.seq > claim.key.seq,
        delivery.status == WAITING,
        delivery.due_at < due_at,
    )
    with app_state.database.write_transaction() as session:
        mine = _unchanged(delivery, claim.key, claim.tries)
        if not update_one(session, mine.values(due_at=due_at, answer=answer)):
            return False
        options = {"synchronize_session": False}
        session.execute(behind.values(due_at=due_at), execution_options=options)
    return True
