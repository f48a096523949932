"""Which installation takes messages from our queues in a Redis database.

Two applications with the same queues would take each other's messages. So workers claim their
queues, for as long as they live, and others with another database are refused.
"""

from __future__ import annotations

import typing as t
import uuid
import weakref

from celery import Celery
from sqlalchemy.exc import SQLAlchemyError

from ..app_state import AppState
from ..storage.installation import read_installation_id
from .broker import shared_broker_client
from .broker_faults import QueueTaken

_PREFIX: t.Final = "crewexec:claim:"
"""Followed by the name of a queue; the value is the id of the installation."""
_RELEASE: t.Final = (
    "if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('DEL', KEYS[1]) end"
)


class QueueClaims:
    """The claims in one Redis database.

    :param client: kombu's client for it.
    :param installation: id of our installation, if it has one.
    """

    def __init__(self, client: t.Any, installation: uuid.UUID | None) -> None:
        from redis import Redis  # is loaded by now

        # kombu's client would add the host's prefix to some commands only.
        self._prefix = f"{getattr(client, 'global_keyprefix', '')}{_PREFIX}"
        self._client = Redis(connection_pool=client.connection_pool)
        self._installation = None if installation is None else str(installation).encode()

    def check(self, queue: str) -> None:
        """Check that nobody else has claimed a queue.

        :raises QueueTaken: if somebody has.
        """
        if self._client.get(self._prefix + queue) not in (None, self._installation):
            raise QueueTaken(queue)

    def claim(self, queue: str, seconds: float) -> None:
        """Claim a queue, or prolong the claim.

        :raises QueueTaken: if another installation has claimed it.
        """
        assert self._installation is not None
        name, milliseconds = self._prefix + queue, int(seconds * 1000)
        if not self._client.set(name, self._installation, nx=True, px=milliseconds):
            self.check(queue)
            self._client.pexpire(name, milliseconds)

    def release(self, queue: str) -> None:
        """Give a queue up; other workers of the installation claim it again."""
        assert self._installation is not None
        self._client.eval(_RELEASE, 1, self._prefix + queue, self._installation)


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
