"""Write the pending changes of a run (row, steps, events, counters) in one transaction.

On PostgreSQL this is a single statement with data-modifying CTEs, elsewhere several statements.
Both change the same rows in the same way.
"""

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
from . import call_rows
from . import counters
from . import cte_writes
from . import event_log
from . import fencing
from . import outbox
from . import update_statements
from .counters import CounterDelta
from .counters import LastTransition
from .fencing import Lease
from .new_event import DatedEvent

Values = dict[str, t.Any]


@dataclasses.dataclass
class WriteBatch:
    """Changes that are committed together."""

    execution: Values = dataclasses.field(default_factory=dict)
    """New values of columns of the execution."""
    steps: defaultdict[int, Values] = dataclasses.field(default_factory=lambda: defaultdict(dict))
    """New values of columns of steps, by position."""
    events: list[DatedEvent] = dataclasses.field(default_factory=list)
    usage: dict[int | None, Usage] = dataclasses.field(default_factory=dict)
    """Added to the steps at these positions, and to the execution."""
    new_calls: dict[int, Values] = dataclasses.field(default_factory=dict)
    """All columns of new calls but the key, by number."""
    ended_calls: dict[int, Values] = dataclasses.field(default_factory=dict)
    """New values of :data:`.call_rows.END` of calls that were written before."""
    change: Callable[[Session], None] | None = None
    """A further change, which runs last."""

    def add_usage(self, position: int | None, usage: Usage) -> None:
        """Add *usage* to the execution and to the step at *position*."""
        self.usage[position] = self.usage.get(position, Usage()).plus(usage)
        if position is not None:
            self.steps[position]  # creates the entry, so that the step is updated

    def end_call(self, number: int, end: Values) -> None:
        """Change a call; one that is new in this batch is inserted as it is at its end."""
        if number in self.new_calls:
            self.new_calls[number].update(end)
        else:
            self.ended_calls[number] = end

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to write."""
        return self == WriteBatch()

    @property
    def total(self) -> Usage:
        """The usage that is added to the execution."""
        return functools.reduce(Usage.plus, self.usage.values(), Usage())


class WritePosition(t.NamedTuple):
    """Which write of a run this is."""

    lease: Lease
    number: int
    """Counted from 0 since the lease was acquired."""
    start: LastTransition
    """The start of the attempt."""


def write(app_state: AppState, position: WritePosition, batch: WriteBatch) -> None:
    """Write *batch*, unless this write was committed before.

    :raises LeaseLost: if the lease is not valid any more.
    """
    if batch.change is None and cte_writes.supports_cte_writes(app_state):
        _write_with_ctes(app_state, position, batch)
    else:
        _write_with_orm(app_state, position, batch)


def _write_with_orm(app_state: AppState, position: WritePosition, batch: WriteBatch) -> None:
    models, total = app_state.models, batch.total
    with app_state.database.write_transaction() as session:
        last = fencing.fenced_update_once(
            session,
            models,
            position.lease,
            position.number,
            new_events=len(batch.events),
            usage=total,
            **batch.execution,
        )
        if last is None:
            return
        execution_id = position.lease.execution_id
        if batch.events:
            event_log.insert_numbered(
                session, app_state, execution_id, batch.events, last, position.start
            )
        for index, values in batch.steps.items():
            statement = _step_statement(table_of(models.step), tuple(values))
            parameters = {"of_execution": execution_id, **_step_parameters("step", index, batch)}
            session.execute(statement, parameters)
        call_rows.write(session, models, execution_id, batch.new_calls, batch.ended_calls)
        counters.record_usage(session, models, total)
        if batch.change is not None:
            batch.change(session)


@functools.lru_cache(maxsize=update_statements.STATEMENT_CACHE_SIZE)
def _step_statement(step: sa.Table, names: tuple[str, ...]) -> sa.Update:
    return _update_step(step, names, "step", sa.bindparam("of_execution", type_=sa.Uuid))


def _update_step(
    step: sa.Table, names: Sequence[str], prefix: str, execution_id: sa.ColumnElement[t.Any]
) -> sa.Update:
    key = (step.c.execution_id == execution_id, step.c.position == sa.bindparam(f"{prefix}_at"))
    new = update_statements.set_clauses(step, names, prefix)
    added = update_statements.increment_clauses(step, prefix)
    return sa.update(step).where(*key).values({**new, **added})


def _step_parameters(prefix: str, position: int, batch: WriteBatch) -> Values:
    """Return the parameters of :func:`_update_step`."""
    usage = batch.usage.get(position, Usage())
    new = {**batch.steps[position], **usage._asdict()}
    return {f"{prefix}_at": position, **update_statements.bind_values(new, prefix)}


class _StatementShape(t.NamedTuple):
    """What the SQL of the single statement depends on."""

    execution: tuple[str, ...]
    """Columns of the execution that it sets."""
    steps: tuple[tuple[str, ...], ...]
    """For each step, the columns that it sets."""
    has_events: bool
    has_counters: bool
    has_new_calls: bool
    has_ended_calls: bool
    deliveries: outbox.Shape


def _write_with_ctes(app_state: AppState, position: WritePosition, batch: WriteBatch) -> None:
    models, lease = app_state.models, position.lease
    deltas = [
        *counters.deltas_of_usage(batch.total),
        *counters.deltas_of_events(batch.events, position.start),
    ]
    deliveries, delivery_parameters = outbox.as_parameters(app_state, batch.events)
    parameters = {
        **fencing.fencing_parameters(lease),
        "write_number": position.number,
        **_update_parameters(batch),
        **_insert_parameters(models, batch, deltas),
        **delivery_parameters,
    }
    with app_state.database.autocommit_connection() as connection:
        statement = _single_statement(models, _shape_of(batch, deltas, deliveries))
        if connection.execute(statement, parameters).one_or_none() is None:
            fencing.verify_write(connection, models, lease, position.number)
            return
    if batch.events:
        app_state.database.on_events_committed([lease.execution_id])
    if deliveries != outbox.NOTHING:
        app_state.database.on_deliveries_committed()


def _shape_of(
    batch: WriteBatch, deltas: Sequence[CounterDelta], deliveries: outbox.Shape
) -> _StatementShape:
    steps = tuple(tuple(values) for values in batch.steps.values())
    return _StatementShape(
        tuple(batch.execution),
        steps,
        bool(batch.events),
        bool(deltas),
        bool(batch.new_calls),
        bool(batch.ended_calls),
        deliveries,
    )


def _update_parameters(batch: WriteBatch) -> Values:
    """Return the parameters of the UPDATEs of the execution and its steps."""
    values = update_statements.bind_values({**batch.execution, **batch.total._asdict()})
    for index, position in enumerate(batch.steps):
        values |= _step_parameters(f"step{index}", position, batch)
    return {**values, "new_events": len(batch.events)}


def _insert_parameters(models: Models, batch: WriteBatch, deltas: Sequence[CounterDelta]) -> Values:
    """Return the parameters of the statements of events, counters and calls."""
    rows = {
        "event": (table_of(models.event), event_log.as_rows(batch.events)),
        "counter": (table_of(models.counter), counters.as_rows(deltas)),
    }
    parameters = {
        name: cte_writes.as_json_parameter(table, given)
        for name, (table, given) in rows.items()
        if given
    }
    return parameters | call_rows.as_parameters(models, batch.new_calls, batch.ended_calls)


@functools.lru_cache(maxsize=update_statements.STATEMENT_CACHE_SIZE)
def _single_statement(models: Models, shape: _StatementShape) -> sa.Select[t.Any]:
    """Return the statement. Its other parts do nothing unless the first UPDATE finds its row."""
    execution = table_of(models.execution)
    update = fencing.fenced_update_statement(execution, shape.execution).where(
        cte_writes.lock_timeout_guard()
    )
    owner = outbox.owner_columns(execution, shape.deliveries)
    row = update.returning(execution.c.id, execution.c.last_event, *owner).cte("changed")
    rest: list[sa.Update | sa.Insert] = [
        _update_step(table_of(models.step), names, f"step{index}", row.c.id)
        for index, names in enumerate(shape.steps)
    ]
    if shape.has_events:
        rest.append(_insert_events(table_of(models.event), row))
    if shape.has_counters:
        rest.append(_insert_counters(table_of(models.counter), row))
    call = table_of(models.call)
    if shape.has_new_calls:
        rest.append(call_rows.insert_part(call, row))
    if shape.has_ended_calls:
        rest.append(call_rows.update_part(call, row))
    rest.extend(outbox.insert_parts(models, row, shape.deliveries))
    parts = [part.cte(f"part{index}") for index, part in enumerate(rest)]
    return sa.select(row.c.last_event).add_cte(*parts)


def _insert_events(event: sa.Table, row: sa.CTE) -> sa.Insert:
    names = ("type", "data", "created_at")
    given = cte_writes.json_rows(event, names, "event")
    number = row.c.last_event - sa.bindparam("new_events", type_=sa.Integer) + given.c.place
    each = sa.select(row.c.id, number, *cte_writes.row_values(event, names))
    return _insert(event, ["execution_id", "seq", *names], each.join_from(row, given, sa.true()))


def _insert_counters(counter: sa.Table, row: sa.CTE) -> sa.Insert:
    names = ("id", *CounterDelta._fields)
    given = cte_writes.json_rows(counter, names, "counter")
    each = sa.select(*cte_writes.row_values(counter, names))
    return _insert(counter, names, each.join_from(row, given, sa.true()))


def _insert(table: sa.Table, names: Sequence[str], rows: sa.Select[t.Any]) -> sa.Insert:
    return sa.insert(table).from_select(names, rows, include_defaults=False)
