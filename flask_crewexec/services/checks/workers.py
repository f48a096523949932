"""Checks of workers and beat."""

from __future__ import annotations

import typing as t
from collections.abc import Iterable
from collections.abc import Iterator

from ...app_state import AppState
from ...config.versions import CREWAI
from ...config.versions import installed_version
from ...config.versions import PACKAGE
from ...models import WorkerMixin
from ...storage.installation import seconds_since_reconcile_round
from ...storage.workers import known_workers
from ...storage.workers import live_workers
from .check import Check
from .check import error
from .check import ok
from .check import Result
from .check import skipped
from .check import unless_any
from .check import warning

MAX_WORKERS: t.Final = 1_000
MAX_SHOWN: t.Final = 10
"""How many workers are named."""
MISSED_ROUNDS: t.Final = 3
"""How many rounds may be missing before beat is considered gone."""


def check_silent(app_state: AppState) -> Iterable[Result]:
    """Check that no worker has become silent without signing off."""
    stale_after = app_state.settings.stale_worker_after
    seen = known_workers(app_state, MAX_WORKERS)
    silent = [f"'{row.worker.name}'" for row in seen if row.silent >= stale_after]
    if not silent:
        return [ok("No worker has become silent.")]
    return [
        warning(
            f"Workers have become silent without signing off: {_listed(silent)}.",
            "They were killed, hang, or do not reach the database: look at their logs.",
        )
    ]


def check_versions(app_state: AppState) -> Iterable[Result]:
    """Check that live workers have the same versions as this process."""
    workers = live_workers(app_state)
    if not workers:
        return [skipped("There is no live worker.")]
    return unless_any(
        [
            *_others(PACKAGE, {worker.name: worker.version for worker in workers}),
            *_others("CrewAI", _crewai_versions(app_state, workers)),
        ],
        "All live workers have the versions that are installed here.",
    )


def _crewai_versions(app_state: AppState, workers: Iterable[WorkerMixin]) -> dict[str, str | None]:
    """Return the versions of CrewAI of those that run executions."""
    queue = app_state.settings.execution_queue
    return {each.name: each.crewai_version for each in workers if queue in each.queues}


def _others(name: str, versions: dict[str, str | None]) -> Iterator[Result]:
    here = installed_version(CREWAI if name == "CrewAI" else name)
    others = [
        f"'{worker}' ({version or 'unknown'})"
        for worker, version in versions.items()
        if version != here
    ]
    if others:
        yield warning(
            f"Workers have another version of {name} than this machine ({here}):"
            f" {_listed(others)}.",
            "Restart the workers after each upgrade, with SIGTERM; then the web servers.",
        )


def check_beat(app_state: AppState) -> Iterator[Result]:
    """Check that beat sends messages, and that a worker does what they say."""
    seconds = seconds_since_reconcile_round(app_state)
    interval = app_state.settings.reconcile_interval.total_seconds()
    allowed = MISSED_ROUNDS * interval + interval
    if seconds is not None and seconds <= allowed:
        yield ok(f"The last reconcile round was {max(0, int(seconds))} s ago.")
        return
    last = "There was no reconcile round yet"
    if seconds is not None:
        last = f"The last reconcile round was {int(seconds):,} s ago"
    if _has_just_started(app_state, allowed):
        yield warning(
            f"{last}, but a worker has just started.",
            f"If beat runs, the next round begins within {interval:g} s: check again.",
        )
        return
    yield error(
        f"{last}, so retries are not started and lost executions are not recovered.",
        "Start 'flask --app myapp crewexec beat', or one worker with '--beat', and a worker of the"
        f" queue '{app_state.settings.cleanup_queue}'.",
    )


def _has_just_started(app_state: AppState, seconds: float) -> bool:
    """Return whether a worker that could do a round started less than *seconds* ago."""
    queue = app_state.settings.cleanup_queue
    return any(
        (worker.seen_at - worker.started_at).total_seconds() < seconds
        for worker in live_workers(app_state)
        if queue in worker.queues
    )


def _listed(names: list[str]) -> str:
    more = len(names) - MAX_SHOWN
    return ", ".join(names[:MAX_SHOWN]) + (f" and {more} more" if more > 0 else "")


CHECKS: t.Final = (
    Check("silent-workers", check_silent, needs=("database-server",)),
    Check("worker-versions", check_versions, needs=("database-server",)),
    Check("beat", check_beat, needs=("database-server",)),
)
