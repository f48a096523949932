"""What one run has to write down: steps, usage and history, under the run's claim.

Events and usage are collected and written together, with the next change of a step or before the
run waits for a model or a tool, so that watching it costs little and shows what it waits for.
"""

from __future__ import annotations

import dataclasses
import functools
import typing as t
from collections import defaultdict
from collections.abc import Callable

import sqlalchemy as sa
from sqlalchemy.orm import Session

from .. import changes
from .. import claims
from .. import clock
from .. import events
from .. import tallies
from ..binding import Binding
from ..claims import Claim
from ..events import Entry
from ..models import table_of
from ..models import Usage
from ..states import State
from ..tallies import Past
from .patience import patiently

Values = dict[str, t.Any]


class _Refused(Exception):
    """The transition was not possible; rolls the transaction back."""


@dataclasses.dataclass
class _Write:
    """What goes into one transaction."""

    execution: Values = dataclasses.field(default_factory=dict)
    steps: defaultdict[int, Values] = dataclasses.field(default_factory=lambda: defaultdict(dict))
    """Changes of steps, by position."""
    entries: list[Entry] = dataclasses.field(default_factory=list)
    usage: dict[int | None, Usage] = dataclasses.field(default_factory=dict)
    change: Callable[[Session], None] | None = None
    """What else belongs to it; comes last."""


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
        self._unwritten: list[_Write] = []
        self._collected = _Write()

    def note(self, type: str, **data: object) -> None:
        """Add an event to the history."""
        self._collected.entries.append(Entry(type, data))

    def use(self, position: int | None, usage: Usage) -> None:
        """Count *usage* for the execution and for the step at *position*."""
        used = self._collected.usage
        used[position] = used.get(position, Usage()).plus(usage)

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
        self._collected = _Write()
        while self._unwritten:
            self._settle(self._unwritten[0])

    def _settle(self, write: _Write) -> None:
        try:
            patiently(lambda: self._write(write), self._binding.settings.database_patience)
        except _Refused:
            self._unwritten.remove(write)
            self._collected = write
            raise
        self._unwritten.remove(write)
        self._number += 1

    def _write(self, write: _Write) -> None:
        models = self._binding.models
        total = functools.reduce(Usage.plus, write.usage.values(), Usage())
        with self._binding.transaction() as session:
            last = claims.write_once(
                session,
                models,
                self._claim,
                self._number,
                events=len(write.entries),
                usage=total,
                **write.execution,
            )
            if last is None:
                return
            self._write_collected(session, write, last)
            tallies.count_usage(session, models, total)
            if write.change is not None:
                write.change(session)

    def _write_collected(self, session: Session, write: _Write, last: int) -> None:
        models = self._binding.models
        if write.entries:
            execution_id = self._claim.execution_id
            events.insert(session, models, execution_id, write.entries, last, self._start)
        for position in write.usage:
            if position is not None:
                write.steps[position]  # those that are used change, too
        for position, values in write.steps.items():
            usage = write.usage.get(position, Usage())
            self._update_step(session, position, values, usage)

    def _update_step(self, session: Session, position: int, values: Values, usage: Usage) -> None:
        statement = _step_update(table_of(self._binding.models.step), tuple(values))
        row = {"of_execution": self._claim.execution_id, "at_position": position}
        new = changes.parameters({**values, **usage._asdict()})
        session.execute(statement, {**row, **new})


@functools.lru_cache(maxsize=changes.KEPT)
def _step_update(step: sa.Table, names: tuple[str, ...]) -> sa.Update:
    row = (
        step.c.execution_id == sa.bindparam("of_execution"),
        step.c.position == sa.bindparam("at_position"),
    )
    new = {**changes.settings_of(step, names), **changes.additions_to(step)}
    return sa.update(step).where(*row).values(new)
