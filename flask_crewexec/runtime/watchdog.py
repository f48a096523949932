"""Watchdog thread: one per process and application, for all of its runs.

It renews their leases, stops runs that are cancelled, overdue or have lost their lease, aborts
their pending calls, and ends runs by force that do not stop.
"""

from __future__ import annotations

import contextlib
import logging
import threading
import time
import typing as t
from collections.abc import Callable
from collections.abc import Iterator
from collections.abc import Sequence

from flask import Flask

from .. import clock
from ..app_state import AppState
from ..app_state import current_app_state
from ..background_thread import BackgroundThread
from ..errors import LeaseLost
from ..messaging import event_publisher
from ..messaging.publishing import task_id
from ..per_app import AppLocal
from ..process import stuck_runs
from ..storage import event_log
from ..storage import leases
from ..storage.fencing import Lease
from ..storage.new_event import NewEvent
from .cancellation import read_cancel_flags
from .cancellation import stop_reason
from .outcome import outcome_of_hung_run
from .stop_reasons import StopRun

log = logging.getLogger(__name__)

RENEWALS_PER_LEASE = 3


class MonitoredRun:
    """A run as the watchdog sees it.

    :param renewed_at: when its lease was requested, by :func:`~flask_crewexec.clock.since_boot`.
    :param check_deadline: returns the reason to stop once the run's time is over.
    :param stop: makes the run stop at its next boundary.
    :param abort_calls: aborts its pending model and tool calls.
    :param abort_overdue_calls: aborts its model calls if one has taken too long.
    """

    def __init__(
        self,
        lease: Lease,
        *,
        renewed_at: float,
        check_deadline: Callable[[], StopRun | None],
        stop: Callable[[StopRun], None],
        abort_calls: Callable[[], None],
        abort_overdue_calls: Callable[[], None],
    ) -> None:
        self.lease = lease
        self.check_deadline = check_deadline
        self.abort_overdue_calls = abort_overdue_calls
        self.reason: StopRun | None = None
        self._stop = stop
        self._abort_calls = abort_calls
        self._thread = threading.current_thread()
        self._stopped_at = 0.0
        self._lock = threading.Lock()
        self._running = True
        self._renewed_at = renewed_at

    def note_renewal(self, requested_at: float) -> None:
        """Note that the lease was renewed, as requested at that time."""
        with self._lock:
            self._renewed_at = max(self._renewed_at, requested_at)

    def may_have_lost_lease(self, lease_seconds: float) -> bool:
        """Return whether the lease may have expired, as far as this process knows."""
        return clock.since_boot() > self._renewed_at + lease_seconds

    def stop(self, reason: StopRun) -> None:
        """Stop it at its next boundary and abort its pending calls; the first reason counts."""
        if self.reason is None:
            self.reason = reason
            self._stopped_at = time.monotonic()
        self._stop(self.reason)
        self._abort_calls()  # every time: a new call may have started

    def mark_finished(self) -> None:
        """Note that the crew has ended, so that it needs no forced stop."""
        with self._lock:
            self._running = False

    def force_stop(self, grace: float, end: Callable[[Lease, StopRun], None]) -> None:
        """End the run and its thread or process, if it has not stopped within *grace* seconds."""
        if self.reason is None or time.monotonic() < self._stopped_at + grace:
            return
        with self._lock:
            if self._running:
                end(self.lease, self.reason)
                self._running = False
                event_publisher.flush()
                stuck_runs.handle_hung_run(
                    self._thread, task_id(self.lease.execution_id, self.lease.attempt)
                )


class Watchdog:
    """Monitors the runs of one application in this process."""

    def __init__(self, app: Flask) -> None:
        self._thread = BackgroundThread(app, self._run, name="crewexec-watchdog")
        self._changed = self._thread.changed
        self._runs: list[MonitoredRun] = []
        self._renewed = 0.0

    @contextlib.contextmanager
    def monitor(self, run: MonitoredRun) -> Iterator[None]:
        """Monitor *run* within the context."""
        with self._changed:
            self._thread.ensure_running()
            self._runs.append(run)
        try:
            yield
        finally:
            with self._changed:
                self._runs.remove(run)
                self._changed.notify()

    def _run(self) -> None:
        app_state = current_app_state()
        settings = app_state.settings
        self._renewed = time.monotonic()
        while runs := self._wait_for_runs(settings.poll_interval):
            self._try(_poll, app_state, runs)
            self._renew_in_time(app_state, runs)
            for run in runs:
                self._try(run.force_stop, settings.cancel_grace_seconds, _end_for(app_state))

    def _renew_in_time(self, app_state: AppState, runs: Sequence[MonitoredRun]) -> None:
        now = time.monotonic()
        due = now >= self._renewed + app_state.settings.lease_seconds / RENEWALS_PER_LEASE
        if due and self._try(renew, app_state, runs):
            self._renewed = now

    def _wait_for_runs(self, pause: float) -> Sequence[MonitoredRun]:
        """Return the runs to check after a *pause*; if there are none, the thread ends."""
        with self._changed:
            if self._runs:
                self._changed.wait_for(lambda: not self._runs, timeout=pause)
            if not self._runs:
                self._thread.mark_ending()
            return tuple(self._runs)

    def _try(self, action: Callable[..., None], *arguments: object) -> bool:
        try:
            action(*arguments)
        except Exception:
            # The database may be unavailable. Runs query it themselves at each boundary.
            log.warning("Could not monitor the runs of this process.", exc_info=True)
            return False
        return True


def _poll(app_state: AppState, runs: Sequence[MonitoredRun]) -> None:
    """Stop the runs that must not go on: overdue ones first, without the database."""
    for run in runs:
        run.abort_overdue_calls()
        if reason := run.reason or run.check_deadline():
            run.stop(reason)
    flags = read_cancel_flags(app_state, [run.lease for run in runs])
    for run in runs:
        if reason := stop_reason(flags, run.lease):
            run.stop(reason)


def renew(app_state: AppState, runs: Sequence[MonitoredRun]) -> None:
    """Renew the leases of *runs* that are still valid."""
    requested_at, seconds = clock.since_boot(), app_state.settings.lease_seconds
    with app_state.database.write_transaction() as session:
        renewed = leases.renew(session, app_state.models, [run.lease for run in runs], seconds)
    for run in runs:
        if run.lease.token in renewed:
            run.note_renewal(requested_at)


def _end_for(app_state: AppState) -> Callable[[Lease, StopRun], None]:
    """Return a function that stores the outcome of a hung run."""

    def end(lease: Lease, reason: StopRun) -> None:
        outcome = outcome_of_hung_run(reason)
        if outcome is None:
            return
        failure, models = outcome.failure, app_state.models
        error = None if failure is None else failure.as_error(lease.execution_id)
        with contextlib.suppress(LeaseLost), app_state.database.write_transaction() as session:
            leases.finish(session, models, lease, outcome.status, error=error)
            event = NewEvent(outcome.status, {"forced": True})
            event_log.append(session, app_state, lease.execution_id, [event])

    return end


watchdogs: t.Final = AppLocal(Watchdog)
