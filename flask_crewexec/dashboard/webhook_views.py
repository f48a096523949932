"""Pages of webhooks: what they are told, how it went, and what their owners may do."""

from __future__ import annotations

import typing as t

from flask import Blueprint
from flask import redirect
from flask import request
from flask import url_for
from flask.typing import ResponseReturnValue

from ..app_state import current_app_state
from ..identity import Identity
from ..schemas import DELIVERY_STATUSES
from ..schemas import load
from ..schemas import PageQuerySchema
from ..schemas.notifications import ENDS
from ..schemas.notifications import known_patterns
from ..schemas.notifications import NOTIFICATION_TYPES
from ..services.delivery_service import DeliveryService
from ..services.webhook_service import WebhookService
from ..web.authentication import current_identity
from ..web.executions import next_id
from ..web.stream_slots import limiters
from .templating import render

Json = dict[str, t.Any]

PAGE: t.Final = 25
OF_EXECUTION: t.Final = 100
"""How many deliveries the page of an execution shows."""
_QUERY: t.Final = ("status", "before")

_webhooks: t.Final = WebhookService()
_deliveries: t.Final = DeliveryService()


def deliveries_of_execution(execution_id: str, requester: Identity) -> list[Json]:
    """Return what was told of an execution, as *requester* may see it; newest first."""
    app_state = current_app_state()
    if not (app_state.settings.webhooks or app_state.registry.handlers):
        return []
    return _deliveries.of_execution(execution_id, requester, limit=OF_EXECUTION).deliveries


def list_webhooks() -> str:
    """List webhooks, newest first, with a form for another."""
    requester = current_identity()
    given = {name: request.args[name] for name in ("before",) if request.args.get(name)}
    query = load(PageQuerySchema(), {"limit": PAGE, **given})
    page = _webhooks.list(requester, **query)
    return render(
        "webhooks.html",
        requester,
        webhooks=page,
        older=next_id(page, PAGE),
        patterns=known_patterns(),
        meanings=NOTIFICATION_TYPES,
        usual=ENDS,
    )


def add_webhook() -> ResponseReturnValue:
    """Add a webhook, and redirect to its page."""
    requester, form = current_identity(), request.form
    values: Json = {
        "url": form.get("url", ""),
        "events": form.getlist("events"),
        "body": form.get("body", "thin"),
        "description": form.get("description") or None,
    }
    webhook = _webhooks.create(requester.user_id, requester, **values)
    return redirect(url_for(".show_webhook", webhook_id=webhook["id"]), 303)


def show_webhook(webhook_id: str) -> str:
    """Show a webhook and its deliveries."""
    return _page(webhook_id)


def switch_webhook(webhook_id: str) -> ResponseReturnValue:
    """Switch a webhook on or off, and redirect to its page."""
    enabled = request.form.get("enabled") == "yes"
    _webhooks.change(webhook_id, current_identity(), enabled=enabled)
    return _back(webhook_id)


def show_webhook_secret(webhook_id: str) -> str:
    """Show the page with the secret."""
    return _page(webhook_id, secret=_webhooks.secret(webhook_id, current_identity())["secret"])


def rotate_webhook_secret(webhook_id: str) -> str:
    """Replace the secret, and show the page with the new one."""
    version = request.form.get("secret_version", type=int)
    rotated = _webhooks.rotate(webhook_id, current_identity(), secret_version=version)
    return _page(webhook_id, secret=rotated["secret"])


def test_webhook(webhook_id: str) -> str:
    """Send a message to a webhook now, and show the page with what came of it."""
    requester, settings = current_identity(), current_app_state().settings
    with limiters.current().acquire(requester.user_id, settings, with_one_thread=True):
        tried = _webhooks.test(webhook_id, requester)
    return _page(webhook_id, tried=tried)


def delete_webhook(webhook_id: str) -> ResponseReturnValue:
    """Delete a webhook, and redirect to the list."""
    _webhooks.delete(webhook_id, current_identity())
    return redirect(url_for(".list_webhooks"), 303)


def resend_delivery(webhook_id: str) -> ResponseReturnValue:
    """Send a delivery again, and redirect to the page of its webhook."""
    _deliveries.resend(webhook_id, request.form.get("event_id", ""), current_identity())
    return _back(webhook_id)


def _back(webhook_id: str) -> ResponseReturnValue:
    return redirect(url_for(".show_webhook", webhook_id=webhook_id), 303)


def _page(webhook_id: str, *, secret: str | None = None, tried: Json | None = None) -> str:
    requester = current_identity()
    webhook = _webhooks.get(webhook_id, requester)
    given = {name: request.args[name] for name in _QUERY if request.args.get(name)}
    page = _deliveries.of_webhook(webhook_id, requester, limit=PAGE, **given)
    return render(
        "webhook.html",
        requester,
        webhook=webhook,
        is_owner=webhook["user_id"] == requester.user_id,
        secret=secret,
        tried=tried,
        deliveries=page.deliveries,
        older=page.next,
        filters=given,
        delivery_statuses=DELIVERY_STATUSES,
    )


def add_routes(blueprint: Blueprint) -> None:
    """Add the pages of webhooks to *blueprint*."""
    one = "/webhooks/<webhook_id>"
    blueprint.get("/webhooks")(list_webhooks)
    blueprint.post("/webhooks")(add_webhook)
    blueprint.get(one)(show_webhook)
    blueprint.post(f"{one}/switch")(switch_webhook)
    blueprint.post(f"{one}/secret")(show_webhook_secret)
    blueprint.post(f"{one}/rotate")(rotate_webhook_secret)
    blueprint.post(f"{one}/test")(test_webhook)
    blueprint.post(f"{one}/delete")(delete_webhook)
    blueprint.post(f"{one}/resend")(resend_delivery)
