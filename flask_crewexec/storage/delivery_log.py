"""Deliveries as people see them, and those that they let be sent again."""

from __future__ import annotations

import datetime as dt
import typing as t
import uuid
from collections.abc import Sequence

import sqlalchemy as sa
from sqlalchemy.orm import Session

from ..app_state import AppState
from ..database import NEW_DELIVERIES
from ..models import DeliveryMixin
from ..models import Models
from . import database_clock
from .delivery_claims import DeliveryKey
from .outbox import DELIVERED
from .outbox import FAILED
from .outbox import WAITING
from .outbox import WEBHOOK
from .transitions import update_one

_STATUSES: t.Final[dict[str, sa.ColumnElement[t.Any]]] = {
    status: sa.literal_column(f"'{status}'") for status in (DELIVERED, FAILED)
}
"""Literals, so that the partial index is used whatever SQLite thinks of a parameter."""


def list_of_receiver(
    app_state: AppState,
    receiver: str,
    *,
    status: str | None,
    before: tuple[uuid.UUID, int] | None,
    limit: int,
) -> Sequence[DeliveryMixin]:
    """Return the deliveries to one receiver, newest execution first.

    :param before: return only those of events before this one.
    """
    delivery = app_state.models.delivery
    query = sa.select(delivery).where(delivery.receiver == receiver)
    if status is not None:
        query = query.where(*_has_status(delivery, status))
    if before is not None:
        place = sa.tuple_(delivery.execution_id, delivery.seq)
        query = query.where(place < sa.tuple_(sa.literal(before[0], sa.Uuid), before[1]))
    return _read(app_state, query, delivery.execution_id, delivery.seq, limit=limit)


def list_of_execution(
    app_state: AppState,
    execution_id: uuid.UUID,
    *,
    with_handlers: bool,
    before: tuple[int, str] | None,
    limit: int,
) -> Sequence[DeliveryMixin]:
    """Return the deliveries of one execution, newest event first.

    :param with_handlers: whether to return those to the host's handlers and signals, too.
    :param before: return only those before this number and receiver.
    """
    delivery = app_state.models.delivery
    query = sa.select(delivery).where(delivery.execution_id == execution_id)
    if not with_handlers:
        query = query.where(delivery.receiver.startswith(WEBHOOK))
    if before is not None:
        query = query.where(sa.tuple_(delivery.seq, delivery.receiver) < sa.tuple_(*before))
    return _read(app_state, query, delivery.seq, delivery.receiver, limit=limit)


def list_failed(
    app_state: AppState, *, before: DeliveryKey | None, limit: int
) -> Sequence[DeliveryMixin]:
    """Return deliveries that were given up, by receiver, newest execution first."""
    delivery = app_state.models.delivery
    query = sa.select(delivery).where(*_has_status(delivery, FAILED))
    key = (delivery.receiver, delivery.execution_id, delivery.seq)
    if before is not None:
        id = sa.literal(before.execution_id, sa.Uuid)
        query = query.where(sa.tuple_(*key) < sa.tuple_(before.receiver, id, before.seq))
    return _read(app_state, query, *key, limit=limit)


def _has_status(delivery: type[DeliveryMixin], status: str) -> list[sa.ColumnElement[bool]]:
    is_open = delivery.status != _STATUSES[DELIVERED]
    if status == WAITING:
        # With the status itself, SQLite may choose an index by the order in which they were made.
        return [is_open, delivery.ended_at.is_(None)]
    has = delivery.status == _STATUSES[status]
    return [has] if status == DELIVERED else [has, is_open]


def _read(
    app_state: AppState, query: sa.Select[t.Any], *order: t.Any, limit: int
) -> Sequence[DeliveryMixin]:
    newest_first = [column.desc() for column in order]
    with app_state.database.read_session() as session:
        return session.scalars(query.order_by(*newest_first).limit(limit)).all()


def resend(session: Session, models: Models, key: DeliveryKey) -> bool:
    """Let a delivery that has ended be tried again now; False if there is none, or it waits."""
    delivery = models.delivery
    this = (
        delivery.execution_id == key.execution_id,
        delivery.receiver == key.receiver,
        delivery.seq == key.seq,
        delivery.status.in_((DELIVERED, FAILED)),
    )
    changed = update_one(session, sa.update(delivery).where(*this).values(_again()))
    session.info[NEW_DELIVERIES] = changed
    return changed


def resend_failed(session: Session, models: Models, receiver: str, since: dt.datetime) -> int:
    """Let deliveries that were given up since a time be tried again now; return how many."""
    delivery = models.delivery
    these = (
        delivery.receiver == receiver,
        *_has_status(delivery, FAILED),
        delivery.ended_at >= since,
    )
    statement = sa.update(delivery).where(*these).values(_again())
    result = session.execute(statement, execution_options={"synchronize_session": False})
    count = t.cast("sa.CursorResult[t.Any]", result).rowcount
    session.info[NEW_DELIVERIES] = count > 0
    return count


def _again() -> dict[str, t.Any]:
    return {"status": WAITING, "tries": 0, "due_at": database_clock.now(), "ended_at": None}


def exists(session: Session, models: Models, key: DeliveryKey) -> bool:
    """Return whether there is such a delivery."""
    return session.get(models.delivery, key) is not None
