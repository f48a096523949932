"""INSERTs and UPDATEs of calls, as parts of the statements that write a run's changes."""

from __future__ import annotations

import functools
import typing as t
import uuid
from collections.abc import Mapping

import sqlalchemy as sa
from sqlalchemy.orm import Session

from ..models import Models
from ..models import table_of
from . import cte_writes
from . import update_statements

Values = Mapping[str, t.Any]
Calls = Mapping[int, Values]
"""Columns of calls, by their numbers."""

END: t.Final = (
    "status",
    "digest",
    "answer",
    "error",
    "altered",
    "cut",
    "size",
    "prompt_tokens",
    "completion_tokens",
    "cost_nanos",
    "finished_at",
)
"""Columns that the end of a call changes, always all of them."""
START: t.Final = (
    "attempt",
    "step",
    "generation",
    "parent",
    "path",
    "kind",
    "name",
    "agent",
    "request",
    "started_at",
)
"""The other columns, without the key."""


def write(
    session: Session, models: Models, execution_id: uuid.UUID, new: Calls, ended: Calls
) -> None:
    """Insert the *new* calls and change those that have *ended*, with portable statements."""
    call = table_of(models.call)
    if new:
        rows = [
            {"execution_id": execution_id, "number": number, **row} for number, row in new.items()
        ]
        session.execute(sa.insert(call), rows)
    if ended:
        changes = [
            {
                "of_execution": execution_id,
                "of_number": number,
                **update_statements.bind_values(row),
            }
            for number, row in ended.items()
        ]
        session.connection().execute(_update_one(call), changes)


@functools.lru_cache(maxsize=8)
def _update_one(call: sa.Table) -> sa.Update:
    key = (
        call.c.execution_id == sa.bindparam("of_execution", type_=sa.Uuid),
        call.c.number == sa.bindparam("of_number", type_=sa.Integer),
    )
    return sa.update(call).where(*key).values(update_statements.set_clauses(call, END))


def insert_part(call: sa.Table, row: sa.CTE) -> sa.Insert:
    """Return the INSERT of the rows in the parameter ``new_calls``."""
    names = ("number", *START, *END)
    given = cte_writes.json_rows(call, names, "new_calls")
    each = sa.select(row.c.id, *cte_writes.row_values(call, names))
    each = each.join_from(row, given, sa.true())
    columns = ["execution_id", *names]
    return sa.insert(call).from_select(columns, each, include_defaults=False)


def update_part(call: sa.Table, row: sa.CTE) -> sa.Update:
    """Return the UPDATE of the rows in the parameter ``ended_calls``."""
    given = cte_writes.json_rows(call, ("number", *END), "ended_calls")
    values = cte_writes.row_values(call, END)
    key = (call.c.execution_id == row.c.id, call.c.number == given.c.number)
    return sa.update(call).where(*key).values(dict(zip(END, values, strict=True)))


def as_parameters(models: Models, new: Calls, ended: Calls) -> dict[str, str]:
    """Return the parameters of both parts, of those that have rows."""
    call = table_of(models.call)
    given = {"new_calls": new, "ended_calls": ended}
    return {
        name: cte_writes.as_json_parameter(
            call, [{"number": number, **row} for number, row in calls.items()]
        )
        for name, calls in given.items()
        if calls
    }
