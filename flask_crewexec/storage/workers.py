"""Rows of workers, written by their heartbeats."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence

import sqlalchemy as sa

from .. import clock
from ..app_state import AppState
from ..models import WorkerMixin


def live_workers(app_state: AppState) -> Sequence[WorkerMixin]:
    """Return the workers that were heard of lately."""
    worker = app_state.models.worker
    oldest = clock.now() - dt.timedelta(seconds=app_state.settings.stale_worker_after)
    with app_state.database.read_session() as session:
        query = sa.select(worker).where(worker.seen_at >= oldest).order_by(worker.name)
        return session.scalars(query).all()
