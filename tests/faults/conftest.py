"""Everything a hundred times faster than in production, and a reconciler at hand."""

from __future__ import annotations

import datetime as dt
import sys
import typing as t
from collections.abc import Callable

import pytest
from flask import Flask

from flask_crewexec.tasks import cleanup
from support.api_client import Api
from support.fast_settings import FAST
from support.in_process import change
from support.paths import TESTS
from support.servers.forked_processes import ForkServer
from support.servers.processes import wait_until

WITH_PROCESSES: t.Final = {"start_worker", "fork_server", "killed"}
"""Fixtures of tests in which another process may have to take over."""
PATIENT: t.Final = {"LEASE_SECONDS": 60.0}
"""A machine that stands still for some seconds must not end a run of the test's own process."""


@pytest.fixture
def settings(request: pytest.FixtureRequest, settings: dict[str, object]) -> dict[str, object]:
    fast = FAST if WITH_PROCESSES & set(request.fixturenames) else FAST | PATIENT
    return {**{f"CREWEXEC_{name}": value for name, value in fast.items()}, **settings}


LONG_AGO: t.Final = dt.datetime(2001, 1, 1, tzinfo=dt.UTC)

Settle = Callable[..., dict[str, object]]


@pytest.fixture
def reconcile(app: Flask) -> Callable[[], dict[str, int]]:
    """Do one round, as beat asks a worker for."""
    return lambda: cleanup.handle({"action": "reconcile"})


@pytest.fixture
def settle(api: Api, reconcile: Callable[[], object]) -> Settle:
    """Reconcile until the execution has the status, and return it."""

    def settle(id: str, status: str = "completed", seconds: float = 90.0) -> dict[str, object]:
        def has_it() -> bool:
            reconcile()
            return api.status(id)["status"] == status

        wait_until(has_it, seconds=seconds, what=f"'{status}' of {api.status(id)}")
        return api.status(id)

    return settle


@pytest.fixture
def killed(
    app: Flask,
    environment: dict[str, str],
    fork_server: ForkServer,
    reconcile: Callable[[], object],
) -> Callable[[str, int, str], str]:
    """A function that runs an attempt in a process that is killed; it returns what was printed."""

    def killed(id: str, at: int, when: str) -> str:
        command = [sys.executable, "-m", "support.killed_run", id, str(at), when]
        variables = {**environment, "PYTHONPATH": str(TESTS)}
        done = fork_server.run(command, environment=variables)
        if done.returncode != 0:
            change(id, lease_expires_at=LONG_AGO)
            reconcile()
        return done.stdout + done.stderr

    return killed
