"""The options of each worker, from those that an operator passes for all of them."""

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

_OWN_FILES: t.Final = ("pidfile", "statedb")
"""Options with the path of a file that workers cannot share."""


class WorkerOptions:
    """Options of 'celery worker', as given on the command line, for several workers.

    :raises click.UsageError: if an option is unknown, or if workers cannot share its value.
    """

    def __init__(self, options: Sequence[str]) -> None:
        context = click.Context(celery_worker, info_name="worker")
        parser = celery_worker.make_parser(context)
        self._given, self._overrides, _ = parser.parse_args(list(options))
        self._flags = {p.name: p.opts[-1] for p in celery_worker.params}
        if self._given.pop("detach", False):
            raise click.UsageError(
                "'--detach' works with one worker only; start several as a service."
            )
        for name in _OWN_FILES:
            if "%n" not in self._given.get(name, "%n"):
                raise click.UsageError(
                    f"'--{name}' works with one worker only; with '%n' in it, each gets its own."
                )

    def consume(self, queue: str) -> bool:
        """Return whether the workers consume a queue."""
        queues = str_to_list(self._given.get("queues", queue))
        return queue in queues and queue not in str_to_list(self._given.get("exclude_queues", ""))

    @property
    def pool(self) -> str | None:
        """The kind of pool, if one is given."""
        return t.cast("str | None", self._given.get("pool"))

    def for_worker(self, number: int) -> list[str]:
        """Return the options of one worker: it gets its own name, and only the first runs beat."""
        given = {**self._given, "hostname": self._name(number)}
        if number > 1:
            given.pop("beat", None)
        arguments = (word for option in given.items() for word in self._arguments(*option))
        return [*arguments, "--", *self._overrides]

    def _name(self, number: int) -> str:
        """Return the node name, such as ``crews.2@host`` for the second worker of ``crews@%h``."""
        name, host = nodesplit(host_format(default_nodename(self._given.get("hostname"))))
        return t.cast(str, nodename(f"{name}.{number}", host))

    def _arguments(self, name: str, value: t.Any) -> list[str]:
        return [self._flags[name]] if value is True else [self._flags[name], value]
