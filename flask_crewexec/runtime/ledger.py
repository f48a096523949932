"""What one run has to write down: steps, usage and history, under the run's claim.

Events and usage are collected and written together, with the next change of a step or before the
run waits for a model or a tool, so that watching it costs little and shows what it waits for.
"""

from __future__ import annotations

import functools
import itertools
import logging
import time
import typing as t
from collections.abc import Callable

import sqlalchemy as sa
from sqlalchemy.exc import InterfaceError
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session

from .. import events
from .. import states
from ..binding import Binding
from ..events import Entry
from ..models import ExecutionMixin
from ..models import StepMixin
from ..models import Usage
from ..states import Claim

log = logging.getLogger(__name__)

Values = dict[str, t.Any]


class Ledger:
    """The unwritten part of one run's records.

    Every write raises :class:`~flask_crewexec.errors.ClaimLost`, and changes nothing, once the
    claim does not hold any more.
    """

    def __init__(self, binding: Binding, claim: Claim) -> None:
        self._binding = binding
        self._claim = claim
        self._entries: list[Entry] = []
        self._usage: dict[int | None, Usage] = {}

    def note(self, type: str, **data: object) -> None:
        """Add an event to the history."""
        self._entries.append(Entry(type, data))

    def use(self, position: int | None, usage: Usage) -> None:
        """Count *usage* for the execution and for the step at *position*."""
        self._usage[position] = self._usage.get(position, Usage()).plus(usage)

    def write(self) -> None:
        """Write what was collected."""
        self._commit({}, None)

    def write_step(self, position: int, step: Values, execution: Values) -> None:
        """Write a change of a step and of the execution, with all that was collected."""

        def change(session: Session) -> None:
            self._update_step(session, position, step)

        self._commit(execution, change)

    def finish(
        self, transition: Callable[[Session], None], step: tuple[int, Values] | None
    ) -> None:
        """Write the rest together with the execution's last *transition*."""

        def change(session: Session) -> None:
            if step is not None:
                self._update_step(session, *step)
            transition(session)

        self._commit({"current_step": None, "current_agent": None}, change)

    def _commit(self, execution: Values, change: Callable[[Session], None] | None) -> None:
        """Write in one transaction; wait for a database that is away or locked.

        What it writes has been paid for, so it is worth some patience.
        """
        deadline = time.monotonic() + self._binding.settings.database_patience
        for pause in itertools.chain((0.05, 0.2, 0.5), itertools.repeat(1.0)):
            try:
                self._write(execution, change)
                break
            except (OperationalError, InterfaceError):
                if time.monotonic() + pause > deadline:
                    raise
                log.warning("The database does not take what a run did; trying again.")
                time.sleep(pause)
        self._entries.clear()
        self._usage.clear()

    def _write(self, execution: Values, change: Callable[[Session], None] | None) -> None:
        with self._binding.session() as session, session.begin():
            self._write_collected(session, execution)
            if change is not None:
                change(session)

    def _write_collected(self, session: Session, execution: Values) -> None:
        models, claim = self._binding.models, self._claim
        total = functools.reduce(Usage.plus, self._usage.values(), Usage())
        states.write_claimed(session, models, claim, **execution, **_added(models.execution, total))
        if self._entries:
            events.append(session, models, claim.execution_id, self._entries)
        for position, usage in self._usage.items():
            if position is not None:
                self._update_step(session, position, _added(models.step, usage))

    def _update_step(self, session: Session, position: int, values: Values) -> None:
        step = self._binding.models.step
        session.execute(
            sa.update(step)
            .where(step.execution_id == self._claim.execution_id, step.position == position)
            .values(**values),
            execution_options={"synchronize_session": False},
        )


def _added(model: type[ExecutionMixin | StepMixin], usage: Usage) -> Values:
    return {name: getattr(model, name) + value for name, value in usage._asdict().items()}
