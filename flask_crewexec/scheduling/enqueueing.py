"""Store a new execution and publish its message, once for each idempotency key."""

from __future__ import annotations

import typing as t
from collections.abc import Callable

from sqlalchemy.exc import IntegrityError

from ..app_state import AppState
from ..errors import IdempotencyKeyInUse
from ..errors import IdempotencyKeyReused
from ..errors import Problem
from ..models import ExecutionMixin
from ..statuses import ExecutionStatus
from ..storage.database_errors import is_duplicate_idempotency_key
from ..storage.execution_queries import find_by_idempotency_key
from .delivery import publish_or_delete
from .delivery import require_broker
from .fair_scheduler import release_next

_STILL_QUEUING: t.Final = (
    "The first submission with this key is still being queued. Send it again in a moment."
)


class Submitted(t.NamedTuple):
    """What became of a submission."""

    execution: ExecutionMixin
    is_replay: bool
    """Whether an earlier submission with the same idempotency key had queued it."""


class Idempotency(t.NamedTuple):
    """By what a request is known if it is sent again."""

    owner_id: str
    key: str | None
    digest: str | None
    """Of the content of the request; None without a key."""


def find_duplicate(app_state: AppState, request: Idempotency) -> ExecutionMixin | None:
    """Return the execution of an earlier request with the same key.

    :raises IdempotencyKeyReused: if that request had another content.
    :raises IdempotencyKeyInUse: if its message may not have been sent yet.
    """
    key = request.key
    if key is None:
        return None
    execution = find_by_idempotency_key(app_state, request.owner_id, key)
    if execution is None:
        return None
    if execution.idempotency_digest != request.digest:
        detail = f"The key '{key}' was used for a different submission. Use a new key."
        problem = Problem("/idempotency_key", IdempotencyKeyReused.code, detail)
        raise IdempotencyKeyReused(detail, [problem])
    is_queued = execution.status == ExecutionStatus.QUEUED and execution.attempt == 1
    if is_queued and execution.published_at is None and not execution.on_hold:
        raise IdempotencyKeyInUse(_STILL_QUEUING)
    return execution


def enqueue(
    app_state: AppState,
    execution: ExecutionMixin,
    request: Idempotency,
    insert: Callable[[], None],
) -> Submitted:
    """Store a new execution with *insert*, and publish its message unless it is on hold.

    :return: the execution, or that of a request with the same key that was faster.
    :raises IdempotencyKeyInUse: if that one may be deleted again.
    :raises BrokerUnavailable: if the message could not be sent; nothing is stored then.
    """
    if execution.on_hold:
        require_broker(app_state)
    try:
        insert()
    except IntegrityError as error:
        if not is_duplicate_idempotency_key(error):
            raise
        # Another submission with the key was faster, or has just been deleted again.
        if duplicate := find_duplicate(app_state, request):
            return Submitted(duplicate, is_replay=True)
        raise IdempotencyKeyInUse(_STILL_QUEUING) from error
    if execution.on_hold:
        # Executions ahead of it may have been claimed in the meantime.
        release_next(app_state, execution.owner_id)
    else:
        publish_or_delete(app_state, execution)
    return Submitted(execution, is_replay=False)
