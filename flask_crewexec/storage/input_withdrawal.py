"""What becomes of open input requests when their execution ends."""

from __future__ import annotations

import uuid

import sqlalchemy as sa
from sqlalchemy.orm import Session

from ..models import Models
from ..statuses import has_status
from ..statuses import InputStatus
from . import database_clock


def has_open_requests(
    models: Models, execution_id: sa.BindParameter[uuid.UUID]
) -> sa.ColumnElement[bool]:
    """Return the condition that an execution has asked people who have not answered yet."""
    request = models.input_request
    return sa.exists().where(
        request.execution_id == execution_id, has_status(request, InputStatus.OPEN)
    )


def withdraw_open(session: Session, models: Models, execution_id: uuid.UUID) -> None:
    """Withdraw the open input requests of an execution that ends."""
    request = models.input_request
    session.execute(
        sa.update(request)
        .where(request.execution_id == execution_id, has_status(request, InputStatus.OPEN))
        .values(status=InputStatus.WITHDRAWN, answered_at=database_clock.now()),
        execution_options={"synchronize_session": False},
    )
