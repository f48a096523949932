"""Checks of webhooks before they are stored."""

from __future__ import annotations

from ..app_state import AppState
from ..errors import InvalidRequest
from ..errors import Problem
from ..errors import WebhooksOff


def require_webhooks(app_state: AppState) -> None:
    """Check that the host offers webhooks.

    :raises WebhooksOff: if not.
    """
    if not app_state.settings.webhooks:
        raise WebhooksOff("This application offers no webhooks: 'CREWEXEC_WEBHOOKS' is off.")


def check_webhook_url(app_state: AppState, url: str, pointer: str) -> None:
    """Check where messages would be sent.

    :param pointer: where the URL is in the request.
    :raises InvalidRequest: if it may not be used.
    """
    # Imported here, because web processes without webhooks need no HTTP client.
    from ..outbound import AddressRefused
    from ..outbound.stored_urls import check_stored_url

    try:
        check_stored_url(url, app_state.settings.webhook_networks)
    except AddressRefused as error:
        problem = Problem(pointer, AddressRefused.code, error.detail)
        raise InvalidRequest(f"{pointer[1:]}: {error.detail}", [problem]) from error
