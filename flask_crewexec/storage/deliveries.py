"""Deliveries of the outbox: which is due, and how each went.

::

    waiting ──claim──▶ waiting, due again after the lease ──settle──▶ delivered, failed
       ▲                                                      │
       └───────────────────── put_off ────────────────────────┘

A claim counts the tries, and who stores how a try went names its number. So a process that was
frozen or replaced changes nothing any more.
"""

from __future__ import annotations

import functools
import typing as t

import sqlalchemy as sa
from uuid_utils.compat import uuid7

from ..app_state import AppState
from ..models import Models
from ..models import table_of
from . import counters
from . import cte_writes
from . import database_clock
from .counters import CounterDelta
from .delivery_claims import Claim
from .delivery_claims import is_due
from .outbox import WAITING
from .transitions import update_one

Answer = dict[str, t.Any]


def has_due(app_state: AppState) -> bool:
    """Return whether a delivery is due, or waits behind one that is."""
    delivery = app_state.models.delivery
    query = sa.select(sa.exists().where(*is_due(delivery)))
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
    waits, _ = is_due(delivery)
    with app_state.database.read_session() as session:
        count, seconds = session.execute(sa.select(sa.func.count(), delay).where(waits)).one()
    return Backlog(count, max(0.0, seconds or 0.0))


def settle(
    app_state: AppState, claim: Claim, status: t.Literal["delivered", "failed"], answer: Answer
) -> bool:
    """Store that nothing more is to be tried; False if another process has claimed it since."""
    models, parameters = app_state.models, {**_parameters(claim, answer), "new_status": status}
    if cte_writes.has_ctes(app_state.database.engine):
        with app_state.database.autocommit_connection() as connection:
            statement = _settle_and_count(models)
            counted = {**parameters, "counter_id": uuid7()}
            return connection.execute(statement, counted).one_or_none() is not None
    with app_state.database.write_transaction() as session:
        settled = update_one(session, _settle(table_of(models.delivery)), parameters)
        if settled:
            counters.record(session, models, [CounterDelta(counters.NOTIFICATIONS, status)])
    return settled


def put_off(app_state: AppState, claim: Claim, seconds: float, answer: Answer) -> bool:
    """Let a delivery be tried again after *seconds*, and those behind it not before.

    :return: False if another process has claimed it since.
    """
    delivery = table_of(app_state.models.delivery)
    parameters = {**_parameters(claim, answer), "seconds": seconds}
    with app_state.database.write_transaction() as session:
        if not update_one(session, _put_off(delivery), parameters):
            return False
        options = {"synchronize_session": False}
        session.execute(_put_off_behind(delivery), parameters, execution_options=options)
    return True


def _parameters(claim: Claim, answer: Answer) -> dict[str, t.Any]:
    key = {f"of_{name}": value for name, value in claim.key._asdict().items()}
    return {**key, "of_try": claim.tries, "new_answer": answer}


def _of_receiver(delivery: sa.Table) -> list[sa.ColumnElement[bool]]:
    names = ("execution_id", "receiver")
    key = [delivery.c[name] == sa.bindparam(f"of_{name}") for name in names]
    return [*key, delivery.c.status == WAITING]


def _claimed(delivery: sa.Table) -> sa.Update:
    """Return the UPDATE of a delivery that nobody else has claimed since."""
    is_claimed = (
        delivery.c.seq == sa.bindparam("of_seq"),
        delivery.c.tries == sa.bindparam("of_try"),
    )
    update = sa.update(delivery).where(*_of_receiver(delivery), *is_claimed)
    return update.values(answer=sa.bindparam("new_answer", type_=delivery.c.answer.type))


@functools.lru_cache(maxsize=8)
def _settle(delivery: sa.Table) -> sa.Update:
    status = sa.bindparam("new_status", type_=sa.String)
    return _claimed(delivery).values(status=status, ended_at=database_clock.now())


@functools.lru_cache(maxsize=8)
def _settle_and_count(models: Models) -> sa.Select[t.Any]:
    delivery, counter = table_of(models.delivery), table_of(models.counter)
    settle = _settle(delivery).where(cte_writes.lock_timeout_guard())
    settled = settle.returning(delivery.c.status).cte("settled")
    delta = CounterDelta(counters.NOTIFICATIONS)
    constants = (sa.literal(delta.times), sa.literal(delta.total))
    id = sa.bindparam("counter_id", type_=sa.Uuid)
    counted = sa.select(id, sa.literal(delta.name), settled.c.status, *constants)
    columns = ["id", "name", "label", "times", "total"]
    insert = sa.insert(counter).from_select(columns, counted, include_defaults=False)
    return sa.select(settled.c.status).add_cte(insert.cte("counted"))


@functools.lru_cache(maxsize=8)
def _put_off(delivery: sa.Table) -> sa.Update:
    return _claimed(delivery).values(due_at=_later())


@functools.lru_cache(maxsize=8)
def _put_off_behind(delivery: sa.Table) -> sa.Update:
    is_behind = (delivery.c.seq > sa.bindparam("of_seq"), delivery.c.due_at < _later())
    return sa.update(delivery).where(*_of_receiver(delivery), *is_behind).values(due_at=_later())


def _later() -> sa.ColumnElement[t.Any]:
    return database_clock.seconds_from_now(sa.bindparam("seconds", type_=sa.Float))
