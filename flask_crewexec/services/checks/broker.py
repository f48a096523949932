"""Checks of the broker's server, and of who else uses it."""

from __future__ import annotations

import typing as t
from collections.abc import Iterable
from collections.abc import Iterator

from ...app_state import AppState
from ...errors import BrokerUnavailable
from ...messaging.broker_facts import BrokerServer
from ...messaging.broker_facts import read_broker_server
from ...messaging.broker_faults import fault_of
from ...messaging.broker_faults import is_unsuitable
from ...messaging.celery_app import is_replaced
from ...messaging.celery_app import REPLACED
from ...messaging.queue_claims import check_claims
from .check import Check
from .check import error
from .check import ok
from .check import Result
from .check import skipped
from .check import unless_any
from .check import warning

LOWEST_VERSION: t.Final = (6, 2)
NEARLY_FULL: t.Final = 0.9


def check_server(app_state: AppState) -> Iterable[Result]:
    """Check the version of the server, and how it keeps what it stores."""
    server = read_broker_server(app_state)
    if server is None:
        return [skipped("The server does not permit the command 'INFO'.")]
    problems = [*_role(server), *_memory(server), *_persistence(server)]
    return unless_any(problems, f"{server.name} evicts nothing, and saves its data.")


def _role(server: BrokerServer) -> Iterator[Result]:
    if server.compatible and server.compatible < LOWEST_VERSION:
        yield error(f"{server.name} is too old.", "Upgrade it to Redis 6.2 or newer, or Valkey.")
    if server.is_replica:
        yield error(
            "The message broker is a replica, which loses what is written to it.",
            "Point 'CELERY_BROKER_URL' at the primary, or use Sentinel, which finds it.",
        )


def _memory(server: BrokerServer) -> Iterator[Result]:
    if server.used is None:
        return
    if server.policy != "noeviction":
        yield warning(
            f"{server.name} has the 'maxmemory-policy' {server.policy}, so it drops messages when"
            " it is full.",
            "Set 'maxmemory-policy' to noeviction, in a server that is used for nothing else.",
        )
    if server.used > NEARLY_FULL:
        yield warning(
            f"{server.name} has used {server.used:.0%} of its 'maxmemory'.",
            "Raise 'maxmemory' of the server, or remove what else it stores.",
        )


def _persistence(server: BrokerServer) -> Iterator[Result]:
    if not (server.appends or server.snapshots or server.snapshots is None):
        yield warning(
            f"{server.name} saves nothing. After its restart, executions wait until the reconciler"
            " has sent their messages again.",
            "Switch on the append-only file: 'appendonly yes'.",
        )
    if server.failed:
        yield warning(
            f"{server.name} could not save its data the last time.",
            "Read the log of the server: its disk may be full, or its folder not writable.",
        )


def check_queues(app_state: AppState) -> Iterator[Result]:
    """Check that no other application takes our messages, and that our Celery app is used."""
    if is_replaced(app_state.celery):
        yield error(REPLACED, "Create your Celery app before 'CrewExec', or pass it.")
    try:
        check_claims(app_state)
    except BrokerUnavailable as problem:
        if not is_unsuitable(problem):
            raise
        fault = fault_of(problem)
        yield error(fault.detail, fault.remedy)
    else:
        queues = ", ".join(f"'{queue}'" for queue in app_state.settings.queues)
        yield ok(f"No other application takes messages from {queues}.")


CHECKS: t.Final = (
    Check("broker-server", check_server, needs=("broker",)),
    Check("queues", check_queues, needs=("database-server", "broker")),
)
