"""Recover executions whose process on this machine has died, before their leases expire.

A process that dies is replaced at once: by the supervisor of several workers, by the parent in a
pool of processes, or by what starts workers on the machine. The process that starts in its place
does the rest, since its parent has no connections, or forks while it uses them.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Collection

from celery import Celery

from ..app_state import AppState
from ..app_state import current_app_state
from ..process import incarnation
from ..process.incarnation import Incarnation
from ..scheduling.reconciler import reconcile
from ..storage import lease_holders

log = logging.getLogger(__name__)


def recover_in_background(celery: Celery) -> None:
    """Recover in a thread: Celery kills children of a pool that are not ready in a few seconds."""

    def run() -> None:
        with celery.flask_app.app_context():
            try_to_recover(current_app_state())

    threading.Thread(target=run, name="crewexec-recovery", daemon=True).start()


def try_to_recover(app_state: AppState) -> None:
    """Do the same as :func:`recover`; if that fails, the leases expire in time."""
    try:
        recover(app_state)
    except Exception:
        log.warning("Could not look for executions of dead processes.", exc_info=True)


def recover(app_state: AppState) -> None:
    """Let the leases of dead processes of this machine expire, and take their executions over."""
    this = incarnation.current()
    if this is None:
        return
    with app_state.database.read_session() as session:
        holders = lease_holders.read_holders(session, app_state.models, this.machine)
    dead = [holder for holder in holders if Incarnation.parse(holder).has_ended()]
    if dead and (count := _expire_leases(app_state, dead)):
        log.warning("Recovering %s executions of processes that have died.", count)
        # A round is limited, and others may have done part of it.
        while reconcile(app_state)["taken_over"]:
            pass


def _expire_leases(app_state: AppState, dead: Collection[str]) -> int:
    with app_state.database.write_transaction() as session:
        return lease_holders.expire_leases_of(session, app_state.models, dead)
