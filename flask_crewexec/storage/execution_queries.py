"""SELECTs of executions and their steps, as the service, the dashboard and the terminal need them.

A function that takes a *requester* finds only what that requester may see.
"""

from __future__ import annotations

import typing as t
import uuid
from collections.abc import Collection
from collections.abc import Sequence

import sqlalchemy as sa
from sqlalchemy.orm import load_only
from sqlalchemy.orm import Session
from sqlalchemy.orm import with_expression
from sqlalchemy.sql.base import ExecutableOption

from ..app_state import AppState
from ..errors import NotFound
from ..ids import parse_uuid
from ..models import ExecutionMixin
from ..models import Models
from ..models import StepMixin
from . import database_clock
from .graph_queries import graph_name_of
from .ownership import owned_by
from .ownership import Requester
from .ownership import visible_to
from .queue_pause import is_paused

Id = uuid.UUID | str

_MAX_POSITION_DIGITS: t.Final = 9
"""Databases cannot compare columns with any number."""


def find_execution(
    session: Session,
    models: Models,
    execution_id: Id,
    requester: Requester,
    *options: ExecutableOption,
    for_update: bool = False,
) -> ExecutionMixin:
    """Return an execution.

    :param options: which columns to load.
    :param for_update: whether to lock the row until the transaction ends.
    :raises NotFound: if there is none, or not for *requester*.
    """
    execution = models.execution
    query = visible_to(sa.select(execution), execution, requester)
    query = query.options(with_time(execution), with_pause(models), *options)
    query = query.where(execution.id == parse_uuid(execution_id, "execution"))
    found = session.scalar(query.with_for_update() if for_update else query)
    if found is None:
        raise NotFound(f"There is no execution '{execution_id}'.")
    return found


def find_executions(
    session: Session,
    models: Models,
    execution_ids: Collection[uuid.UUID],
    requester: Requester,
    *options: ExecutableOption,
) -> dict[uuid.UUID, ExecutionMixin]:
    """Return those of the executions that *requester* may see, by their ids.

    :param options: which columns to load.
    """
    execution = models.execution
    query = visible_to(sa.select(execution), execution, requester)
    query = query.options(*options).where(execution.id.in_(execution_ids))
    return {found.id: found for found in session.scalars(query)}


def find_by_idempotency_key(app_state: AppState, owner_id: str, key: str) -> ExecutionMixin | None:
    """Return the execution that a user submitted with a key."""
    execution = app_state.models.execution
    query = sa.select(execution)
    models = app_state.models
    query = query.options(with_time(execution), with_pause(models), with_graph_name(models))
    query = query.where(owned_by(execution, owner_id), execution.idempotency_key == key)
    with app_state.database.read_session() as session:
        return session.scalar(query)


def read_status(app_state: AppState, execution_id: Id, requester: Requester) -> str | None:
    """Return only the status of an execution; None if *requester* cannot see it."""
    execution = app_state.models.execution
    query = visible_to(sa.select(execution.status), execution, requester)
    query = query.where(execution.id == parse_uuid(execution_id, "execution"))
    with app_state.database.read_session() as session:
        return session.scalar(query)


def read_owner_id(app_state: AppState, execution_id: uuid.UUID) -> str | None:
    """Return the id of an execution's owner; None if there is no such execution."""
    execution = app_state.models.execution
    query = sa.select(execution.owner_id).where(execution.id == execution_id)
    with app_state.database.read_session() as session:
        return session.scalar(query)


def steps_of(
    session: Session, models: Models, execution_id: uuid.UUID, *options: ExecutableOption
) -> Sequence[StepMixin]:
    """Return the steps of an execution, in order.

    :param options: which columns to load.
    """
    step = models.step
    query = sa.select(step).where(step.execution_id == execution_id).order_by(step.position)
    return session.scalars(query.options(*options)).all()


def find_step(
    session: Session,
    models: Models,
    execution_id: Id,
    position: int | str,
    requester: Requester,
) -> StepMixin:
    """Return a step of an execution.

    :raises NotFound: if there is none, or not for *requester*.
    """
    text, only_id = str(position), load_only(models.execution.id)
    found = find_execution(session, models, execution_id, requester, only_id)
    is_number = text.isascii() and text.isdecimal() and len(text) <= _MAX_POSITION_DIGITS
    step = session.get(models.step, (found.id, int(text))) if is_number else None
    if step is None:
        raise NotFound(f"Execution '{execution_id}' has no step '{position}'.")
    return step


def result_excerpt(
    session: Session, models: Models, execution_id: uuid.UUID, length: int
) -> str | None:
    """Return the first characters of an execution's result."""
    execution = models.execution
    excerpt = _excerpt(execution.result, length)
    return session.scalar(sa.select(excerpt).where(execution.id == execution_id))


def output_excerpts(
    session: Session, models: Models, execution_id: uuid.UUID, length: int
) -> dict[int, str | None]:
    """Return the first characters of the outputs of an execution's steps, by position."""
    step = models.step
    text = _excerpt(step.output, length)
    query = sa.select(step.position, text).where(step.execution_id == execution_id)
    rows = session.execute(query.where(text.is_not(None)))
    return {position: output for position, output in rows}


def _excerpt(answer: t.Any, length: int) -> sa.ColumnElement[str | None]:
    return sa.func.substr(answer["raw"].as_string(), 1, length)


def with_time(execution: type[ExecutionMixin]) -> ExecutableOption:
    """Return the option that sets ``read_at``, for what an execution has taken so far."""
    return with_expression(execution.read_at, database_clock.now())


def with_pause(models: Models) -> ExecutableOption:
    """Return the option that sets ``queue_paused``, for what an execution waits for."""
    return with_expression(models.execution.queue_paused, is_paused(models))


def with_graph_name(models: Models) -> ExecutableOption:
    """Return the option that sets ``graph_name``, which every description of an execution has."""
    return with_expression(models.execution.graph_name, graph_name_of(models))
