"""Pause and resume the queue of executions."""

from __future__ import annotations

import logging
import typing as t

from ..app_state import AppState
from ..scheduling.fair_scheduler import release_all_users
from ..schemas import load
from ..schemas import PauseSchema
from ..storage import queue_pause
from ..storage.installation import ensure_installation_id
from ..storage.queue_pause import QueuePause
from ..storage.queue_pause import read_pause

log = logging.getLogger(__name__)


class PauseChange(t.NamedTuple):
    """What became of a wish to pause or to resume the queue."""

    pause: QueuePause | None
    """The pause that lasts now; None if the queue is not paused."""
    is_changed: bool
    """Whether this call has changed that."""


def pause_queue(app_state: AppState, by: str | None, reason: str | None) -> PauseChange:
    """Let no further execution start; of concurrent calls, the first one is stored.

    :param by: who pauses it.
    :raises InvalidRequest: if the texts cannot be stored.
    """
    load(PauseSchema(), {"by": by, "reason": reason})
    ensure_installation_id(app_state)
    with app_state.database.write_transaction() as session:
        is_changed = queue_pause.pause(session, app_state.models, by, reason or None)
    if is_changed:
        log.warning("%s has paused the queue: %s", by or "An operator", reason or "no reason given")
    return PauseChange(read_pause(app_state), is_changed)


def resume_queue(app_state: AppState, by: str | None) -> PauseChange:
    """End the pause, and release executions; the reconciler releases what is left.

    :param by: who resumes it.
    """
    with app_state.database.write_transaction() as session:
        is_changed = queue_pause.resume(session, app_state.models)
    if is_changed:
        log.warning("%s has resumed the queue.", by or "An operator")
        release_all_users(app_state)
    return PauseChange(read_pause(app_state), is_changed)
