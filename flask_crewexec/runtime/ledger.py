"""What one run has to write down: steps, usage and history, under the run's claim.

Events and usage are collected and written together, with the next change of a step or before the
run waits for a model or a tool, so that watching it costs little and shows what it waits for.
"""

from __future__ import annotations

import typing as t
from collections.abc import Callable

from sqlalchemy.orm import Session

from .. import claims
from .. import clock
from .. import events
from .. import records
from ..binding import Binding
from ..claims import Claim
from ..events import Entry
from ..models import Usage
from ..records import Record
from ..states import State
from ..tallies import Past
from .patience import patiently

Values = dict[str, t.Any]


class _Refused(Exception):
    """The transition was not possible; rolls the transaction back."""


class Ledger:
    """The unwritten part of one run's records.

    Every write raises :class:`~flask_crewexec.errors.ClaimLost`, and changes nothing, once the
    claim does not hold any more.
    """

    def __init__(self, binding: Binding, claim: Claim, start: Past) -> None:
        self._binding = binding
        self._claim = claim
        self._number = 0
        self._start = start
        self._unwritten: list[Record] = []
        self._collected = Record()

    def note(self, type: str, **data: object) -> None:
        """Add an event to the history."""
        self._collected.entries.append(Entry(type, data))

    def use(self, position: int | None, usage: Usage) -> None:
        """Count *usage* for the execution and for the step at *position*."""
        self._collected.use(position, usage)

    def change_step(self, position: int, step: Values, execution: Values) -> None:
        """Change columns of a step and of the execution with the next write."""
        self._collected.steps[position].update(step)
        self._collected.execution.update(execution)

    def write(self) -> None:
        """Write what was collected."""
        self._commit(None)

    def end(self, state: State, **values: t.Any) -> None:
        """Write the rest, together with the end in a final *state*."""
        now, models, claim = clock.now(), self._binding.models, self._claim
        self.note(state)
        self._collected.execution.update(claims.ending(state, now, **values))
        if state is State.COMPLETED:  # no step is under way
            self._commit(None)
        else:
            self._commit(lambda session: claims.end_step(session, models, claim, state, now))

    def finish(self, transition: Callable[[Session], bool | None], *entries: Entry) -> bool:
        """Write the rest, and *entries*, together with the last *transition*.

        :return: False, with nothing written, if the transition is refused.
        """

        def change(session: Session) -> None:
            if transition(session) is False:
                raise _Refused
            if entries:
                events.append(session, self._binding.models, self._claim.execution_id, entries)

        try:
            self._commit(change)
        except _Refused:
            return False
        return True

    def _commit(self, change: Callable[[Session], None] | None) -> None:
        """Write in one transaction, once, even if the connection is lost during the commit.

        What could not be written before comes first, as the same write: it may have arrived.
        """
        self._collected.change = change
        self._unwritten.append(self._collected)
        self._collected = Record()
        while self._unwritten:
            self._settle(self._unwritten[0])

    def _settle(self, record: Record) -> None:
        try:
            patiently(lambda: self._store(record), self._binding.settings.database_patience)
        except _Refused:
            self._unwritten.remove(record)
            self._collected = record
            raise
        self._unwritten.remove(record)
        self._number += 1

    def _store(self, record: Record) -> None:
        records.store(self._binding, self._claim, self._number, record, self._start)
