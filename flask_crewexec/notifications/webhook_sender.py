"""Send notifications to webhooks, and switch off those that do not work."""

from __future__ import annotations

import logging
import typing as t
import uuid

from ..app_state import AppState
from ..errors import NotFound
from ..storage import webhook_state
from ..storage.delivery_claims import Claim
from ..storage.outbox import WEBHOOK
from ..storage.webhook_state import Target
from .notification import Notification
from .result import GONE
from .result import Result
from .signing import sign
from .webhook_body import full_body
from .webhook_body import sample_body
from .webhook_body import thin_body

log = logging.getLogger(__name__)

_GONE_REASON: t.Final = "The server answered 410 Gone: it wants no more messages."
_FAILED_REASON: t.Final = f"{webhook_state.MAX_FAILURES} tries in a row have failed."


def send_webhook(app_state: AppState, claim: Claim, notification: Notification) -> Result:
    """Send a notification to the webhook that a delivery is for."""
    if not app_state.settings.webhooks:
        return _unsent("webhooks-off", "CREWEXEC_WEBHOOKS is off in this worker.", final=False)
    id = uuid.UUID(claim.key.receiver.removeprefix(WEBHOOK))
    target = webhook_state.read_target(app_state, id)
    url = None if target is None else target.url or claim.webhook_url
    if target is None or url is None:
        return _unsent("webhook-removed", "The webhook was removed.")
    if not target.enabled:
        return _unsent("webhook-off", "The webhook was switched off.")
    try:
        body = _body(app_state, target, notification)
    except NotFound:
        return _unsent("execution-removed", "The execution was removed.")
    result = _send(app_state, target, url, notification.id, body)
    _remember(app_state, target, result)
    return result


def _body(app_state: AppState, target: Target, notification: Notification) -> str:
    is_full = target.body == "full"
    return full_body(app_state, notification) if is_full else thin_body(notification)


def send_sample(app_state: AppState, target: Target) -> Result:
    """Send a message without content to a webhook, which changes nothing."""
    if target.url is None:
        return _unsent("no-url", "This webhook has no URL of its own.")
    body = sample_body(str(target.id), target.now)
    return _send(app_state, target, target.url, f"test.{uuid.uuid4()}", body)


def _send(app_state: AppState, target: Target, url: str, message_id: str, body: str) -> Result:
    from .webhook_request import post  # the HTTP client takes long to import

    headers = sign(target.id, target.versions, message_id, target.now, body)
    return post(app_state.settings, url, headers, body)


def _remember(app_state: AppState, target: Target, result: Result) -> None:
    """Count failures in a row. A webhook of single executions has no server of its own."""
    if target.url is None:
        return
    if result.delivered:
        if target.failures:
            webhook_state.reset_failures(app_state, target)
    elif result.answer["code"] == GONE:
        if webhook_state.switch_off(app_state, target, _GONE_REASON):
            _log_off(target, _GONE_REASON)
    elif webhook_state.count_failure(app_state, target, _FAILED_REASON):
        _log_off(target, _FAILED_REASON)


def _log_off(target: Target, reason: str) -> None:
    log.warning("Webhook %s was switched off. %s", target.id, reason)


def _unsent(code: str, text: str, *, final: bool = True) -> Result:
    answer = {"code": code, "text": text, "seconds": 0.0}
    return Result(delivered=False, answer=answer, is_final=final)
