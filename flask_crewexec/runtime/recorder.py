"""Write-behind recorder of one run: its steps, usage and events, fenced by its lease.

Events, calls and usage are collected and written together: with the next change of a step, or
before the run waits for a model or a tool. So observers always see what the run is waiting for.
Threads may collect while another one writes.
"""

from __future__ import annotations

import datetime as dt
import threading
import typing as t
from collections.abc import Callable

from sqlalchemy.orm import Session

from .. import clock
from ..app_state import AppState
from ..models import Usage
from ..statuses import ExecutionStatus
from ..storage import event_log
from ..storage import leases
from ..storage import write_batch
from ..storage.counters import LastTransition
from ..storage.fencing import Lease
from ..storage.new_event import NewEvent
from ..storage.write_batch import WriteBatch
from ..storage.write_batch import WritePosition
from .database_retry import retry_while_unavailable

Values = dict[str, t.Any]


class _TransitionRefused(Exception):
    """The transition was refused; rolls the transaction back."""


class RunRecorder:
    """Collects and writes the changes of one run.

    Every write raises :class:`~flask_crewexec.errors.LeaseLost`, and changes nothing, once the
    lease is not valid any more.

    :param time: the clock of everything that is recorded.
    """

    def __init__(
        self, app_state: AppState, lease: Lease, start: LastTransition, time: clock.SteadyClock
    ) -> None:
        self._app_state = app_state
        self._lease = lease
        self._write_number = 0
        self._start = start
        self._clock = time
        self._unwritten: list[WriteBatch] = []
        self._collected = WriteBatch()
        self._collecting = threading.RLock()
        self._writing = threading.RLock()
        self._is_requested = False

    @property
    def started_at(self) -> dt.datetime:
        """When the attempt began, by the database's clock."""
        return self._start.at

    def now(self) -> dt.datetime:
        """Return the current time by the database's clock, without a query."""
        return self._clock.now()

    def add_event(self, type: str, **data: object) -> None:
        """Add an event to the history."""
        with self._collecting:
            self._collected.events.append(NewEvent(type, data).at(self.now()))

    def add_usage(self, position: int | None, usage: Usage) -> None:
        """Add *usage* to the execution and to the step at *position*."""
        with self._collecting:
            self._collected.add_usage(position, usage)

    def add_call(self, number: int, call: Values) -> None:
        """Insert a call with the next write."""
        with self._collecting:
            self._collected.new_calls[number] = call

    def end_call(self, number: int, end: Values) -> None:
        """Change the columns of the end of a call with the next write."""
        with self._collecting:
            self._collected.end_call(number, end)

    def change_step(self, position: int, step: Values, execution: Values) -> None:
        """Change columns of a step and of the execution with the next write."""
        with self._collecting:
            self._collected.steps[position].update(step)
            self._collected.execution.update(execution)

    def flush(self) -> None:
        """Write the collected changes."""
        with self._writing:
            if self._has_changes or self._unwritten:
                self._commit(None)
        self._write_as_requested()

    def flush_soon(self) -> None:
        """Write the collected changes; if another thread is writing, it writes them afterwards."""
        self._is_requested = True
        self._write_as_requested()

    def _write_as_requested(self) -> None:
        while self._is_requested and self._writing.acquire(blocking=False):
            try:
                self._is_requested = False
                self._commit(None)
            finally:
                self._writing.release()

    @property
    def _has_changes(self) -> bool:
        with self._collecting:
            return not self._collected.is_empty

    def finish(
        self, status: ExecutionStatus, end_calls: Callable[[Session], None] | None, **values: t.Any
    ) -> None:
        """Write the collected changes, together with the execution's terminal *status*.

        :param end_calls: removes what is not kept of the calls, if not everything is.
        """
        now, models, lease = self.now(), self._app_state.models, self._lease
        self.add_event(status)
        self._collected.execution.update(leases.finished_values(status, now, **values))

        def change(session: Session) -> None:
            if status is not ExecutionStatus.COMPLETED:  # else no step is running
                leases.finish_step(session, models, lease, status, now)
            if end_calls is not None:
                end_calls(session)

        is_simple = status is ExecutionStatus.COMPLETED and end_calls is None
        self._commit(None if is_simple else change)

    def flush_with_transition(
        self, transition: Callable[[Session], bool | None], *events: NewEvent
    ) -> bool:
        """Write the collected changes, a *transition* and its *events* in one transaction.

        :return: False, with nothing written, if the transition is refused.
        """

        def change(session: Session) -> None:
            if transition(session) is False:
                raise _TransitionRefused
            if events:
                event_log.append(session, self._app_state, self._lease.execution_id, events)

        try:
            self._commit(change)
        except _TransitionRefused:
            return False
        return True

    def discard_unwritten(self) -> None:
        """Discard all changes that are not written, except the usage: it is paid for."""
        usage: list[tuple[int | None, Usage]] = []
        for batch in [*self._unwritten, self._collected]:
            usage.extend(batch.usage.items())
        self._unwritten.clear()
        self._collected = WriteBatch()
        for position, used in usage:
            self._collected.add_usage(position, used)

    def _commit(self, change: Callable[[Session], None] | None) -> None:
        """Write in one transaction, exactly once even if the connection is lost during the commit.

        A batch that could not be written before comes first, with the same number: its commit may
        have succeeded.
        """
        with self._writing:
            with self._collecting:
                self._collected.change = change
                self._unwritten.append(self._collected)
                self._collected = WriteBatch()
            while self._unwritten:
                self._write_with_retry(self._unwritten[0])

    def _write_with_retry(self, batch: WriteBatch) -> None:
        try:
            retry_while_unavailable(
                lambda: self._store(batch), self._app_state.settings.database_retry_seconds
            )
        except _TransitionRefused:
            self._unwritten.remove(batch)
            self._collected = batch
            raise
        self._unwritten.remove(batch)
        self._write_number += 1

    def _store(self, batch: WriteBatch) -> None:
        position = WritePosition(self._lease, self._write_number, self._start)
        write_batch.write(self._app_state, position, batch)
