"""Which installation takes messages from our queues in a Redis database.

Two applications with the same queues would take each other's messages. So workers claim their
queues, for as long as any of them lives, and others with another database are refused.
"""

from __future__ import annotations

import typing as t
import uuid
import weakref
from collections.abc import Iterable

from celery import Celery
from sqlalchemy.exc import SQLAlchemyError

from ..app_state import AppState
from ..storage.installation import read_installation_id
from .broker import shared_broker_client
from .broker_faults import QueueTaken

_CLAIMED: t.Final = "crewexec:claim:"
"""Followed by the name of a queue; the value is the id of the installation."""
_CLAIMANTS: t.Final = "crewexec:claimants:"
"""Followed by the id of an installation and the name of a queue; a sorted set of the workers for
which the installation claims it, each with the time at which it counts as dead."""

_CLAIM: t.Final = """
local holder = redis.call('GET', KEYS[1])
if holder and holder ~= ARGV[1] then return 0 end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[3])
local now = redis.call('TIME')
redis.call('ZREMRANGEBYSCORE', KEYS[2], '-inf', now[1] + now[2] / 1e6)
redis.call('ZADD', KEYS[2], now[1] + now[2] / 1e6 + ARGV[3] / 1e3, ARGV[2])
redis.call('PEXPIRE', KEYS[2], ARGV[3])
return 1
"""
_RELEASE: t.Final = """
redis.call('ZREM', KEYS[2], ARGV[2])
local now = redis.call('TIME')
redis.call('ZREMRANGEBYSCORE', KEYS[2], '-inf', now[1] + now[2] / 1e6)
if redis.call('EXISTS', KEYS[2]) == 0 and redis.call('GET', KEYS[1]) == ARGV[1] then
    redis.call('DEL', KEYS[1])
end
"""


class QueueClaims:
    """The claims in one Redis database.

    :param client: kombu's client for it.
    :param installation: id of our installation, if it has one.
    """

    def __init__(self, client: t.Any, installation: uuid.UUID | None) -> None:
        from redis import Redis  # is loaded by now

        # kombu's client would add the host's prefix to some commands only.
        self._prefix = getattr(client, "global_keyprefix", "")
        self._client = Redis(connection_pool=client.connection_pool)
        self._installation = None if installation is None else str(installation).encode()

    def check(self, queue: str) -> None:
        """Check that nobody else has claimed a queue.

        :raises QueueTaken: if somebody has.
        """
        if self._client.get(self._name(queue)) not in (None, self._installation):
            raise QueueTaken(queue)

    def claim(self, queues: Iterable[str], worker: uuid.UUID, seconds: float) -> None:
        """Claim those of the *queues* that are free for a worker, or prolong its claims.

        :raises QueueTaken: if another installation has claimed one.
        """
        milliseconds = int(seconds * 1000)
        taken = [each for each in queues if not self._run(_CLAIM, each, worker, milliseconds)]
        if taken:
            raise QueueTaken(taken[0])

    def release(self, queues: Iterable[str], worker: uuid.UUID) -> None:
        """Give up a worker's claims; a queue is free if no other worker claims it."""
        for queue in queues:
            self._run(_RELEASE, queue, worker)

    def _name(self, queue: str) -> str:
        return f"{self._prefix}{_CLAIMED}{queue}"

    def _run(self, script: str, queue: str, worker: uuid.UUID, *arguments: int) -> object:
        """Run a script, so that no other worker comes between its commands."""
        assert self._installation is not None
        claimants = f"{self._prefix}{_CLAIMANTS}{self._installation.decode()}:{queue}"
        names = (self._name(queue), claimants)
        return self._client.eval(script, 2, *names, self._installation, str(worker), *arguments)


_checked: t.Final = weakref.WeakSet[Celery]()
"""Celery apps whose queues nobody else had claimed when this process sent its first message."""


def check_before_first_message(app_state: AppState) -> None:
    """Check that nobody else has claimed our queues, once in each process.

    :raises BrokerUnavailable: if somebody has, or the broker does not answer in time.
    """
    if app_state.celery in _checked:
        return
    try:
        installation = read_installation_id(app_state)
    except SQLAlchemyError:
        return  # sending the message will fail, too
    _check(app_state, installation)
    _checked.add(app_state.celery)


def check_claims(app_state: AppState) -> None:
    """Check that nobody else has claimed our queues.

    :raises BrokerUnavailable: if somebody has, or the broker does not answer in time.
    :raises SQLAlchemyError: if the database does not answer.
    """
    _check(app_state, read_installation_id(app_state))


def _check(app_state: AppState, installation: uuid.UUID | None) -> None:
    with shared_broker_client(app_state) as client:
        claims = QueueClaims(client, installation)
        for queue in app_state.settings.queues:
            claims.check(queue)
