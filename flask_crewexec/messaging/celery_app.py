"""Celery bound to Flask: queues, priorities, publishing and the beat schedule.

The message is only a wake-up call that names an execution and an attempt. It is acknowledged
early: delivering it again would gain nothing, because the row in the database decides who runs.
"""

from __future__ import annotations

import contextlib
import typing as t
import uuid
import weakref
from collections.abc import Iterator
from collections.abc import Mapping

from celery import Celery
from celery import Task
from flask import Flask
from kombu.connection import Connection
from kombu.entity import Queue
from kombu.exceptions import LimitExceeded
from kombu.exceptions import OperationalError
from kombu.pools import PoolGroup
from kombu.pools import ProducerPool

from ..app_state import AppState
from ..config.redis_urls import check_broker_url
from ..config.redis_urls import redis_url
from ..config.settings import Settings
from ..errors import BrokerUnavailable
from ..errors import ConfigError
from ..statuses import PRIORITIES
from .message_template import message_templates

EXECUTION_QUEUE = "crew_execution"
CLEANUP_QUEUE = "cleanup"
EXECUTION_TASK = "crewexec.execution"
CLEANUP_TASK = "crewexec.cleanup"


class FlaskTask(Task):  # type: ignore[misc]  # Celery ships no types
    """A task that runs inside the application context of its Celery app's Flask app."""

    abstract = True

    def __call__(self, *args: object, **kwargs: object) -> object:
        with self.app.flask_app.app_context():
            return self.run(*args, **kwargs)


def bind_celery(app: Flask, settings: Settings) -> Celery:
    """Return the Celery app of *app*, ready for our queues.

    A Celery app that the host made itself (``app.extensions["celery"]``) is kept and extended.

    :raises ConfigError: if the host's Celery app is set up in a way that would break ours.
    """
    celery = app.extensions.get("celery")
    if celery is None:
        celery = app.extensions["celery"] = _new_celery(app, settings)
    _add_our_part(celery, settings)
    celery.flask_app = app
    return t.cast(Celery, celery)


def _new_celery(app: Flask, settings: Settings) -> Celery:
    celery = Celery(app.name, task_cls=FlaskTask, set_as_current=False)
    celery.conf.update(
        broker_url=redis_url(app.config, "CELERY_BROKER_URL"),
        result_backend=redis_url(app.config, "CELERY_RESULT_BACKEND"),
        result_expires=settings.result_expires,
        broker_connection_retry_on_startup=True,
        task_default_queue=EXECUTION_QUEUE,
        task_create_missing_queues=False,
        task_ignore_result=True,
        task_track_started=False,
        timezone="UTC",
    )
    celery.conf.update(app.config.get("CELERY", {}))
    celery.set_default()
    return celery


def _add_our_part(celery: Celery, settings: Settings) -> None:
    conf = celery.conf
    check_broker_url(conf.broker_url)
    conf.update(
        worker_disable_prefetch=True,
        task_queues=_with_our_queues(conf.task_queues, conf.task_default_queue),
        task_routes={**_routes_of(conf.task_routes), **_ROUTES},
        broker_transport_options=_transport_options(conf.broker_transport_options),
        beat_schedule={**conf.beat_schedule, **_beat_schedule(settings)},
    )


_ROUTES: t.Final = {
    EXECUTION_TASK: {"queue": EXECUTION_QUEUE},
    CLEANUP_TASK: {"queue": CLEANUP_QUEUE},
}


def _routes_of(routes: object) -> Mapping[str, t.Any]:
    if routes is None or isinstance(routes, Mapping):
        return routes or {}
    raise ConfigError(
        "'task_routes' of your Celery app must be a dictionary, so that 'CrewExec' can add its own."
    )


def _with_our_queues(queues: object, default: str) -> list[Queue]:
    if queues and not _are_queues(queues):
        raise ConfigError(
            "'task_queues' of your Celery app must be a list of 'kombu.Queue', so that 'CrewExec'"
            " can add its own."
        )
    ours = [Queue(name, routing_key=name) for name in (EXECUTION_QUEUE, CLEANUP_QUEUE)]
    if not queues:
        hosts = [] if default == EXECUTION_QUEUE else [Queue(default, routing_key=default)]
    else:
        listed = t.cast("list[Queue]", queues)
        hosts = [queue for queue in listed if queue.name not in {q.name for q in ours}]
    return hosts + ours


def _are_queues(queues: object) -> bool:
    listed = isinstance(queues, list | tuple)
    return listed and all(isinstance(queue, Queue) for queue in t.cast("list[object]", queues))


def _transport_options(given: Mapping[str, t.Any]) -> dict[str, t.Any]:
    """Ten real priority levels.

    Without ``priority_steps`` Celery folds ten priorities into four. kombu maps 0, the most
    urgent, to the bare list and the others to ``queue:N``.
    """
    ours = {"priority_steps": list(range(10)), "sep": ":"}
    for key, value in ours.items():
        if given.get(key, value) != value:
            raise ConfigError(
                f"'broker_transport_options[{key!r}]' of your Celery app must be {value!r}:"
                " 'CrewExec' needs ten priority levels."
            )
    return {"visibility_timeout": 3600, **given, **ours}


def _beat_schedule(settings: Settings) -> dict[str, t.Any]:
    """What beat sends; every entry may be sent any number of times, and by several beats."""
    intervals = {"reconcile": settings.reconcile_interval, "purge": settings.purge_interval}
    return {
        f"crewexec-{action}": {
            "task": CLEANUP_TASK,
            "schedule": interval,
            "args": ({"action": action},),
            # Without workers they would pile up; clocks may differ, but not by as much as this.
            "options": {"expires": _BEAT_EXPIRES, "ignore_result": True},
        }
        for action, interval in intervals.items()
    }


_BEAT_EXPIRES: t.Final = 3600.0

NOTHING_QUEUED: t.Final = (
    "The message broker did not answer, so nothing was queued. Try again in a moment."
)


def publish_attempt(
    app_state: AppState, execution_id: uuid.UUID, attempt: int, priority: int
) -> None:
    """Tell the workers that an attempt waits in the database.

    :raises BrokerUnavailable: if the broker did not confirm the message in time; it may have
        arrived all the same.
    """
    event = {"execution_id": str(execution_id), "attempt": attempt}
    task, id = app_state.celery.tasks[EXECUTION_TASK], task_id(execution_id, attempt)
    draft = message_templates.current().get(task, PRIORITIES.index(priority))
    try:
        if draft is None:
            _publish_with_celery(app_state, task, event, task_id=id, priority=priority)
        else:
            with shared_broker_client(app_state) as client:
                client.lpush(_list_name(EXECUTION_QUEUE, priority), draft.render(id, event))
    except (BrokerUnavailable, OperationalError, LimitExceeded) as error:
        raise BrokerUnavailable(NOTHING_QUEUED) from error


def _publish_with_celery(
    app_state: AppState, task: Task, event: dict[str, t.Any], *, task_id: str, priority: int
) -> None:
    timeout = app_state.settings.broker_timeout
    with _producers[_short_timeout_connection(app_state)].acquire(
        block=True, timeout=timeout
    ) as producer:
        task.apply_async(
            (event,),
            task_id=task_id,
            priority=PRIORITIES.index(priority),
            producer=producer,
            retry=False,
            ignore_result=True,
        )


MAX_CONNECTIONS: t.Final = 1_000
"""How many threads of a process may talk to the broker at one moment."""


class _Producers(PoolGroup):  # type: ignore[misc]  # kombu ships no types
    """Like Celery's, which are ten for all threads of a process."""

    def create(self, connection: Connection, limit: int) -> ProducerPool:
        return ProducerPool(connection.Pool(limit=limit), limit=limit)


_producers: t.Final = _Producers(limit=MAX_CONNECTIONS)

_Connections = weakref.WeakKeyDictionary[Celery, Connection]
_impatient_connections: t.Final = _Connections()
_kept_connections: t.Final = _Connections()


def _short_timeout_connection(app_state: AppState) -> Connection:
    """Return a connection, never opened itself, whose copies answer soon, well or badly.

    Celery's own connections are left alone: remote control may wait longer for its answers.
    """
    known = _impatient_connections.get(app_state.celery)
    return known or _impatient_connections.setdefault(
        app_state.celery, _new_short_timeout_connection(app_state)
    )


def _new_short_timeout_connection(app_state: AppState) -> Connection:
    timeouts = dict.fromkeys(
        ("socket_timeout", "socket_connect_timeout"), app_state.settings.broker_timeout
    )
    once = {"max_retries": 0}  # else kombu goes on trying to connect for 4 s
    many = {"max_connections": MAX_CONNECTIONS}  # kombu's ten would fail threads, not let them wait
    return app_state.celery.connection_for_write(transport_options={**timeouts, **once, **many})


def task_id(execution_id: uuid.UUID, attempt: int) -> str:
    """Return Celery's id for an attempt: the execution's for the first, its own for the others.

    A worker refuses an id that was revoked once, so a later attempt cannot share the first's.
    """
    return str(execution_id) if attempt == 1 else f"{execution_id}.{attempt}"


def ping(app_state: AppState) -> None:
    """Ask the broker for a sign of life.

    :raises BrokerUnavailable: if it does not give one in time.
    """
    with broker_client(app_state) as client:
        client.ping()


def check_broker(app_state: AppState) -> None:
    """Make sure that the broker would take a message.

    :raises BrokerUnavailable: if it does not answer in time, or is full or read-only.
    """
    try:
        with shared_broker_client(app_state) as client:
            client.set(_PROBE, "", ex=60)
    except BrokerUnavailable as error:
        raise BrokerUnavailable(NOTHING_QUEUED) from error


_PROBE: t.Final = "crewexec:probe"


def queue_depths(app_state: AppState) -> dict[str, dict[int, int]]:
    """Return how many messages wait in each queue, by priority from 1 to 10.

    :raises BrokerUnavailable: if the broker does not answer in time.
    """
    with broker_client(app_state) as client:
        return {
            queue: {priority: client.llen(_list_name(queue, priority)) for priority in PRIORITIES}
            for queue in (EXECUTION_QUEUE, CLEANUP_QUEUE)
        }


@contextlib.contextmanager
def shared_broker_client(app_state: AppState) -> Iterator[t.Any]:
    """Return a Redis client that is kept, for what is small and often done, from any thread.

    :raises BrokerUnavailable: if the broker does not answer in time.
    """
    kept = _kept_connections.get(app_state.celery)
    connection = kept or _kept_connections.setdefault(
        app_state.celery, _short_timeout_connection(app_state).clone()
    )
    with _translate_broker_errors(connection):
        yield connection.default_channel.client


@contextlib.contextmanager
def broker_client(app_state: AppState) -> Iterator[t.Any]:
    """Return a Redis client of a new connection.

    :raises BrokerUnavailable: if the broker does not answer in time.
    """
    connection = _short_timeout_connection(app_state).clone()
    with _translate_broker_errors(connection), connection:
        yield connection.default_channel.client


@contextlib.contextmanager
def _translate_broker_errors(connection: Connection) -> Iterator[None]:
    try:
        yield
    except (
        OperationalError,
        *connection.connection_errors,
        *connection.channel_errors,
    ) as error:
        raise BrokerUnavailable("The message broker did not answer in time.") from error


def _list_name(queue: str, priority: int) -> str:
    step = PRIORITIES.index(priority)
    return queue if step == 0 else f"{queue}:{step}"
