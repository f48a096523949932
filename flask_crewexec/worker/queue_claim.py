"""A worker's claim on the queues that it consumes."""

from __future__ import annotations

import contextlib
import logging
import typing as t
import uuid
from collections.abc import Iterator

from sqlalchemy.exc import SQLAlchemyError

from ..app_state import AppState
from ..errors import BrokerUnavailable
from ..messaging.broker import shared_broker_client
from ..messaging.broker_faults import fault_of
from ..messaging.broker_faults import is_unsuitable
from ..messaging.queue_claims import QueueClaims
from ..process import worker_id
from ..storage.installation import ensure_installation_id

log = logging.getLogger(__name__)


def claim_queues(app_state: AppState, consumed: set[str]) -> None:
    """Claim those of our queues that a worker consumes, until some time after its last heartbeat.

    :raises BrokerUnavailable: if another application has claimed one, or the broker is away.
    """
    installation = ensure_installation_id(app_state)
    with shared_broker_client(app_state) as client:
        claims = QueueClaims(client, installation)
        seconds = app_state.settings.stale_worker_after
        claims.claim(_ours(app_state, consumed), _this_worker(), seconds)


def keep_queues(app_state: AppState, consumed: set[str]) -> None:
    """Prolong the claim; a broker that was away or has lost its data may have another by now."""
    try:
        claim_queues(app_state, consumed)
    except BrokerUnavailable as error:
        if is_unsuitable(error):
            fault = fault_of(error)
            log.error("%s %s", fault.detail, fault.remedy)


def release_queues(app_state: AppState, consumed: set[str]) -> None:
    """Give the queues up, since this worker stops; if that fails, its claims end by themselves."""
    with contextlib.suppress(BrokerUnavailable, SQLAlchemyError):
        installation = ensure_installation_id(app_state)
        with shared_broker_client(app_state) as client:
            QueueClaims(client, installation).release(_ours(app_state, consumed), _this_worker())


def _this_worker() -> uuid.UUID:
    return t.cast(uuid.UUID, worker_id.current())


def _ours(app_state: AppState, consumed: set[str]) -> Iterator[str]:
    return (queue for queue in app_state.settings.queues if queue in consumed)
