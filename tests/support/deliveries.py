"""Deliveries of the outbox, tried in this process."""

from __future__ import annotations

import typing as t

import sqlalchemy as sa

from flask_crewexec import clock
from flask_crewexec.app_state import current_app_state
from flask_crewexec.tasks import notifications


def deliver() -> int:
    """Try what waits, also what is put off, and return how many were tried."""
    make_due()
    return t.cast(int, notifications.handle({})["tried"])


def make_due() -> None:
    """Let everything that waits be due."""
    delivery = current_app_state().models.delivery
    due = clock.now().replace(year=2001)
    with current_app_state().database.write_transaction() as session:
        session.execute(sa.update(delivery).values(due_at=due))


def deliveries() -> list[t.Any]:
    """Return all deliveries, by receiver and in their order."""
    delivery = current_app_state().models.delivery
    query = sa.select(delivery).order_by(delivery.receiver, delivery.execution_id, delivery.seq)
    with current_app_state().database.read_session() as session:
        return list(session.scalars(query))
