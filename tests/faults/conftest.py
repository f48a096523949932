"""Everything a hundred times faster than in production, and a reconciler at hand."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from flask import Flask

from flask_crewexec.tasks import cleanup
from support.api_client import Api
from support.fast_settings import FAST
from support.servers.processes import wait_until


@pytest.fixture
def settings(settings: dict[str, object]) -> dict[str, object]:
    return {**{f"CREWEXEC_{name}": value for name, value in FAST.items()}, **settings}


Settle = Callable[..., dict[str, object]]


@pytest.fixture
def reconcile(app: Flask) -> Callable[[], dict[str, int]]:
    """Do one round, as beat asks a worker for."""
    return lambda: cleanup.handle({"action": "reconcile"})


@pytest.fixture
def settle(api: Api, reconcile: Callable[[], object]) -> Settle:
    """Reconcile until the execution has the status, and return it."""

    def settle(id: str, status: str = "completed", seconds: float = 40.0) -> dict[str, object]:
        def has_it() -> bool:
            reconcile()
            return api.status(id)["status"] == status

        wait_until(has_it, seconds=seconds, what=f"'{status}' of {api.status(id)}")
        return api.status(id)

    return settle
