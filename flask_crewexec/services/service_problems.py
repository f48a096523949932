"""What is wrong with the service, for every page that managers open.

The checks are those of readiness, of beat, and of versions. Pages use results that are a few
seconds old. New ones are found in a thread for which a page waits only for a moment, so that a
server that hangs makes no page slow.
"""

from __future__ import annotations

import contextlib
import logging
import threading
import time
import typing as t
from collections.abc import Iterable

from ..app_state import AppState
from ..config.versions import installed_version
from ..config.versions import PACKAGE
from ..per_app import AppLocal
from ..storage.workers import live_workers
from .checks.workers import check_beat
from .readiness import Check
from .readiness import check_all
from .readiness import QUEUE
from .time_bound_call import CallTimedOut
from .time_bound_call import TimeBoundCall

log = logging.getLogger(__name__)

MAX_AGE_SECONDS: t.Final = 5.0
PATIENCE_SECONDS: t.Final = 0.5
"""How long a page waits for new results; otherwise it shows the former ones."""

_ask: t.Final = TimeBoundCall()


class _Latest:
    """The latest results of one application in this process."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._is_refreshing = False
        self._valid_until = float("-inf")
        self.problems: list[Check] = []

    def begin_refresh(self) -> bool:
        """Return whether the caller is to refresh the results, which are too old."""
        with self._lock:
            if self._is_refreshing or time.monotonic() < self._valid_until:
                return False
            self._is_refreshing = True
            return True

    def refresh(self, app_state: AppState) -> None:
        """Replace the results; if that fails, keep the former ones."""
        try:
            self.problems = find_problems(app_state)
        except Exception:
            log.warning("Could not check the service.", exc_info=True)
        finally:
            self.end_refresh()

    def end_refresh(self) -> None:
        """Let the results be used for a while."""
        with self._lock:
            self._is_refreshing = False
            self._valid_until = time.monotonic() + MAX_AGE_SECONDS


_latest: t.Final = AppLocal(lambda app: _Latest())


def service_problems(app_state: AppState) -> list[Check]:
    """Return what is wrong, as of a few seconds ago, except for a pause of the queue."""
    latest = _latest.current()
    if latest.begin_refresh():
        try:
            with contextlib.suppress(CallTimedOut):
                _ask(lambda: latest.refresh(app_state), PATIENCE_SECONDS)
        except Exception:  # no thread could be started
            log.warning("Could not check the service.", exc_info=True)
            latest.end_refresh()
    return latest.problems


def find_problems(app_state: AppState) -> list[Check]:
    """Check the service now."""
    checks = check_all(app_state)
    problems = [check for name, check in checks.items() if name != QUEUE and not check.passed]
    if checks["database"].passed:
        problems += _beat(app_state)
        problems += _versions(app_state)
    return list(dict.fromkeys(problems))


def _beat(app_state: AppState) -> Iterable[Check]:
    return [
        Check("beat", each.detail, each.remedy)
        for each in check_beat(app_state)
        if each.status != "ok"
    ]


def _versions(app_state: AppState) -> Iterable[Check]:
    """Compare the versions of the live workers with each other, and with that of this process."""
    workers = live_workers(app_state)
    ours = {installed_version(PACKAGE), *(each.version for each in workers if each.version)}
    crewai = {each.crewai_version for each in workers if each.crewai_version}
    for name, versions in ((PACKAGE, ours), ("CrewAI", crewai)):
        if len(versions) > 1:
            listed = ", ".join(sorted(map(str, versions)))
            yield Check(
                "versions",
                f"Processes run different versions of {name}: {listed}.",
                "Restart the workers after each upgrade, with SIGTERM; then the web servers.",
            )
