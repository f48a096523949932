"""One thread per process looks after all of its runs.

It renews their leases, sees who was cancelled, has lost the claim or is out of time, cuts the
model calls of those, and uses force where a run does not stop.
"""

from __future__ import annotations

import contextlib
import logging
import threading
import time
import typing as t
import weakref
from collections.abc import Callable
from collections.abc import Iterator
from collections.abc import Sequence

from flask import Flask

from .. import announcements
from .. import claims
from .. import events
from .. import stuck
from ..binding import Binding
from ..binding import current_binding
from ..celery_app import task_id
from ..claims import Claim
from ..errors import ClaimLost
from ..per_app import PerApp
from ..states import State
from .failures import describe
from .guards import RunStopped
from .orders import judge
from .orders import read_orders

log = logging.getLogger(__name__)

RENEWALS_PER_LEASE = 3


class WatchedRun:
    """A run as the watch sees it.

    :param claim: what it runs under.
    :param is_over: whether its time is.
    :param stop: makes it stop at its next boundary.
    :param cut: ends the model calls that are under way.
    """

    def __init__(
        self,
        claim: Claim,
        *,
        is_over: Callable[[], RunStopped | None],
        stop: Callable[[RunStopped], None],
        cut: Callable[[], None],
    ) -> None:
        self.claim = claim
        self.is_over = is_over
        self.reason: RunStopped | None = None
        self._stop = stop
        self._cut = cut
        self._thread = threading.current_thread()
        self._stopped_at = 0.0
        self._lock = threading.Lock()
        self._working = True

    def stop(self, reason: RunStopped) -> None:
        """Stop it at its next boundary and cut what it waits for; the first reason counts."""
        if self.reason is None:
            self.reason = reason
            self._stopped_at = time.monotonic()
        self._stop(self.reason)
        self._cut()  # each time: it may just have begun a call

    def has_done(self) -> None:
        """Say that the crew has ended, so that no force is needed any more."""
        with self._lock:
            self._working = False

    def use_force(self, grace: float, end: Callable[[Claim, RunStopped], None]) -> None:
        """End the run, and what it runs in, if it has not stopped within *grace* seconds."""
        if self.reason is None or time.monotonic() < self._stopped_at + grace:
            return
        with self._lock:
            if self._working:
                end(self.claim, self.reason)
                self._working = False
                announcements.flush()
                stuck.abandon(self._thread, task_id(self.claim.execution_id, self.claim.attempt))


class Watch:
    """The watch over the runs of one application in this process."""

    def __init__(self, app: Flask) -> None:
        self._app = weakref.ref(app)
        self._runs: list[WatchedRun] = []
        self._changed = threading.Condition()
        self._thread: threading.Thread | None = None
        self._renewed = 0.0

    @contextlib.contextmanager
    def over(self, run: WatchedRun) -> Iterator[None]:
        """Look after *run* meanwhile."""
        with self._changed:
            if self._thread is None:
                thread = threading.Thread(
                    target=self._keep_watch, name="crewexec-watch", daemon=True
                )
                thread.start()  # it waits for us to add the run
                self._thread = thread
            self._runs.append(run)
        try:
            yield
        finally:
            with self._changed:
                self._runs.remove(run)
                self._changed.notify()

    def _keep_watch(self) -> None:
        app = self._app()
        assert app is not None  # whoever runs something holds it
        with app.app_context():
            binding = current_binding()
            settings = binding.settings
            self._renewed = time.monotonic()
            while runs := self._next(settings.watch_interval):
                self._attempt(_look, binding, runs)
                self._renew_in_time(binding, runs)
                for run in runs:
                    self._attempt(run.use_force, settings.cancel_grace, _end_for(binding))

    def _renew_in_time(self, binding: Binding, runs: Sequence[WatchedRun]) -> None:
        began = time.monotonic()
        due = began >= self._renewed + binding.settings.lease / RENEWALS_PER_LEASE
        if due and self._attempt(_renew, binding, runs):
            self._renewed = began

    def _next(self, pause: float) -> Sequence[WatchedRun]:
        """Return the runs to look at after a *pause*; without any, the thread ends."""
        with self._changed:
            if self._runs:
                self._changed.wait_for(lambda: not self._runs, timeout=pause)
            if not self._runs:
                self._thread = None
            return tuple(self._runs)

    def _attempt(self, action: Callable[..., None], *arguments: object) -> bool:
        try:
            action(*arguments)
        except Exception:
            # The database may be away for a moment. Runs ask it themselves at each boundary.
            log.warning("Could not look after the runs of this process.", exc_info=True)
            return False
        return True


def _look(binding: Binding, runs: Sequence[WatchedRun]) -> None:
    """Stop the runs that must not go on; those that ran out of time without asking anyone."""
    for run in runs:
        if reason := run.reason or run.is_over():
            run.stop(reason)
    orders = read_orders(binding, [run.claim for run in runs])
    for run in runs:
        if reason := judge(orders, run.claim):
            run.stop(reason)


def _renew(binding: Binding, runs: Sequence[WatchedRun]) -> None:
    with binding.transaction() as session:
        claims.renew(session, binding.models, [run.claim for run in runs], binding.settings.lease)


def _end_for(binding: Binding) -> Callable[[Claim, RunStopped], None]:
    """Return a function that ends an execution in the name of a run that does not."""

    def end(claim: Claim, reason: RunStopped) -> None:
        state = reason.state
        if state is None:
            return  # it is somebody else's, or the lease will tell
        error = None if state is State.CANCELLED else describe(reason).shown(claim.execution_id)
        with contextlib.suppress(ClaimLost), binding.transaction() as session:
            claims.end(session, binding.models, claim, state, error=error)
            entry = events.Entry(state, {"forced": True})
            events.append(session, binding.models, claim.execution_id, [entry])

    return end


watches: t.Final = PerApp(Watch)
