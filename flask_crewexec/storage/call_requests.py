"""Input requests about tool calls, as the runs that have asked find them."""

from __future__ import annotations

import uuid
from collections.abc import Collection
from collections.abc import Sequence

import sqlalchemy as sa
from sqlalchemy.orm import Session

from ..models import InputRequestMixin
from ..models import Models
from ..statuses import CallKind
from ..statuses import has_status
from ..statuses import InputKind
from ..statuses import InputStatus
from ..statuses import NOT_MADE
from . import database_clock
from .input_requests import ROLE


def requests_of_call(
    session: Session, models: Models, execution_id: uuid.UUID, step: int, kind: str, call: str
) -> Sequence[InputRequestMixin]:
    """Return what was asked about a tool call, in its order.

    :param call: path of the call within its step, whatever the step's generation.
    """
    request = models.input_request
    query = sa.select(request).where(
        request.execution_id == execution_id,
        request.step == step,
        request.kind == kind,
        request.call == call,
    )
    return session.scalars(query.order_by(request.generation, request.round)).all()


def roles_of(session: Session, models: Models, request: InputRequestMixin) -> set[str]:
    """Return the roles that a request asks."""
    assignee = models.input_assignee
    query = sa.select(assignee.name).where(assignee.request_id == request.id, assignee.kind == ROLE)
    return {*session.scalars(query)}


def withdraw_of_steps(
    session: Session, models: Models, execution_id: uuid.UUID, steps: Collection[int]
) -> None:
    """Withdraw the open requests about tool calls of steps that are restarted."""
    request = models.input_request
    session.execute(
        sa.update(request)
        .where(_open_of(request, execution_id), request.step.in_(steps))
        .values(status=InputStatus.WITHDRAWN, answered_at=database_clock.now()),
        execution_options={"synchronize_session": False},
    )


def was_made(session: Session, models: Models, request: InputRequestMixin, before: int) -> bool:
    """Return whether the call that people were asked about was made, or may have been.

    :param before: the generation of the step up to which calls count, without its own.
    """
    call = models.call
    query = sa.select(call.error).where(
        call.execution_id == request.execution_id,
        call.step == request.step,
        call.generation >= request.generation,
        call.generation < before,
        call.kind == CallKind.TOOL,
        call.path == request.call,
    )
    return any(error is None or error["code"] != NOT_MADE for error in session.scalars(query))


def _open_of(request: type[InputRequestMixin], execution_id: uuid.UUID) -> sa.ColumnElement[bool]:
    return sa.and_(
        request.execution_id == execution_id,
        has_status(request, InputStatus.OPEN),
        request.kind != InputKind.REVIEW,
    )
