"""Claims of deliveries: which process tries what is due.

On PostgreSQL a claim is one statement, elsewhere three in one transaction.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import functools
import typing as t
import uuid
from collections.abc import Collection

import sqlalchemy as sa
from sqlalchemy.orm import Session

from .. import clock
from ..app_state import AppState
from ..models import Models
from ..models import table_of
from . import database_clock
from .cte_writes import has_ctes
from .outbox import WAITING
from .outbox import WEBHOOK
from .transitions import update_one

_SECONDS: t.Final = sa.bindparam("seconds", type_=sa.Float)
_MUST_WAIT: t.Final = sa.bindparam("must_wait", type_=sa.String, expanding=True)
_NAMES: t.Final = ("execution_id", "receiver", "seq")
"""The key of a delivery."""
_READ: t.Final = ("owner_id", "thread_id", "graph_id", "webhook_url")
"""Columns of the execution that are told."""

Values = dict[str, t.Any]


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


def claim(app_state: AppState, seconds: float, must_wait: Collection[str] = ()) -> Claim | None:
    """Claim the delivery that has been due longest, for *seconds*.

    A receiver's deliveries of one execution are claimed in order: none while an earlier one waits.

    :param must_wait: users to whose webhooks nothing is sent now.
    """
    models = app_state.models
    given: Values = {_SECONDS.key: seconds}
    if must_wait:
        given[_MUST_WAIT.key] = [*must_wait]
    if has_ctes(app_state.database.engine):
        with app_state.database.autocommit_connection() as connection:
            row = connection.execute(_claim_statement(models, bool(must_wait)), given)
            return _claim_of(row.one_or_none())
    with app_state.database.write_transaction() as session:
        return _claim_of(_claim_in_steps(session, models, given))


def _claim_of(row: sa.Row[t.Any] | None) -> Claim | None:
    if row is None:
        return None
    values = dict(row._mapping)
    key = DeliveryKey(*(values.pop(name) for name in _NAMES))
    return Claim(key=key, time=clock.as_utc(values.pop("created_at")), **values)


@functools.lru_cache(maxsize=8)
def _claim_statement(models: Models, some_must_wait: bool) -> sa.Select[t.Any]:
    delivery = table_of(models.delivery)
    first = _due(models, some_must_wait).with_for_update(skip_locked=True).cte("first")
    claimed = (
        _claimed(delivery)
        .where(*(delivery.c[name] == first.c[name] for name in _NAMES))
        .returning(*(delivery.c[name] for name in (*_NAMES, "type", "tries")))
        .cte("claimed")
    )
    return _told(models, claimed)


def _claim_in_steps(session: Session, models: Models, given: Values) -> sa.Row[t.Any] | None:
    delivery = table_of(models.delivery)
    due = _due(models, _MUST_WAIT.key in given)
    while (first := session.execute(due, given).one_or_none()) is not None:
        key = [delivery.c[name] == getattr(first, name) for name in _NAMES]
        unchanged = (delivery.c.tries == first.tries, delivery.c.status == WAITING)
        claimed = _claimed(delivery).where(*key, *unchanged)
        if update_one(session, claimed, {_SECONDS.key: given[_SECONDS.key]}):
            return session.execute(_told(models, delivery).where(*key)).one()
    return None


@functools.lru_cache(maxsize=8)
def _due(models: Models, some_must_wait: bool) -> sa.Select[t.Any]:
    """Return the query for the first delivery that is due."""
    delivery = table_of(models.delivery)
    earlier = delivery.alias()
    is_next = ~sa.exists().where(
        earlier.c.execution_id == delivery.c.execution_id,
        earlier.c.receiver == delivery.c.receiver,
        earlier.c.seq < delivery.c.seq,
        earlier.c.status == WAITING,
    )
    columns = [delivery.c[name] for name in (*_NAMES, "tries")]
    query = sa.select(*columns).where(*is_due(delivery.c), is_next)
    if some_must_wait:
        query = query.where(_need_not_wait(models))
    return query.order_by(delivery.c.due_at, delivery.c.execution_id, delivery.c.seq).limit(1)


def _need_not_wait(models: Models) -> sa.ColumnElement[bool]:
    delivery, execution = table_of(models.delivery), table_of(models.execution)
    of_webhook = delivery.c.receiver.startswith(WEBHOOK, autoescape=True)
    owner = sa.select(execution.c.owner_id).where(execution.c.id == delivery.c.execution_id)
    return ~sa.and_(of_webhook, owner.scalar_subquery().in_(_MUST_WAIT))


def is_due(columns: t.Any) -> tuple[sa.ColumnElement[bool], sa.ColumnElement[bool]]:
    """Return the conditions for a delivery that waits, and whose time has come.

    :param columns: the mapped class, or the columns of the table.
    """
    # A literal, so that the partial index is used.
    waits = columns.status == sa.literal_column(f"'{WAITING}'")
    return waits, columns.due_at <= database_clock.now()


def _claimed(delivery: sa.Table) -> sa.Update:
    values = {"tries": delivery.c.tries + 1, "due_at": database_clock.seconds_from_now(_SECONDS)}
    return sa.update(delivery).values(values)


def _told(models: Models, delivery: sa.FromClause) -> sa.Select[t.Any]:
    """Return the query for what is told with a claimed delivery."""
    event, execution = table_of(models.event), table_of(models.execution)
    is_told = sa.and_(
        event.c.execution_id == delivery.c.execution_id, event.c.seq == delivery.c.seq
    )
    return (
        sa.select(
            *(delivery.c[name] for name in (*_NAMES, "type", "tries")),
            *(event.c.type.label("event"), event.c.data, event.c.created_at),
            *(execution.c[name] for name in _READ),
        )
        .join_from(delivery, execution, execution.c.id == delivery.c.execution_id)
        .join(event, is_told)
    )
