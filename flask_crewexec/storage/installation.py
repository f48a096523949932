"""The id of the installation, which tells its queues from those of others in the same Redis."""

from __future__ import annotations

import contextlib
import typing as t
import uuid

import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError

from ..app_state import AppState
from ..models import table_of
from . import database_clock

_NUMBER: t.Final = 1


def read_installation_id(app_state: AppState) -> uuid.UUID | None:
    """Return the installation's id; None if no worker has used this database yet."""
    with app_state.database.read_session() as session:
        return session.scalar(sa.select(app_state.models.installation.id))


def ensure_installation_id(app_state: AppState) -> uuid.UUID:
    """Return the installation's id, and store a new one before if there is none."""
    if known := read_installation_id(app_state):
        return known
    row = {"number": _NUMBER, "id": uuid.uuid4()}
    with contextlib.suppress(IntegrityError), app_state.database.write_transaction() as session:
        session.execute(sa.insert(table_of(app_state.models.installation)), row)
    stored = read_installation_id(app_state)  # perhaps that of another worker
    assert stored is not None
    return stored


def record_reconcile_round(app_state: AppState) -> None:
    """Store that a reconcile round has been done now."""
    table = table_of(app_state.models.installation)
    with app_state.database.write_transaction() as session:
        session.execute(sa.update(table).values(reconciled_at=database_clock.now()))


def seconds_since_reconcile_round(app_state: AppState) -> float | None:
    """Return how long ago the last reconcile round was; None if there was none yet."""
    installation = app_state.models.installation
    query = sa.select(database_clock.seconds_since(installation.reconciled_at))
    with app_state.database.read_session() as session:
        return session.scalar(query)
