"""Drains of this worker that operators ask for, through its row in the database.

The heartbeat compares what the row says with what the worker does, and repeats what has not
happened yet. So an order takes effect within one heartbeat, and a new connection to the broker
changes nothing. Messages that arrive for a cancelled consumer go back to their queue.
"""

from __future__ import annotations

import logging
import os
import signal
import typing as t
from collections.abc import Callable
from collections.abc import Iterable

from celery.worker import state

from ..statuses import AfterDrain

log = logging.getLogger(__name__)

_on_retirement: Callable[[], None] | None = None


def on_retirement(action: Callable[[], None]) -> None:
    """Call *action* before this worker stops because it was drained."""
    global _on_retirement
    _on_retirement = action


class DrainOrder:
    """Makes a Celery worker take tasks or not.

    :param worker: the worker's controller.
    :param queues: what it consumes when it is not drained.
    """

    def __init__(self, worker: t.Any, queues: Iterable[str]) -> None:
        self._worker = worker
        self._queues = sorted(queues)

    @property
    def is_consuming(self) -> bool:
        """Whether it takes further tasks, from at least one queue."""
        consumer = self._worker.consumer.task_consumer
        if consumer is None:  # the one of the next connection consumes what is selected
            return bool(self._worker.app.amqp.queues.consume_from)
        return any(map(consumer.consuming_from, self._queues))

    @property
    def busy(self) -> int:
        """How many tasks it has taken and not finished."""
        return len(state.reserved_requests)

    def follow(self, order: AfterDrain | None) -> None:
        """Take tasks, or none, as the operator wants it."""
        consumer = self._worker.consumer
        if order is None:
            if self._missing():
                log.warning("This worker is resumed.")
                consumer.call_soon(self._safely, self._resume)
        elif self.is_consuming:
            log.warning("This worker is drained: it takes nothing new.")
            consumer.call_soon(self._safely, self._cancel)

    def has_finished(self) -> bool:
        """Return whether it takes nothing new, and runs nothing."""
        return not self.is_consuming and self.busy == 0

    def stop_worker(self) -> None:
        """Stop the worker as SIGTERM does, for good."""
        log.warning("This worker was drained, and stops.")
        if _on_retirement is not None:
            _on_retirement()
        os.kill(os.getpid(), signal.SIGTERM)

    def _missing(self) -> list[str]:
        selected = self._worker.app.amqp.queues.consume_from
        return [queue for queue in self._queues if queue not in selected]

    def _cancel(self) -> None:
        for queue in list(self._worker.app.amqp.queues.consume_from):
            self._worker.consumer.cancel_task_queue(queue)

    def _resume(self) -> None:
        for queue in self._missing():
            self._worker.consumer.add_task_queue(queue)

    def _safely(self, action: Callable[[], None]) -> None:
        """Do what Celery's event loop is asked for; an error would end the worker."""
        try:
            action()
        except Exception:  # the connection may be lost; the next heartbeat tries again
            log.warning("Could not change what this worker consumes.", exc_info=True)
