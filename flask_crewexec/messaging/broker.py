"""Connections to the message broker that fail soon, and what is asked of the broker itself."""

from __future__ import annotations

import contextlib
import logging
import typing as t
import weakref
from collections.abc import Iterator

from celery import Celery
from kombu.connection import Connection
from kombu.exceptions import OperationalError
from kombu.messaging import Producer
from kombu.pools import PoolGroup
from kombu.pools import ProducerPool

from ..app_state import AppState
from ..errors import BrokerUnavailable
from ..statuses import PRIORITIES
from .broker_faults import fault_of
from .broker_faults import refuse_cluster_node
from .broker_faults import UnsuitableBroker
from .celery_app import is_replaced
from .celery_app import LOST
from .celery_app import lost_settings
from .celery_app import REPLACED
from .queues import list_name

log = logging.getLogger(__name__)

MAX_CONNECTIONS: t.Final = 1_000
"""How many threads of a process may use the broker at the same time."""
_PROBE: t.Final = "crewexec:probe"


def check_broker(app_state: AppState) -> None:
    """Check that the broker would accept a message.

    :raises BrokerUnavailable: if it would not, for instance since it is full or read-only.
    """
    with shared_broker_client(app_state) as client:
        client.set(_PROBE, "", ex=60)


def refuse_cluster(app_state: AppState) -> None:
    """Check that the broker is not a node of a Redis Cluster, unless its URL says so.

    :raises BrokerUnavailable: if it is, or does not answer in time.
    """
    with broker_client(app_state) as client:
        refuse_cluster_node(client)


def queue_depths(app_state: AppState) -> dict[str, dict[int, int]]:
    """Return the number of messages in each queue, by priority from 1 to 10.

    :raises BrokerUnavailable: if the broker does not answer in time.
    """
    with broker_client(app_state) as client:
        return {
            queue: {
                priority: client.llen(list_name(app_state.celery, queue, priority))
                for priority in PRIORITIES
            }
            for queue in app_state.settings.queues
        }


@contextlib.contextmanager
def shared_broker_client(app_state: AppState) -> Iterator[t.Any]:
    """Return a Redis client on a connection that stays open, for short and frequent commands.

    It may be used from any thread.

    :raises BrokerUnavailable: if the broker does not answer in time, or refuses a command.
    """
    celery = app_state.celery
    known = _shared_connections.get(celery)
    connection = known or _shared_connections.setdefault(
        celery, _short_timeout_connection(app_state).clone()
    )
    with _translate_broker_errors(connection):
        client = connection.default_channel.client
        if celery not in _checked:
            _check_before_first_use(celery, client)
            _checked.add(celery)
        yield client


@contextlib.contextmanager
def broker_client(app_state: AppState) -> Iterator[t.Any]:
    """Return a Redis client on a new connection, which is closed at the end.

    :raises BrokerUnavailable: if the broker does not answer in time.
    """
    connection = _short_timeout_connection(app_state).clone()
    with _translate_broker_errors(connection), connection:
        yield connection.default_channel.client


@contextlib.contextmanager
def producer(app_state: AppState) -> Iterator[Producer]:
    """Return a kombu producer whose connection fails soon.

    :raises LimitExceeded: if none becomes free in time.
    """
    pool = _producers[_short_timeout_connection(app_state)]
    with pool.acquire(block=True, timeout=app_state.settings.broker_timeout) as acquired:
        yield acquired


def _check_before_first_use(celery: Celery, client: t.Any) -> None:
    refuse_cluster_node(client)  # it would accept some messages
    if is_replaced(celery):
        log.warning(REPLACED)
    if lost := lost_settings(celery):
        log.warning(LOST.format(", ".join(lost)))


class _Producers(PoolGroup):  # type: ignore[misc]  # kombu ships no types
    """Pools of producers; Celery's own pool has only ten for all threads of a process."""

    def create(self, connection: Connection, limit: int) -> ProducerPool:
        return ProducerPool(connection.Pool(limit=limit), limit=limit)


_producers: t.Final = _Producers(limit=MAX_CONNECTIONS)

_checked: t.Final = weakref.WeakSet[Celery]()
"""Celery apps whose broker was found to be suitable."""

_Connections = weakref.WeakKeyDictionary[Celery, Connection]
_short_timeout_connections: t.Final = _Connections()
_shared_connections: t.Final = _Connections()


def _short_timeout_connection(app_state: AppState) -> Connection:
    """Return a connection that is never opened itself; its copies fail soon.

    Celery's own connections keep their time-outs: remote control may wait longer for answers.
    """
    known = _short_timeout_connections.get(app_state.celery)
    return known or _short_timeout_connections.setdefault(
        app_state.celery, _new_short_timeout_connection(app_state)
    )


def _new_short_timeout_connection(app_state: AppState) -> Connection:
    timeouts = dict.fromkeys(
        ("socket_timeout", "socket_connect_timeout"), app_state.settings.broker_timeout
    )
    once = {"max_retries": 0}  # otherwise kombu tries to connect for 4 s
    many = {"max_connections": MAX_CONNECTIONS}  # beyond kombu's ten, threads would get an error
    return app_state.celery.connection_for_write(transport_options={**timeouts, **once, **many})


@contextlib.contextmanager
def _translate_broker_errors(connection: Connection) -> Iterator[None]:
    try:
        yield
    except (
        OperationalError,
        *connection.connection_errors,
        *connection.channel_errors,
        UnsuitableBroker,
    ) as error:
        raise BrokerUnavailable(fault_of(error).detail) from error
