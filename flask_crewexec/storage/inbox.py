"""Queries for those who look after input requests: how many, what came before, what was decided."""

from __future__ import annotations

import typing as t
import uuid
from collections.abc import Sequence

import sqlalchemy as sa
from sqlalchemy.orm import load_only
from sqlalchemy.orm import Session

from ..identity import Identity
from ..models import InputRequestMixin
from ..models import Models
from ..statuses import InputStatus
from .input_requests import ids_for
from .input_requests import Page


def count_asked(session: Session, models: Models, requester: Identity, limit: int) -> int:
    """Return how many open requests *requester* is asked, at most *limit*."""
    page = Page(limit=limit, status=InputStatus.OPEN, assigned=True)
    return min(limit, len(session.scalars(ids_for(models, requester, page)).all()))


def previous_id(session: Session, models: Models, asked: InputRequestMixin) -> uuid.UUID | None:
    """Return the id of the request of the round before; None if there is none."""
    request = models.input_request
    earlier = sa.or_(
        request.generation < asked.generation,
        sa.and_(request.generation == asked.generation, request.round < asked.round),
    )
    query = sa.select(request.id).where(
        request.execution_id == asked.execution_id,
        request.step == asked.step,
        request.kind == asked.kind,
        request.call == asked.call,
        earlier,
    )
    newest_first = request.generation.desc(), request.round.desc()
    return session.scalar(query.order_by(*newest_first).limit(1))


def decided_requests(
    session: Session, models: Models, execution_id: uuid.UUID, limit: int
) -> Sequence[InputRequestMixin]:
    """Return what is not open any more, newest first, without its contents."""
    request = models.input_request
    columns: list[t.Any] = [
        request.kind,
        request.step_name,
        request.tool,
        request.round,
        request.status,
        request.decision,
        request.answered_by,
        request.answered_at,
    ]
    query = (
        sa.select(request)
        .where(request.execution_id == execution_id, request.status != InputStatus.OPEN)
        .options(load_only(*columns, raiseload=True))
    )
    return session.scalars(query.order_by(request.id.desc()).limit(limit)).all()
