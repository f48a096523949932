"""Deliver what is due, one notification after the other."""

from __future__ import annotations

import logging
import typing as t
from collections.abc import Callable

from ..app_state import AppState
from ..storage import deliveries
from ..storage.delivery_claims import Claim
from ..storage.delivery_claims import claim as claim_delivery
from ..storage.outbox import DELIVERED
from ..storage.outbox import FAILED
from ..storage.outbox import SIGNALS
from ..storage.outbox import WEBHOOK
from .backoff import delay_after
from .handlers import call_handler
from .handlers import send_signal
from .notification import Notification
from .result import Result
from .slow_webhooks import slow_webhooks
from .webhook_sender import send_webhook

log = logging.getLogger(__name__)

MARGIN_SECONDS: t.Final = 15.0
"""How long a process may take to store how a delivery went, before another one repeats it."""


def deliver_next(app_state: AppState, on_claim: Callable[[], object] = lambda: None) -> bool:
    """Try the delivery that has been due longest; return whether there was one.

    :param on_claim: called before it is tried.
    """
    seconds = app_state.settings.notification_timeout + MARGIN_SECONDS
    slow = slow_webhooks.current()
    claim = slow.claim(lambda must_wait: claim_delivery(app_state, seconds, must_wait))
    if claim is None:
        return False
    with slow.sending(claim):
        on_claim()
        _store(app_state, claim, _attempt(app_state, claim))
    return True


def _attempt(app_state: AppState, claim: Claim) -> Result:
    receiver, notification = claim.key.receiver, Notification.of(claim)
    if receiver == SIGNALS:
        return send_signal(app_state, receiver, notification)
    if receiver.startswith(WEBHOOK):
        return send_webhook(app_state, claim, notification)
    return call_handler(app_state, receiver, notification)


def _store(app_state: AppState, claim: Claim, result: Result) -> None:
    if result.delivered:
        deliveries.settle(app_state, claim, DELIVERED, result.answer)
        return
    delay = None if result.is_final else delay_after(claim.tries, result.retry_after)
    if delay is not None:
        deliveries.put_off(app_state, claim, delay, result.answer)
    elif deliveries.settle(app_state, claim, FAILED, result.answer):
        log.error(
            "%s was not told of %s of execution %s, after %s tries.",
            claim.key.receiver,
            claim.type,
            claim.key.execution_id,
            claim.tries,
        )
