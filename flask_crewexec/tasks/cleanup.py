"""Keep the tables small: remove what ended long ago."""

from __future__ import annotations

import datetime as dt
import logging
import typing as t
import uuid
from collections.abc import Sequence

import sqlalchemy as sa
from sqlalchemy.orm import Session

from .. import clock
from ..binding import Binding
from ..binding import current_binding
from ..celery_app import CLEANUP_TASK
from ..celery_app import FlaskTask
from ..models import Models
from ..schemas import CleanupEventSchema
from ..states import FINAL

log = logging.getLogger(__name__)

_schema: t.Final = CleanupEventSchema()


def handle(event: dict[str, t.Any]) -> dict[str, t.Any]:
    """Remove ended executions, in small transactions, until none is older than allowed.

    Running it twice at once, or again, does no harm.

    :param event: ``{"action": "purge", "older_than_seconds"?: float}``; without an age,
        ``CREWEXEC_KEEP_FOR`` counts.
    :return: ``{"purged": int}``.
    :raises ValidationError: if the event has another form.
    """
    order = _schema.load(event)
    binding = current_binding()
    given = order["older_than_seconds"]
    age = binding.settings.keep_for if given is None else given
    purged = _purge(binding, clock.now() - age)
    log.info("Removed %s executions that ended before %s ago.", purged, age)
    return {"purged": purged}


def _purge(binding: Binding, before: dt.datetime) -> int:
    purged = 0
    while batch := _purge_batch(binding, before):
        purged += batch
    return purged


def _purge_batch(binding: Binding, before: dt.datetime) -> int:
    execution = binding.models.execution
    old = sa.select(execution.id).where(execution.status.in_(FINAL), execution.finished_at < before)
    with binding.session() as session, session.begin():
        batch = old.limit(binding.settings.purge_batch).with_for_update(skip_locked=True)
        ids = session.scalars(batch).all()
        _delete(session, binding.models, ids)
    return len(ids)


def _delete(session: Session, models: Models, ids: Sequence[uuid.UUID]) -> None:
    """Delete executions with all that hangs on them; SQLite cascades only where told to."""
    for model in (models.event, models.step):
        session.execute(sa.delete(model).where(model.execution_id.in_(ids)))
    session.execute(sa.delete(models.execution).where(models.execution.id.in_(ids)))


class CleanupTask(FlaskTask):
    """Celery's wrapper around :func:`handle`."""

    name = CLEANUP_TASK
    ignore_result = True

    def run(self, event: dict[str, t.Any]) -> dict[str, t.Any]:
        return handle(event)
