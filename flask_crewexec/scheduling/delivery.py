"""Publish the message of an execution, or compensate when the broker is unavailable."""

from __future__ import annotations

import logging
import uuid
from collections.abc import Callable

import sqlalchemy as sa
from sqlalchemy.orm import Session

from ..app_state import AppState
from ..errors import BrokerUnavailable
from ..messaging.broker import check_broker
from ..messaging.broker_faults import nothing_queued
from ..messaging.eager import is_eager
from ..messaging.publishing import publish_attempt
from ..models import ExecutionMixin
from ..storage import transitions

log = logging.getLogger(__name__)


def require_broker(app_state: AppState) -> None:
    """Require a reachable broker even for executions that are only held.

    Callers learn of an outage immediately, as they do when a message is sent.

    :raises BrokerUnavailable: if it is unavailable, unless the settings accept that.
    """
    if app_state.settings.accept_without_broker or is_eager(app_state.celery):
        return
    try:
        check_broker(app_state)
    except BrokerUnavailable as error:
        raise nothing_queued(error) from error


def publish_or_delete(app_state: AppState, execution: ExecutionMixin) -> None:
    """Publish a new execution; if that fails, delete it, unless the message arrived after all."""
    _publish_or_compensate(
        app_state,
        execution,
        execution.attempt,
        lambda session: transitions.delete_unpublished(session, app_state.models, execution.id),
    )
    if execution.idempotency_key is not None:
        with app_state.database.write_transaction() as session:
            transitions.mark_published(session, app_state.models, execution.id, execution.attempt)


def keep_or_delete(app_state: AppState, execution: ExecutionMixin) -> None:
    """Delete a new execution that is on hold if the broker is unavailable, unless it was released.

    :raises BrokerUnavailable: if it was deleted.
    """
    try:
        require_broker(app_state)
    except BrokerUnavailable:
        with app_state.database.write_transaction() as session:
            deleted = transitions.delete_unpublished(
                session, app_state.models, execution.id, on_hold=True
            )
        if deleted:
            raise


def publish_or_revert(app_state: AppState, former: ExecutionMixin) -> None:
    """Publish a retry; if that fails, revert it, unless the message arrived after all.

    :param former: the execution as it was before the retry.
    """
    _publish_or_compensate(
        app_state,
        former,
        former.attempt + 1,
        lambda session: transitions.revert_requeue(session, app_state.models, former),
    )


def _publish_or_compensate(
    app_state: AppState, execution: ExecutionMixin, attempt: int, undo: Callable[[Session], bool]
) -> None:
    """Publish the message, or leave it to the reconciler if the settings say so."""
    try:
        publish_attempt(app_state, execution.id, attempt, execution.urgency)
    except Exception as error:  # raised again, unless the message arrived after all
        is_unavailable = isinstance(error, BrokerUnavailable)
        if is_unavailable and app_state.settings.accept_without_broker:
            _log_unavailable(execution.id)
            return
        with app_state.database.write_transaction() as session:
            undone = undo(session)
        if undone:
            raise


def republish(
    app_state: AppState, execution_id: uuid.UUID, *conditions: sa.ColumnElement[bool]
) -> bool:
    """Send another message for a queued execution.

    The statement that records the message checks the *conditions*, so only one of several
    concurrent callers sends it. If the broker is unavailable, the reconciler sends it later.

    :return: False if no message is needed or the broker is unavailable.
    """
    models = app_state.models
    with app_state.database.write_transaction() as session:
        execution = session.get(models.execution, execution_id)
        if execution is None or not transitions.mark_published(
            session, models, execution_id, execution.attempt, *conditions
        ):
            return False
    try:
        publish_attempt(app_state, execution_id, execution.attempt, execution.urgency)
    except BrokerUnavailable:
        _log_unavailable(execution_id)
        return False
    return True


def _log_unavailable(execution_id: uuid.UUID) -> None:
    log.warning(
        "The broker is unavailable; execution %s stays queued in the database.", execution_id
    )
