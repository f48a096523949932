"""Readiness: whether this process can queue executions, and whether workers would run them."""

from __future__ import annotations

import contextlib
import threading
import time
import typing as t
from collections.abc import Callable
from collections.abc import Mapping

import sqlalchemy as sa

from ..app_state import AppState
from ..errors import BrokerUnavailable
from ..messaging.broker import check_broker
from ..messaging.broker_faults import fault_of
from ..messaging.broker_faults import SILENT
from ..messaging.queue_claims import check_claims
from ..per_app import AppLocal
from ..storage.database_check import is_writable
from ..storage.database_check import missing_names
from ..storage.queue_pause import read_pause
from ..storage.workers import live_workers
from .time_bound_call import CallTimedOut
from .time_bound_call import TimeBoundCall

BROKER_CHECK_SECONDS: t.Final = 2.0
"""How long the result of writing to the broker is used."""
WORKERS: t.Final = "workers:"
"""Followed by the name of a queue, the name of the check that a live worker consumes it."""
QUEUE: t.Final = "queue"
"""Name of the check that executions may start."""


class Check(t.NamedTuple):
    """The result of one check."""

    result: str
    """Short name of the condition; ``ok`` if the check passed."""
    detail: str = ""
    """Sentence that says what is wrong."""
    remedy: str = ""
    """Sentence that says what operators do about it."""

    @property
    def passed(self) -> bool:
        """Whether nothing is wrong."""
        return self.result == OK.result


OK: t.Final = Check("ok")
_DATABASE_SILENT: t.Final = Check(
    "no answer",
    "The database did not answer in time.",
    "Check that its server runs, and that no transaction locks the tables.",
)
_DATABASE_UNREACHABLE: t.Final = Check(
    "unreachable",
    "The database cannot be reached, or refuses its user.",
    "Check its URL, its server, and the rights of the user.",
)
_DATABASE_READ_ONLY: t.Final = Check(
    "read-only",
    "The database is read-only.",
    "Point its URL at the primary server, or let this user write.",
)
_WORKERS_UNKNOWN: t.Final = Check(
    "unknown",
    "The database does not tell which workers are alive.",
    "Repair the database first.",
)

PAUSED: t.Final = Check(
    "paused",
    "The queue is paused: no execution starts.",
    "Resume it with 'flask --app myapp crewexec resume-queue' once the reason is gone.",
)
_PAUSE_UNKNOWN: t.Final = Check(
    "unknown",
    "The database does not tell whether the queue is paused.",
    "Repair the database first.",
)

_ask_database: t.Final = TimeBoundCall()
_ask_broker: t.Final = TimeBoundCall()


def check_all(app_state: AppState) -> dict[str, Check]:
    """Return the result of each check by its name.

    The database and the broker have ``CREWEXEC_HEALTH_TIMEOUT`` seconds each.
    """
    database = check_database(app_state)
    readable = database.passed or database is _DATABASE_READ_ONLY
    workers = check_workers(app_state) if readable else {}
    ask_broker = _check_messages if readable else check_writes
    return {
        "database": database,
        "broker": _broker_checks.current().get(lambda: ask_broker(app_state)),
        **{
            f"{WORKERS}{queue}": workers.get(queue, _WORKERS_UNKNOWN)
            for queue in app_state.settings.queues
        },
        QUEUE: check_queue(app_state) if readable else _PAUSE_UNKNOWN,
    }


def is_ready(app_state: AppState, checks: Mapping[str, Check], *, with_workers: bool) -> bool:
    """Return whether executions can be queued, and, if wanted, whether workers are there."""

    def is_required(name: str) -> bool:
        if name.startswith(WORKERS) or name == QUEUE:
            return with_workers
        return name != "broker" or not app_state.settings.accept_without_broker

    return all(check.passed for name, check in checks.items() if is_required(name))


class _RecentCheck:
    """The last result of a check, which is used for a while; callers wait for a running one."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._check = OK
        self._valid_until = 0.0

    def get(self, make: Callable[[], Check]) -> Check:
        with self._lock:
            if time.monotonic() >= self._valid_until:
                self._check = make()
                self._valid_until = time.monotonic() + BROKER_CHECK_SECONDS
            return self._check


_broker_checks: t.Final = AppLocal(lambda app: _RecentCheck())


def check_writes(app_state: AppState) -> Check:
    """Check that the broker accepts a message."""
    return _check_broker(app_state, lambda: check_broker(app_state))


def _check_messages(app_state: AppState) -> Check:
    """Check that the broker accepts a message, and no other application takes it."""

    def check() -> None:
        check_broker(app_state)
        with contextlib.suppress(sa.exc.SQLAlchemyError):  # it has become unavailable
            check_claims(app_state)

    return _check_broker(app_state, check)


def _check_broker(app_state: AppState, check: Callable[[], None]) -> Check:
    try:
        _ask_broker(check, app_state.settings.health_timeout)
    except CallTimedOut:
        return Check(*SILENT)
    except BrokerUnavailable as error:
        return Check(*fault_of(error))
    return OK


class _Schema:
    """Whether the database has the tables of the models; looked up until it has."""

    def __init__(self) -> None:
        self._complete = False

    def missing(self, app_state: AppState) -> list[str]:
        missing = [] if self._complete else missing_names(app_state)
        self._complete = not missing
        return missing


_schemas: t.Final = AppLocal(lambda app: _Schema())


def check_database(app_state: AppState) -> Check:
    """Check that the database accepts writes, and has all tables and columns."""
    schema = _schemas.current()

    def check() -> Check:
        if missing := schema.missing(app_state):
            return _missing(missing)
        return OK if is_writable(app_state) else _DATABASE_READ_ONLY

    try:
        return _ask_database(check, app_state.settings.health_timeout)
    except CallTimedOut:
        return _DATABASE_SILENT
    except sa.exc.SQLAlchemyError:
        return _DATABASE_UNREACHABLE


def _missing(names: list[str]) -> Check:
    columns = [name for name in names if "." in name]
    what = "columns" if len(columns) == len(names) else "tables"
    listed = ", ".join(f"'{name}'" for name in names)
    return Check(
        f"no {what}",
        f"The database lacks {listed}.",
        "Run your migrations, or call 'db.create_all()' for an empty database.",
    )


def check_queue(app_state: AppState) -> Check:
    """Check that the queue is not paused. Everybody sees the result, so it does not name who."""
    try:
        paused = _ask_database(lambda: read_pause(app_state), app_state.settings.health_timeout)
    except (CallTimedOut, sa.exc.SQLAlchemyError):
        return _PAUSE_UNKNOWN
    return OK if paused is None else PAUSED


def check_workers(app_state: AppState) -> dict[str, Check]:
    """Return for each queue whether a live worker consumes it; empty without an answer.

    Those that are drained do not.
    """
    try:
        workers = _ask_database(lambda: live_workers(app_state), app_state.settings.health_timeout)
    except (CallTimedOut, sa.exc.SQLAlchemyError):
        return {}
    consumed = {queue for worker in workers if worker.drain is None for queue in worker.queues}
    queues = app_state.settings.queues
    return {queue: OK if queue in consumed else _no_worker(queue) for queue in queues}


def _no_worker(queue: str) -> Check:
    return Check(
        "no worker",
        f"No live worker consumes the queue '{queue}'.",
        "Start one with 'flask --app myapp crewexec worker', or look at its log.",
    )
