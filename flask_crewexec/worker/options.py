"""The options of several workers, from those that an operator gives for all of them."""

from __future__ import annotations

import typing as t
from collections.abc import Sequence

import click
from celery.bin.worker import worker as celery_worker
from celery.utils.nodenames import default_nodename
from celery.utils.nodenames import host_format
from celery.utils.nodenames import nodename
from celery.utils.nodenames import nodesplit
from celery.utils.text import str_to_list

from ..messaging.queues import EXECUTION_QUEUE

_OWN_FILES: t.Final = ("pidfile", "statedb")
"""Options with files that only one worker can have."""


class WorkerOptions:
    """Options of 'celery worker', as they are typed, for workers that run side by side.

    :raises click.UsageError: if there is no such option, or if workers would get in each other's
        way.
    """

    def __init__(self, options: Sequence[str]) -> None:
        context = click.Context(celery_worker, info_name="worker")
        parser = celery_worker.make_parser(context)
        self._given, self._settings, _ = parser.parse_args(list(options))
        self._flags = {p.name: p.opts[-1] for p in celery_worker.params}
        if self._given.pop("detach", False):
            raise click.UsageError("'--detach' is for one worker; start several as a service.")
        for name in _OWN_FILES:
            if "%n" not in self._given.get(name, "%n"):
                raise click.UsageError(
                    f"'--{name}' is for one worker; with '%n' in it, each has its own."
                )

    @property
    def run_crews(self) -> bool:
        """Whether the workers take executions."""
        queues = str_to_list(self._given.get("queues", EXECUTION_QUEUE))
        return EXECUTION_QUEUE in queues and EXECUTION_QUEUE not in str_to_list(
            self._given.get("exclude_queues", "")
        )

    @property
    def pool(self) -> str | None:
        """The kind of pool, if it is given."""
        return t.cast("str | None", self._given.get("pool"))

    def of_worker(self, number: int) -> list[str]:
        """Return the options of one worker: a name of its own, and beat only for the first."""
        given = {**self._given, "hostname": self._name(number)}
        if number > 1:
            given.pop("beat", None)
        typed = (word for option in given.items() for word in self._typed(*option))
        return [*typed, "--", *self._settings]

    def _name(self, number: int) -> str:
        """Number 2 of ``crews@%h`` is ``crews.2@host``."""
        name, host = nodesplit(host_format(default_nodename(self._given.get("hostname"))))
        return t.cast(str, nodename(f"{name}.{number}", host))

    def _typed(self, name: str, value: t.Any) -> list[str]:
        return [self._flags[name]] if value is True else [self._flags[name], value]
