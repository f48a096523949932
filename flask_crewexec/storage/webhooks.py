"""Webhooks as their owners see and change them. How sending went is in :mod:`.webhook_state`.

A function that takes a *requester* finds and changes only what that requester may see.
"""

from __future__ import annotations

import typing as t
import uuid
from collections.abc import Sequence

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql
from sqlalchemy.dialects import sqlite
from sqlalchemy.orm import Session
from uuid_utils.compat import uuid7

from ..app_state import AppState
from ..errors import NotFound
from ..ids import parse_uuid
from ..models import Models
from ..models import table_of
from ..models import WebhookMixin
from ..schemas.notifications import ENDS
from ..schemas.notifications import stored_patterns
from . import database_clock
from .ownership import owned_by
from .ownership import Requester
from .ownership import visible_to
from .transitions import update_one

Id = uuid.UUID | str
Values = dict[str, t.Any]


def find_webhook(
    session: Session, models: Models, webhook_id: Id, requester: Requester
) -> WebhookMixin:
    """Return a webhook.

    :raises NotFound: if there is none, or not for *requester*.
    """
    webhook = models.webhook
    query = visible_to(sa.select(webhook), webhook, requester)
    found = session.scalar(query.where(webhook.id == parse_uuid(webhook_id, "webhook")))
    if found is None:
        raise NotFound(f"There is no webhook '{webhook_id}'.")
    return found


def find_of_executions(session: Session, models: Models, owner_id: str) -> WebhookMixin | None:
    """Return the row for the webhooks of a user's single executions."""
    webhook = models.webhook
    query = sa.select(webhook).where(owned_by(webhook, owner_id), webhook.url.is_(None))
    return session.scalar(query)


def any_enabled(app_state: AppState) -> bool:
    """Return whether any user has a webhook that is switched on."""
    webhook = app_state.models.webhook
    with app_state.database.read_session() as session:
        found = session.scalar(sa.select(webhook.id).where(webhook.enabled).limit(1))
    return found is not None


def list_webhooks(
    app_state: AppState,
    requester: Requester,
    user_id: str | None,
    *,
    before: uuid.UUID | None,
    limit: int,
) -> Sequence[WebhookMixin]:
    """Return webhooks, newest first.

    :param user_id: return only those of this user.
    :param before: return only webhooks that are older than this one.
    """
    webhook = app_state.models.webhook
    query = visible_to(sa.select(webhook), webhook, requester)
    if user_id is not None:
        query = query.where(owned_by(webhook, user_id))
    if before is not None:
        query = query.where(webhook.id < before)
    with app_state.database.read_session() as session:
        return session.scalars(query.order_by(webhook.id.desc()).limit(limit)).all()


def count_webhooks(session: Session, models: Models, owner_id: str, at_most: int) -> int:
    """Return how many webhooks with a URL a user has; counting stops at a number."""
    webhook = models.webhook
    query = sa.select(webhook.id).where(owned_by(webhook, owner_id), webhook.url.is_not(None))
    some = query.limit(at_most).subquery()
    return session.scalars(sa.select(sa.func.count()).select_from(some)).one()


def ensure_of_executions(session: Session, models: Models, owner_id: str) -> None:
    """Insert the row for the webhooks of a user's single executions, unless it is there."""
    is_postgresql = session.get_bind().dialect.name == "postgresql"
    insert: t.Any = (postgresql if is_postgresql else sqlite).insert(table_of(models.webhook))
    row = {"id": uuid7(), "owner_id": owner_id, "url": None, "events": stored_patterns(ENDS)}
    unless = {"index_elements": ["owner_id"], "index_where": sa.text("url IS NULL")}
    session.execute(insert.values(row).on_conflict_do_nothing(**unless))


def change(
    session: Session, models: Models, webhook_id: Id, requester: Requester, values: Values
) -> bool:
    """Set columns of a webhook; False if there is none for *requester*."""
    changed = {**values, "updated_at": database_clock.now()}
    statement = sa.update(models.webhook).where(_is_seen(models, webhook_id, requester))
    return update_one(session, statement.values(changed))


def remove(session: Session, models: Models, webhook_id: Id, requester: Requester) -> bool:
    """Delete a webhook; False if there is none for *requester*."""
    return update_one(
        session, sa.delete(models.webhook).where(_is_seen(models, webhook_id, requester))
    )


def rotate(session: Session, webhook: WebhookMixin) -> bool:
    """Let the next secret be used; False if that was done since the webhook was read."""
    model, now = type(webhook), database_clock.now()
    unchanged = (model.id == webhook.id, model.secret_version == webhook.secret_version)
    values = {"secret_version": webhook.secret_version + 1, "rotated_at": now, "updated_at": now}
    return update_one(session, sa.update(model).where(*unchanged).values(values))


def _is_seen(models: Models, webhook_id: Id, requester: Requester) -> sa.ColumnElement[bool]:
    webhook = models.webhook
    this = sa.select(webhook.id).where(webhook.id == parse_uuid(webhook_id, "webhook"))
    return webhook.id.in_(visible_to(this, webhook, requester))
