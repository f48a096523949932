"""Erase all that a user has stored, and the user's name from what belongs to others.

Each batch is a transaction of its own. Nothing has to be remembered between them, so whatever ends
the process, the next call goes on with what is left.
"""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import logging
import time
import typing as t
from collections import Counter
from collections.abc import Callable

from flask import current_app
from flask import Flask
from sqlalchemy.orm import Session

from ..app_state import AppState
from ..errors import NotFound
from ..identity import normalize_user_id
from ..models import Models
from ..storage import erasure
from ..storage import pseudonyms
from ..storage.transitions import Cancellation
from .cancellation import cancel

R = t.TypeVar("R")

log = logging.getLogger(__name__)

DEFAULT_WAIT: t.Final = 30.0
"""Seconds for which running executions may end by themselves."""
_POLL_SECONDS: t.Final = 0.2
_REASON: t.Final = "The data of the user is erased."


@dataclasses.dataclass(frozen=True, kw_only=True)
class Erasure:
    """What was erased, or would be; it contains nothing about the user."""

    is_dry_run: bool
    """Whether nothing was changed."""
    deleted: dict[str, int]
    """How many rows were deleted, by table."""
    pseudonymised: dict[str, int]
    """In how many rows of others the name was replaced, by table and column."""
    host: dict[str, int]
    """What your erasers have returned, by their names."""
    running: int
    """How many executions still ran when they were deleted, or run at the moment."""
    remaining: int
    """How many rows the user has stored in the meantime, or that could not be deleted. If it is
    not zero, erase again."""


def erase_user(
    app_state: AppState, user_id: object, *, dry_run: bool = False, wait: float = DEFAULT_WAIT
) -> Erasure:
    """Erase the data of a user; see :meth:`~flask_crewexec.CrewExec.erase_user`."""
    user = normalize_user_id(user_id)
    if dry_run:
        return _preview(app_state, user)
    done = _Eraser(app_state, user).erase(wait)
    log.info(
        "The data of a user was erased: %s rows were deleted, in %s the name was replaced, %s"
        " remain.",
        sum(done.deleted.values()),
        sum(done.pseudonymised.values()),
        done.remaining,
    )
    return done


def _preview(app_state: AppState, user_id: str) -> Erasure:
    models = app_state.models
    with app_state.database.read_session() as session:
        deleted = erasure.count_rows(session, models, user_id)
        named = pseudonyms.count_named(session, models, user_id)
        running = len(erasure.active_executions(session, models, user_id))
    return Erasure(
        is_dry_run=True,
        deleted=dict(deleted),
        pseudonymised=named,
        host=_call_erasers(app_state, user_id, dry_run=True),
        running=running,
        remaining=0,
    )


def _call_erasers(app_state: AppState, user_id: str, *, dry_run: bool) -> dict[str, int]:
    app: Flask = current_app._get_current_object()  # type: ignore[attr-defined]
    counts = {}
    for name, function in app_state.registry.erasers.items():
        with app.app_context():  # leaving it removes the host's session
            counts[name] = int(function(user_id, dry_run))
    return counts


class _Eraser:
    """Erases the data of one user."""

    def __init__(self, app_state: AppState, user_id: str) -> None:
        self._app_state = app_state
        self._models = app_state.models
        self._user_id = user_id
        self._pseudonym = pseudonyms.new_pseudonym()
        self._limit = app_state.settings.purge_batch_size

    def erase(self, wait: float) -> Erasure:
        running = self._stop_executions(time.monotonic() + wait)
        # First, since rows of the host may refer to executions.
        host = _call_erasers(self._app_state, self._user_id, dry_run=False)
        deleted = self._delete()
        return Erasure(
            is_dry_run=False,
            deleted=dict(deleted),
            pseudonymised=self._replace(),
            host=host,
            running=running,
            remaining=self._count_remaining(),
        )

    def _stop_executions(self, deadline: float) -> int:
        """Cancel what has not ended, and wait for it; return how many executions still run."""
        while ids := self._read(erasure.active_executions):
            for id in ids:
                with contextlib.suppress(NotFound):  # it was purged
                    cancel(self._app_state, id, None, Cancellation(None, _REASON), None)
            if time.monotonic() >= deadline:
                return len(self._read(erasure.active_executions))
            time.sleep(_POLL_SECONDS)
        return 0

    def _delete(self) -> Counter[str]:
        models, user_id, limit = self._models, self._user_id, self._limit
        deleted = Counter[str](dict.fromkeys(self._read(erasure.count_rows), 0))
        steps: tuple[Callable[[Session], Counter[str]], ...] = (
            lambda session: erasure.erase_executions(
                session, models, user_id, self._pseudonym, limit
            ),
            lambda session: erasure.erase_graphs(session, models, user_id, limit),
            lambda session: erasure.erase_webhooks(session, models, user_id),
        )
        for step in steps:
            while (batch := self._write(step)).total():
                deleted.update(batch)
        return deleted

    def _replace(self) -> dict[str, int]:
        """Replace the user's name in what belongs to others."""
        given = (self._user_id, self._pseudonym, self._limit)
        counts = {
            place.name: self._in_batches(
                functools.partial(_replace_in_column, place=place, given=given)
            )
            for place in pseudonyms.places(self._models)
        }
        name = f"{self._models.event.__tablename__}.data"
        counts[name] = self._in_batches(
            lambda session: pseudonyms.replace_in_events(session, self._models, *given)
        )
        return counts

    def _in_batches(self, replace: Callable[[Session], int]) -> int:
        total = 0
        while replaced := self._write(replace):
            total += replaced
        return total

    def _count_remaining(self) -> int:
        named = self._read(pseudonyms.count_named)
        return sum(self._read(erasure.count_rows).values()) + sum(named.values())

    def _read(self, query: Callable[[Session, Models, str], R]) -> R:
        with self._app_state.database.read_session() as session:
            return query(session, self._models, self._user_id)

    def _write(self, step: Callable[[Session], R]) -> R:
        with self._app_state.database.write_transaction() as session:
            return step(session)


def _replace_in_column(
    session: Session, place: pseudonyms.Place, given: tuple[str, str, int]
) -> int:
    return pseudonyms.replace_in_column(session, place, *given)
