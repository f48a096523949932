"""Rows that a fork takes over from another execution."""

from __future__ import annotations

import typing as t
import uuid
from collections.abc import Mapping
from collections.abc import Sequence

import sqlalchemy as sa
from sqlalchemy.orm import Session

from ..models import Models
from ..models import table_of
from ..models import Usage
from ..statuses import STEP_DONE
from ..statuses import StepOrigin
from .new_event import CREW_PLANNED

Row = dict[str, t.Any]


class Place(t.NamedTuple):
    """Where a step is in the fork."""

    position: int
    node_id: str


class NewSteps(t.NamedTuple):
    """The steps of a fork."""

    execution_id: uuid.UUID
    rows: Sequence[Row]
    """Those that run, or whose outputs are given."""
    reused: Mapping[int, Place]
    """Places of the others, by their positions in the execution that is forked."""


def finished_steps(session: Session, models: Models, execution_id: uuid.UUID) -> dict[str, int]:
    """Return the positions of the steps of an execution that have an output, by name."""
    step = models.step
    query = sa.select(step.name, step.position).where(
        step.execution_id == execution_id, step.status.in_(STEP_DONE), step.output.is_not(None)
    )
    return {name: position for name, position in session.execute(query)}


def last_plans(session: Session, models: Models, execution_id: uuid.UUID) -> Row | None:
    """Return what the crew's planner has planned for an execution, by the names of steps."""
    event = models.event
    query = sa.select(event.data).where(
        event.execution_id == execution_id, event.type == CREW_PLANNED
    )
    data = session.scalars(query.order_by(event.seq.desc()).limit(1)).first()
    return None if data is None else data["plans"]


def insert_steps(session: Session, models: Models, steps: NewSteps, source_id: uuid.UUID) -> bool:
    """Insert the steps of a fork of the execution *source_id*; return False if that was removed."""
    table = table_of(models.step)
    if steps.rows:
        session.execute(sa.insert(table), steps.rows)
    if not steps.reused:
        return True
    options = {"preserve_rowcount": True}  # otherwise not known for every INSERT
    result = session.execute(_copy(table, steps, source_id), execution_options=options)
    return t.cast("sa.CursorResult[t.Any]", result).rowcount == len(steps.reused)


def _copy(step: sa.Table, steps: NewSteps, source_id: uuid.UUID) -> sa.Insert:
    """Return the statement that copies outputs within the database, since they may be large."""
    position = {former: place.position for former, place in steps.reused.items()}
    node_id = {former: place.node_id for former, place in steps.reused.items()}
    kept = ("name", "agent", "status", "output", "truncated")
    values: dict[str, sa.ColumnElement[t.Any]] = {
        "execution_id": sa.literal(steps.execution_id, step.c.execution_id.type),
        "position": sa.case(position, value=step.c.position),
        "node_id": sa.case(node_id, value=step.c.position),
        "origin": sa.literal_column(f"'{StepOrigin.REUSED}'"),
        "generation": sa.literal_column("0"),
        **{name: sa.literal_column("0") for name in Usage._fields},
        **{name: step.c[name] for name in kept},
    }
    query = sa.select(*values.values()).where(
        step.c.execution_id == source_id,
        step.c.position.in_(steps.reused),
        step.c.status.in_(STEP_DONE),
    )
    return sa.insert(step).from_select([*values], query, include_defaults=False)
