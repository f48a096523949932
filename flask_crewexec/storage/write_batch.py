"""What a run writes at once: its row, its steps, its history, and figures that only grow."""

from __future__ import annotations

import dataclasses
import functools
import typing as t
from collections import defaultdict
from collections.abc import Callable
from collections.abc import Sequence

import sqlalchemy as sa
from sqlalchemy.orm import Session

from ..app_state import AppState
from ..models import Models
from ..models import table_of
from ..models import Usage
from . import counters
from . import cte_writes
from . import event_log
from . import leases
from . import update_statements
from .counters import CounterDelta
from .counters import LastTransition
from .leases import Lease
from .new_event import NewEvent

Values = dict[str, t.Any]


@dataclasses.dataclass
class WriteBatch:
    """What goes into one transaction."""

    execution: Values = dataclasses.field(default_factory=dict)
    steps: defaultdict[int, Values] = dataclasses.field(default_factory=lambda: defaultdict(dict))
    """Changes of steps, by position."""
    events: list[NewEvent] = dataclasses.field(default_factory=list)
    usage: dict[int | None, Usage] = dataclasses.field(default_factory=dict)
    """What is added to the steps at these positions, and to the execution."""
    change: Callable[[Session], None] | None = None
    """What else belongs to it; comes last."""

    def add_usage(self, position: int | None, usage: Usage) -> None:
        """Count *usage* for the execution and for the step at *position*."""
        self.usage[position] = self.usage.get(position, Usage()).plus(usage)
        if position is not None:
            self.steps[position]  # a step that is used changes, too

    @property
    def total(self) -> Usage:
        """What is added to the execution."""
        return functools.reduce(Usage.plus, self.usage.values(), Usage())


def write(
    app_state: AppState, lease: Lease, number: int, record: WriteBatch, start: LastTransition
) -> None:
    """Write *record* as the claim's write *number*, counted from 0, unless that was made before.

    :param start: the attempt's beginning.
    :raises ClaimLost: if the claim does not hold any more.
    """
    if record.change is None and cte_writes.supports_cte_writes(app_state):
        _write_with_ctes(app_state, lease, number, record, start)
    else:
        _write_with_orm(app_state, lease, number, record, start)


def _write_with_orm(
    app_state: AppState, lease: Lease, number: int, record: WriteBatch, start: LastTransition
) -> None:
    models, entries, total = app_state.models, record.events, record.total
    with app_state.database.write_transaction() as session:
        last = leases.fenced_update_once(
            session, models, lease, number, events=len(entries), usage=total, **record.execution
        )
        if last is None:
            return
        if entries:
            event_log.insert_numbered(session, models, lease.execution_id, entries, last, start)
        for position, values in record.steps.items():
            statement = _step_in_turn(table_of(models.step), tuple(values))
            row = {"of_execution": lease.execution_id}
            session.execute(statement, row | _of_step("step", position, record))
        counters.record_usage(session, models, total)
        if record.change is not None:
            record.change(session)


@functools.lru_cache(maxsize=update_statements.STATEMENT_CACHE_SIZE)
def _step_in_turn(step: sa.Table, names: tuple[str, ...]) -> sa.Update:
    return _step(step, names, "step", sa.bindparam("of_execution", type_=sa.Uuid))


def _step(
    step: sa.Table, names: Sequence[str], prefix: str, execution_id: sa.ColumnElement[t.Any]
) -> sa.Update:
    row = (step.c.execution_id == execution_id, step.c.position == sa.bindparam(f"{prefix}_at"))
    new = update_statements.set_clauses(step, names, prefix) | update_statements.increment_clauses(
        step, prefix
    )
    return sa.update(step).where(*row).values(new)


def _of_step(prefix: str, position: int, record: WriteBatch) -> Values:
    """Return the parameters of :func:`_step`."""
    usage = record.usage.get(position, Usage())
    new = {**record.steps[position], **usage._asdict()}
    return {f"{prefix}_at": position, **update_statements.bind_values(new, prefix)}


class _StatementShape(t.NamedTuple):
    """What a statement depends on."""

    execution: tuple[str, ...]
    """Columns that it sets."""
    steps: tuple[tuple[str, ...], ...]
    """Likewise of each step."""
    has_events: bool
    has_tallies: bool


def _write_with_ctes(
    app_state: AppState, lease: Lease, number: int, record: WriteBatch, start: LastTransition
) -> None:
    models, total = app_state.models, record.total
    counted = [*counters.deltas_of_usage(total), *counters.deltas_of_events(record.events, start)]
    shown = {**leases.fencing_parameters(lease), "write_number": number}
    parameters = {**shown, **_of_changes(record, total), **_of_inserts(models, record, counted)}
    with app_state.database.autocommit_connection() as connection:
        statement = _at_once(models, _form_of(record, counted))
        if connection.execute(statement, parameters).one_or_none() is None:
            leases.verify_write(connection, models, lease, number)
            return
    if record.events:
        app_state.database.on_events_committed([lease.execution_id])


def _form_of(record: WriteBatch, counted: Sequence[CounterDelta]) -> _StatementShape:
    steps = tuple(tuple(values) for values in record.steps.values())
    return _StatementShape(tuple(record.execution), steps, bool(record.events), bool(counted))


def _of_changes(record: WriteBatch, total: Usage) -> Values:
    """Return the parameters for what changes the execution and its steps."""
    values = update_statements.bind_values({**record.execution, **total._asdict()})
    for index, position in enumerate(record.steps):
        values |= _of_step(f"step{index}", position, record)
    return {**values, "new_events": len(record.events)}


def _of_inserts(models: Models, record: WriteBatch, counted: Sequence[CounterDelta]) -> Values:
    """Return the parameters for what is inserted."""
    rows = {
        "event": (table_of(models.event), event_log.as_rows(record.events)),
        "tally": (table_of(models.counter), counters.rows(counted)),
    }
    return {name: cte_writes.as_json_parameter(*given) for name, given in rows.items() if given[1]}


@functools.lru_cache(maxsize=update_statements.STATEMENT_CACHE_SIZE)
def _at_once(models: Models, form: _StatementShape) -> sa.Select[t.Any]:
    """Return the statement: all else happens only if the first change finds its row."""
    execution = table_of(models.execution)
    change = leases.fenced_update_statement(execution, form.execution).where(
        cte_writes.lock_timeout_guard()
    )
    row = change.returning(execution.c.id, execution.c.last_event).cte("changed")
    rest: list[sa.Update | sa.Insert] = [
        _step(table_of(models.step), names, f"step{index}", row.c.id)
        for index, names in enumerate(form.steps)
    ]
    if form.has_events:
        rest.append(_insert_events(table_of(models.event), row))
    if form.has_tallies:
        rest.append(_insert_tallies(table_of(models.counter), row))
    parts = [part.cte(f"part{index}") for index, part in enumerate(rest)]
    return sa.select(row.c.last_event).add_cte(*parts)


def _insert_events(event: sa.Table, row: sa.CTE) -> sa.Insert:
    names = ("type", "data", "created_at")
    given = cte_writes.json_rows(event, names, "event")
    number = row.c.last_event - sa.bindparam("new_events", type_=sa.Integer) + given.c.place
    each = sa.select(row.c.id, number, *cte_writes.row_values(event, names, given))
    return _insert(event, ["execution_id", "seq", *names], each.join_from(row, given, sa.true()))


def _insert_tallies(tally: sa.Table, row: sa.CTE) -> sa.Insert:
    names = ("id", *CounterDelta._fields)
    given = cte_writes.json_rows(tally, names, "tally")
    each = sa.select(*cte_writes.row_values(tally, names, given))
    return _insert(tally, names, each.join_from(row, given, sa.true()))


def _insert(table: sa.Table, names: Sequence[str], rows: sa.Select[t.Any]) -> sa.Insert:
    return sa.insert(table).from_select(names, rows, include_defaults=False)
