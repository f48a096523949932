"""The commands ``flask crewexec webhooks …``, for operators."""

from __future__ import annotations

import datetime as dt
import json
import typing as t

import click
from flask.cli import AppGroup

from ..identity import normalize_user_id
from ..schemas import MAX_PAGE
from ..schemas.notifications import known_patterns
from ..schemas.webhooks import BODIES
from ..schemas.webhooks import DELIVERY_STATUSES
from ..services.delivery_service import DeliveryService
from ..services.webhook_service import WebhookService
from ..storage.outbox import HANDLER
from .error_messages import OneLineCommand
from .escaping import one_line
from .lists import delivery_lines
from .lists import webhook_lines

webhooks = AppGroup("webhooks", help="Manage webhooks, and what handlers and webhooks were told.")

_webhooks: t.Final = WebhookService()
_deliveries: t.Final = DeliveryService()
_id = click.argument("id")
_as_json = click.option("--json", "as_json", is_flag=True, help="Print JSON, for scripts.")
_limit = click.option(
    "--limit",
    type=click.IntRange(1, MAX_PAGE),
    default=20,
    show_default=True,
    help="Maximum number of lines.",
)


@webhooks.command("list", cls=OneLineCommand)
@click.option("--user", help="Only those of the user with this id.")
@_limit
@_as_json
def list_(user: str | None, limit: int, as_json: bool) -> None:
    """List webhooks, newest first."""
    found = _webhooks.list(limit=limit, user_id=user and normalize_user_id(user))
    click.echo(json.dumps(found, indent=2) if as_json else "\n".join(webhook_lines(found)))


@webhooks.command("add", cls=OneLineCommand)
@click.argument("user")
@click.argument("url")
@click.option(
    "--event",
    "events",
    multiple=True,
    type=click.Choice(known_patterns()),
    metavar="PATTERN",
    help="What it is told, such as 'step.*'; by default how executions end. Can be repeated.",
)
@click.option("--body", type=click.Choice(BODIES), default="thin", help="What is sent.")
@click.option("--description", help="What it is for.")
def add(user: str, url: str, events: tuple[str, ...], body: str, description: str | None) -> None:
    """Add a webhook, and print its id and secret.

    USER is the id of its owner. URL is where messages are sent.
    """
    chosen: dict[str, t.Any] = {"events": [*events]} if events else {}
    webhook = _webhooks.create(user, url=url, body=body, description=description, **chosen)
    click.echo(f"{webhook['id']}  {_webhooks.secret(webhook['id'])['secret']}")


@webhooks.command("remove", cls=OneLineCommand)
@_id
def remove(id: str) -> None:
    """Delete a webhook; what waits to be sent to it is given up.

    ID is the id of the webhook.
    """
    _webhooks.delete(id)
    click.echo("The webhook is deleted.")


@webhooks.command("rotate", cls=OneLineCommand)
@_id
def rotate(id: str) -> None:
    """Replace the secret, and print the new one; the former signs, too, for one day.

    ID is the id of the webhook.
    """
    click.echo(_webhooks.rotate(id)["secret"])


@webhooks.command("test", cls=OneLineCommand)
@_id
@click.pass_context
def test(ctx: click.Context, id: str) -> None:
    """Send a message of type 'webhook.test' now.

    ID is the id of the webhook. The exit code is 0 if it was delivered, otherwise 1.
    """
    result = _webhooks.test(id)
    told = [result[key] for key in ("status", "code", "text") if result[key] is not None]
    outcome = "delivered" if result["delivered"] else "not delivered"
    click.echo(one_line(f"{outcome}: {' '.join(map(str, told))} ({result['seconds']} s)"))
    ctx.exit(0 if result["delivered"] else 1)


@webhooks.command("deliveries", cls=OneLineCommand)
@click.argument("id", required=False)
@click.option("--status", type=click.Choice(DELIVERY_STATUSES), help="Only those to one receiver.")
@click.option("--failed", is_flag=True, help="Those to all receivers that were given up.")
@_limit
@_as_json
def deliveries(id: str | None, status: str | None, failed: bool, limit: int, as_json: bool) -> None:
    """Show what one receiver was told and what waits for it, or what no receiver was told.

    ID is the id of a webhook, or 'handler:NAME' for a handler. Without it, '--failed' shows the
    deliveries to all of them that were given up.
    """
    if id is None and not failed:
        raise click.UsageError("Name a webhook or a handler, or use '--failed' for all receivers.")
    found = _read_deliveries(id, "failed" if failed else status, limit)
    click.echo(json.dumps(found, indent=2) if as_json else "\n".join(delivery_lines(found)))


def _read_deliveries(id: str | None, status: str | None, limit: int) -> list[dict[str, t.Any]]:
    if id is None:
        return _deliveries.failed(limit=limit)
    if id.startswith(HANDLER):
        return _deliveries.of_handler(id, status=status, limit=limit)
    return _deliveries.of_webhook(id, status=status, limit=limit).deliveries


@webhooks.command("resend", cls=OneLineCommand)
@click.argument("receiver")
@click.argument("event", required=False)
@click.option(
    "--since",
    type=click.DateTime(),
    help="Instead of one event, all that were given up since a moment in UTC.",
)
def resend(receiver: str, event: str | None, since: dt.datetime | None) -> None:
    """Send what was delivered or given up again.

    RECEIVER is as 'deliveries' shows it, such as 'webhook:ID' or 'handler:NAME'. EVENT is the id of
    an event.
    """
    if (event is None) == (since is None):
        raise click.UsageError("Name either an event, or '--since'.")
    if event is not None:
        _deliveries.resend_to(receiver, event)
        click.echo("It is sent again.")
    elif since is not None:
        count = _deliveries.resend_failed_to(receiver, since=since.replace(tzinfo=dt.UTC))
        click.echo(f"{count} deliveries are sent again.")
