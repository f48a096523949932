"""Celery bound to Flask: tasks in the application context, queues, priorities, beat schedule.

Messages are acknowledged early: to deliver one again would gain nothing, since the row in the
database decides which worker runs an attempt.
"""

from __future__ import annotations

import typing as t
from collections.abc import Mapping

from celery import Celery
from celery import Task
from flask import Flask
from kombu.entity import Queue

from ..config.redis_urls import BROKER_SCHEMES
from ..config.redis_urls import check_broker_url
from ..config.redis_urls import is_cluster
from ..config.redis_urls import redis_url
from ..config.redis_urls import server_options
from ..config.redis_urls import single_host_url
from ..config.redis_urls import tls_options
from ..config.settings import Settings
from ..errors import ConfigError
from .queues import CLEANUP_TASK
from .queues import EXECUTION_TASK
from .queues import NOTIFICATION_TASK
from .queues import OUR_QUEUES_OPTION
from .transport_aliases import use_our_transports

BEAT_SCHEDULER: t.Final = "flask_crewexec.worker.beat_schedule:BeatScheduler"
CELERYS_BEAT_SCHEDULER: t.Final = "celery.beat:PersistentScheduler"
BEAT_EXPIRES_SECONDS: t.Final = 3600.0
"""How long a message of beat is valid: without workers they would pile up, and clocks differ by
less than this."""
_MADE_HERE: t.Final = "made_by_crewexec"
REPLACED: t.Final = (
    "Your application has stored another Celery app in 'app.extensions[\"celery\"]' after"
    " 'CrewExec.init_app'; its workers do not know the tasks of 'CrewExec'. Store it before, or"
    " pass it: 'init_app(app, celery=celery)'."
)
LOST: t.Final = (
    "Your application has set {} of its Celery app after 'CrewExec.init_app', without what"
    " 'CrewExec' had added. Set it before, or add to its value."
)


class FlaskTask(Task):  # type: ignore[misc]  # Celery ships no types
    """A task that runs inside the application context of its Celery app's Flask app."""

    abstract = True

    def __call__(self, *args: object, **kwargs: object) -> object:
        with self.app.flask_app.app_context():
            return self.run(*args, **kwargs)


def bind_celery(app: Flask, settings: Settings, given: Celery | None = None) -> Celery:
    """Return the Celery app of our tasks, configured for our queues.

    A Celery app that the host made itself is kept and extended: the given one, or
    ``app.extensions["celery"]``.

    :raises ConfigError: if the configuration of the host's Celery app conflicts with ours.
    """
    celery = given or app.extensions.get("celery")
    if celery is None:
        celery = app.extensions["celery"] = _new_celery(app, settings)
    _configure(celery, settings)
    celery.flask_app = app
    return t.cast(Celery, celery)


def is_replaced(celery: Celery) -> bool:
    """Return whether the host has stored a Celery app of its own after we had made *celery*.

    Its workers do not know our tasks.
    """
    stored = celery.flask_app.extensions.get("celery")
    return getattr(celery, _MADE_HERE, False) and stored is not celery


def lost_settings(celery: Celery) -> list[str]:
    """Return the names of settings that the host has replaced after we had added to them.

    Messages of our queues would then go where no worker looks.
    """
    conf = celery.conf
    ours = {
        "broker_transport_options": OUR_QUEUES_OPTION in conf.broker_transport_options,
        "task_routes": EXECUTION_TASK in (conf.task_routes or ()),
    }
    return [f"'{name}'" for name, has_ours in ours.items() if not has_ours]


def _new_celery(app: Flask, settings: Settings) -> Celery:
    celery = Celery(app.name, task_cls=FlaskTask, set_as_current=False)
    setattr(celery, _MADE_HERE, True)
    celery.conf.update(
        broker_url=redis_url(app.config, "CELERY_BROKER_URL"),
        result_backend=redis_url(app.config, "CELERY_RESULT_BACKEND"),
        result_expires=settings.result_expires,
        broker_connection_retry_on_startup=True,
        task_default_queue=settings.execution_queue,
        task_create_missing_queues=False,
        task_ignore_result=True,
        task_track_started=False,
        timezone="UTC",
    )
    celery.conf.update(app.config.get("CELERY", {}))
    celery.set_default()
    return celery


def _configure(celery: Celery, settings: Settings) -> None:
    """Add our queues, routes, priorities and beat entries to those of the host."""
    use_our_transports()
    conf = celery.conf
    check_broker_url(conf.broker_url)
    _check_one_broker(conf)
    _check_transport(conf.broker_transport)
    if not conf.value_set_for("broker_channel_error_retry"):
        # Otherwise a Redis that is full or was demoted ends the workers.
        conf.broker_channel_error_retry = True
    if is_cluster(conf.result_backend):
        _keep_results_in_cluster(celery)
    conf.update(
        broker_url=single_host_url(conf.broker_url),
        broker_use_ssl=tls_options(conf.broker_url, conf.broker_use_ssl),
        redis_backend_use_ssl=tls_options(conf.result_backend, conf.redis_backend_use_ssl),
        task_queues=_merge_queues(conf.task_queues, conf.task_default_queue, settings),
        task_routes={
            **_check_routes(conf.task_routes),
            EXECUTION_TASK: {"queue": settings.execution_queue},
            CLEANUP_TASK: {"queue": settings.cleanup_queue},
            NOTIFICATION_TASK: {"queue": settings.queue_of_notifications},
        },
        broker_transport_options=server_options(
            conf.broker_url,
            _transport_options(conf.broker_transport_options, settings),
            settings.broker_timeout,
        ),
        result_backend_transport_options=server_options(
            conf.result_backend,
            conf.result_backend_transport_options,
            settings.broker_timeout,
        ),
        beat_schedule={**conf.beat_schedule, **_beat_schedule(settings)},
    )
    if conf.beat_scheduler == CELERYS_BEAT_SCHEDULER:
        conf.beat_scheduler = BEAT_SCHEDULER


def _keep_results_in_cluster(celery: Celery) -> None:
    backend = f"{__package__}.cluster_results:ClusterBackend"
    celery.loader.override_backends = {
        **celery.loader.override_backends,
        **dict.fromkeys(("redis", "rediss"), backend),
    }
    celery.conf.result_backend = single_host_url(celery.conf.result_backend)


def _check_one_broker(conf: t.Any) -> None:
    for name in ("broker_read_url", "broker_write_url"):
        if getattr(conf, name) != conf.broker_url:
            raise ConfigError(
                f"'{name}' of your Celery app must not differ from 'broker_url': 'CrewExec' counts"
                " and compares the messages that workers will read."
            )


def _check_transport(transport: object) -> None:
    if transport is not None and transport not in BROKER_SCHEMES:
        raise ConfigError(
            "'broker_transport' of your Celery app must not be set: 'CrewExec' uses its own, which"
            " gives its queues ten priorities."
        )


def _check_routes(routes: object) -> Mapping[str, t.Any]:
    if routes is None or isinstance(routes, Mapping):
        return routes or {}
    raise ConfigError(
        "'task_routes' of your Celery app must be a dictionary, so that 'CrewExec' can add its own."
    )


def _merge_queues(queues: object, default: str, settings: Settings) -> list[Queue]:
    """Return the host's queues, or its default queue if it lists none, and ours."""
    if queues and not _is_list_of_queues(queues):
        raise ConfigError(
            "'task_queues' of your Celery app must be a list of 'kombu.Queue', so that 'CrewExec'"
            " can add its own."
        )
    ours = [Queue(name, routing_key=name) for name in settings.queues]
    if not queues:
        hosts = [] if default in settings.queues else [Queue(default, routing_key=default)]
    else:
        listed = t.cast("list[Queue]", queues)
        hosts = [queue for queue in listed if queue.name not in {q.name for q in ours}]
    return hosts + ours


def _is_list_of_queues(queues: object) -> bool:
    listed = isinstance(queues, list | tuple)
    return listed and all(isinstance(queue, Queue) for queue in t.cast("list[object]", queues))


def _transport_options(options: Mapping[str, t.Any], settings: Settings) -> dict[str, t.Any]:
    """Return the host's options, and ours that name our queues."""
    ours = {OUR_QUEUES_OPTION: list(settings.queues)}
    return {"visibility_timeout": 3600, **options, **ours}


def _beat_schedule(settings: Settings) -> dict[str, t.Any]:
    """Return our entries; each may be sent any number of times, and by several beats."""
    intervals = {"reconcile": settings.reconcile_interval, "purge": settings.purge_interval}
    return {
        f"crewexec-{action}": {
            "task": CLEANUP_TASK,
            "schedule": interval,
            "args": ({"action": action},),
            "options": {"expires": BEAT_EXPIRES_SECONDS, "ignore_result": True},
        }
        for action, interval in intervals.items()
    }
