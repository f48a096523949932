"""Publish the message of an execution, or compensate when the broker is unavailable."""

from __future__ import annotations

import logging
import typing as t
import uuid
from collections.abc import Callable

import sqlalchemy as sa
from sqlalchemy.orm import Session

from ..app_state import AppState
from ..errors import BrokerUnavailable
from ..messaging.broker import check_broker
from ..messaging.publishing import publish_attempt
from ..models import ExecutionMixin
from ..storage import transitions

log = logging.getLogger(__name__)

_WAITS: t.Final = "The broker is away; execution %s waits in the database."


def require_broker(app_state: AppState) -> None:
    """Refuse what would need no message yet, as if it needed one: whoever asks is to know at once.

    :raises BrokerUnavailable: if the broker is away, unless the settings accept that.
    """
    if not app_state.settings.accept_without_broker:
        check_broker(app_state)


def _publish_or_delete(app_state: AppState, execution: ExecutionMixin) -> None:
    """Send the message; if that fails, forget the execution, unless it arrived after all."""
    _publish_or_compensate(
        app_state,
        execution,
        execution.attempt,
        lambda session: transitions.delete_unpublished(session, app_state.models, execution.id),
    )
    if execution.idempotency_key is not None:
        with app_state.database.write_transaction() as session:
            transitions.mark_published(session, app_state.models, execution.id, execution.attempt)


def publish_or_revert(app_state: AppState, former: ExecutionMixin) -> None:
    """Send the message; if that fails, undo the requeueing, unless it arrived after all."""
    _publish_or_compensate(
        app_state,
        former,
        former.attempt + 1,
        lambda session: transitions.revert_requeue(session, app_state.models, former),
    )


def _publish_or_compensate(
    app_state: AppState, execution: ExecutionMixin, attempt: int, undo: Callable[[Session], bool]
) -> None:
    """Send the message; where the settings say so, leave what cannot be sent to the reconciler."""
    try:
        publish_attempt(app_state, execution.id, attempt, execution.priority)
    except Exception as error:  # raised, unless the message arrived after all
        away = isinstance(error, BrokerUnavailable)
        if away and app_state.settings.accept_without_broker:
            log.warning(_WAITS, execution.id)
            return
        with app_state.database.write_transaction() as session:
            undone = undo(session)
        if undone:
            raise


def republish(
    app_state: AppState, execution_id: uuid.UUID, *conditions: sa.ColumnElement[bool]
) -> bool:
    """Send a message for a queued execution; False if none waits or the broker is away.

    The *conditions* are checked by the statement that notes the message, so of several callers
    who ask for an old message only one sends a new one.

    Whoever calls it has lost nothing in that case: the reconciler sends it later.
    """
    models = app_state.models
    with app_state.database.write_transaction() as session:
        execution = session.get(models.execution, execution_id)
        waits = execution is not None and transitions.mark_published(
            session, models, execution_id, execution.attempt, *conditions
        )
    if execution is None or not waits:
        return False
    try:
        publish_attempt(app_state, execution_id, execution.attempt, execution.priority)
    except BrokerUnavailable:
        log.warning(_WAITS, execution_id)
        return False
    return True
