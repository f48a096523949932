"""Routes of webhooks and their deliveries."""

from __future__ import annotations

import typing as t

from flask import Blueprint
from flask import url_for

from ..app_state import current_app_state
from ..schemas import DeliveryPageSchema
from ..schemas import DeliveryQuerySchema
from ..schemas import ExecutionDeliveryQuerySchema
from ..schemas import PageQuerySchema
from ..schemas import ResendSchema
from ..schemas import ResentSchema
from ..schemas import RotationSchema
from ..schemas import WebhookChangeSchema
from ..schemas import WebhookPageSchema
from ..schemas import WebhookRequestSchema
from ..schemas import WebhookSchema
from ..schemas import WebhookSecretSchema
from ..schemas import WebhookTestSchema
from ..services.delivery_service import DeliveryService
from ..services.webhook_service import WebhookService
from .authentication import current_identity
from .executions import next_id
from .stream_slots import limiters
from .view_contracts import Answer
from .view_contracts import documents_headers_of_response
from .view_contracts import documents_response
from .view_contracts import reads
from .view_contracts import responds

Json = dict[str, t.Any]

_webhooks: t.Final = WebhookService()
_deliveries: t.Final = DeliveryService()


@documents_headers_of_response("Location")
@responds(WebhookSchema(), 201)
@reads(WebhookRequestSchema())
def create_webhook(body: Json) -> Answer:
    """Add a webhook."""
    requester = current_identity()
    webhook = _webhooks.create(requester.user_id, requester, **body)
    return Answer(webhook, {"Location": url_for(".get_webhook", webhook_id=webhook["id"])})


@responds(WebhookPageSchema())
@reads(PageQuerySchema(), "query")
def list_webhooks(query: Json) -> Json:
    """List webhooks, newest first."""
    page = _webhooks.list(current_identity(), **query)
    return {"webhooks": page, "next": next_id(page, query["limit"])}


@responds(WebhookSchema())
def get_webhook(webhook_id: str) -> Json:
    """Show a webhook."""
    return _webhooks.get(webhook_id, current_identity())


@responds(WebhookSchema())
@reads(WebhookChangeSchema())
def change_webhook(body: Json, webhook_id: str) -> Json:
    """Change a webhook, or switch it on or off."""
    return _webhooks.change(webhook_id, current_identity(), **body)


@documents_response(None, 204)
def delete_webhook(webhook_id: str) -> tuple[str, int]:
    """Delete a webhook; what waits to be sent to it is given up."""
    _webhooks.delete(webhook_id, current_identity())
    return "", 204


@responds(WebhookSecretSchema())
def get_webhook_secret(webhook_id: str) -> Answer:
    """Show the secret with which receivers verify signatures, to the owner alone."""
    return _unstored(_webhooks.secret(webhook_id, current_identity()))


@responds(WebhookSecretSchema())
@reads(RotationSchema())
def rotate_webhook_secret(body: Json, webhook_id: str) -> Answer:
    """Replace the secret; the former one signs, too, for one day."""
    return _unstored(_webhooks.rotate(webhook_id, current_identity(), **body))


@responds(WebhookTestSchema())
def test_webhook(webhook_id: str) -> Json:
    """Send a message of type 'webhook.test' now, and show what came of it."""
    requester = current_identity()
    settings = current_app_state().settings
    # It may take as long as the slowest server, as a waiting request does, but no longer.
    with limiters.current().acquire(requester.user_id, settings, with_one_thread=True):
        return _webhooks.test(webhook_id, requester)


@responds(DeliveryPageSchema())
@reads(DeliveryQuerySchema(), "query")
def list_webhook_deliveries(query: Json, webhook_id: str) -> Json:
    """List the deliveries to a webhook, newest execution first."""
    return _deliveries.of_webhook(webhook_id, current_identity(), **query)._asdict()


@documents_response(None, 204)
def resend_delivery(webhook_id: str, event_id: str) -> tuple[str, int]:
    """Send a delivery that was delivered or given up again."""
    _deliveries.resend(webhook_id, event_id, current_identity())
    return "", 204


@responds(ResentSchema())
@reads(ResendSchema())
def resend_failed_deliveries(body: Json, webhook_id: str) -> Json:
    """Send everything again that was given up since a moment."""
    return {"resent": _deliveries.resend_failed(webhook_id, current_identity(), **body)}


@responds(DeliveryPageSchema())
@reads(ExecutionDeliveryQuerySchema(), "query")
def list_execution_deliveries(query: Json, execution_id: str) -> Json:
    """List what webhooks were told of an execution, newest event first."""
    return _deliveries.of_execution(execution_id, current_identity(), **query)._asdict()


def _unstored(body: Json) -> Answer:
    return Answer(body, {"Cache-Control": "no-store"})


def add_routes(blueprint: Blueprint) -> None:
    """Add the routes of webhooks to *blueprint*."""
    one = "/webhooks/<webhook_id>"
    blueprint.get("/webhooks")(list_webhooks)
    blueprint.post("/webhooks")(create_webhook)
    blueprint.get(one)(get_webhook)
    blueprint.patch(one)(change_webhook)
    blueprint.delete(one)(delete_webhook)
    blueprint.get(f"{one}/secret")(get_webhook_secret)
    blueprint.post(f"{one}/rotate")(rotate_webhook_secret)
    blueprint.post(f"{one}/test")(test_webhook)
    blueprint.post(f"{one}/resend")(resend_failed_deliveries)
    blueprint.get(f"{one}/deliveries")(list_webhook_deliveries)
    blueprint.post(f"{one}/deliveries/<event_id>/resend")(resend_delivery)
    blueprint.get("/executions/<execution_id>/deliveries")(list_execution_deliveries)
