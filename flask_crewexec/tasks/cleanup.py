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
from ..celery_app import WakeUpTask
from ..models import Models
from ..schemas import CleanupEventSchema
from ..states import FINAL

log = logging.getLogger(__name__)

_schema: t.Final = CleanupEventSchema()

BULK: t.Final = {"synchronize_session": False}
MAX_GRAPHS: t.Final = 500
"""How many graphs one purge removes."""


def handle(event: dict[str, t.Any]) -> dict[str, t.Any]:
    """Remove ended executions, in small transactions, until none is older than allowed.

    Deleted graphs without executions and workers that were not heard of for as long go, too.
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
    while batch := _purge_executions(binding, before):
        purged += batch
    _purge_graphs(binding, before)
    _purge_workers(binding, before)
    return purged


def _purge_executions(binding: Binding, before: dt.datetime) -> int:
    models = binding.models
    execution = models.execution
    old = sa.and_(execution.status.in_(FINAL), execution.finished_at < before)
    batch = sa.select(execution.id).where(old).limit(binding.settings.purge_batch)
    with binding.session() as session, session.begin():
        ids = session.scalars(batch.with_for_update(skip_locked=True)).all()
        # SQLite locks no rows, so what was tried again in between is left alone here.
        session.execute(
            sa.delete(execution).where(execution.id.in_(ids), old), execution_options=BULK
        )
        _delete_orphans(session, models, ids)
    return len(ids)


def _delete_orphans(session: Session, models: Models, ids: Sequence[uuid.UUID]) -> None:
    """Delete what hung on deleted executions; SQLite cascades only where it is told to."""
    remaining = sa.select(models.execution.id).where(models.execution.id.in_(ids))
    for model in (models.event, models.step):
        gone = sa.and_(model.execution_id.in_(ids), model.execution_id.not_in(remaining))
        session.execute(sa.delete(model).where(gone), execution_options=BULK)


def _purge_graphs(binding: Binding, before: dt.datetime) -> None:
    """Remove graphs that were deleted and have no executions any more."""
    graph, version, execution = (
        binding.models.graph,
        binding.models.graph_version,
        binding.models.execution,
    )
    used = sa.select(execution.graph_id)
    unused = sa.and_(graph.deleted_at < before, graph.id.not_in(used))
    with binding.session() as session, session.begin():
        ids = session.scalars(sa.select(graph.id).where(unused).limit(MAX_GRAPHS)).all()
        session.execute(sa.delete(version).where(version.graph_id.in_(ids)), execution_options=BULK)
        session.execute(sa.delete(graph).where(graph.id.in_(ids)), execution_options=BULK)


def _purge_workers(binding: Binding, before: dt.datetime) -> None:
    """Remove the rows of workers that died without a word."""
    worker = binding.models.worker
    with binding.session() as session, session.begin():
        session.execute(sa.delete(worker).where(worker.seen_at < before), execution_options=BULK)


class CleanupTask(WakeUpTask):
    """Celery's wrapper around :func:`handle`."""

    name = CLEANUP_TASK

    def run(self, event: dict[str, t.Any]) -> dict[str, t.Any]:
        return handle(event)
