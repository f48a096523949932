"""Expiry of input requests: what happens if nobody answers in time."""

from __future__ import annotations

import logging
import typing as t
from collections.abc import Mapping

from ..app_state import AppState
from ..models import InputRequestMixin
from ..statuses import Decision
from ..statuses import InputKind
from ..statuses import InputStatus
from ..storage import input_ends
from ..storage.input_ends import Ended

log = logging.getLogger(__name__)

_DECISIONS: t.Final[Mapping[str, Decision]] = {
    "approve": Decision.APPROVE,
    "reject": Decision.REJECT,
    "default": Decision.RESPOND,
}
"""Decisions by what a request says for its expiry; with any other, the execution fails."""


def expire_inputs(app_state: AppState) -> int:
    """End requests that have expired, at most ``CREWEXEC_RECONCILE_BATCH_SIZE``; return how many.

    Executions that wait for nothing else are queued: workers do what follows from the expiry.
    """
    expired = input_ends.read_expired(app_state, app_state.settings.reconcile_batch_size)
    return sum(_expire(app_state, request) for request in expired)


def _expire(app_state: AppState, request: InputRequestMixin) -> bool:
    ended = Ended(InputStatus.EXPIRED, _decision(request), request.default)
    try:
        with app_state.database.write_transaction() as session:
            return input_ends.end(session, app_state, request, ended)
    except Exception:
        log.exception("Input request %s could not expire; the next round retries.", request.id)
        return False


def _decision(request: InputRequestMixin) -> Decision | None:
    decision = _DECISIONS.get(request.on_expiry)
    is_review = request.kind == InputKind.REVIEW
    return Decision.EDIT if decision == Decision.RESPOND and is_review else decision
