"""What senders read of webhooks, and what they store of how that went."""

from __future__ import annotations

import datetime as dt
import typing as t
import uuid

import sqlalchemy as sa

from .. import clock
from ..app_state import AppState
from ..models import WebhookMixin
from . import database_clock
from .transitions import update_one

MAX_FAILURES: t.Final = 100
"""How many tries may fail in a row."""
ROTATION_SECONDS: t.Final = 86_400.0
"""How long the former secret signs, too, after it was changed."""


class Target(t.NamedTuple):
    """A webhook to which something is to be sent."""

    id: uuid.UUID
    url: str | None
    body: str
    enabled: bool
    failures: int
    secret_version: int
    rotated_ago: float | None
    """Seconds since the secret was changed."""
    now: dt.datetime
    """By the database's clock."""

    @property
    def versions(self) -> list[int]:
        """The versions of the secret that sign, the current one first."""
        is_rotating = self.rotated_ago is not None and self.rotated_ago < ROTATION_SECONDS
        return [self.secret_version, self.secret_version - 1][: 2 if is_rotating else 1]


def read_target(app_state: AppState, webhook_id: uuid.UUID) -> Target | None:
    """Return a webhook of anybody; None if there is none."""
    webhook = app_state.models.webhook
    columns: list[t.Any] = [
        *(getattr(webhook, name) for name in Target._fields[:6]),
        database_clock.seconds_since(webhook.rotated_at),
        database_clock.now(),
    ]
    with app_state.database.read_session() as session:
        row = session.execute(sa.select(*columns).where(webhook.id == webhook_id)).one_or_none()
    return None if row is None else Target._make((*row[:-1], clock.as_utc(row[-1])))


def reset_failures(app_state: AppState, target: Target) -> bool:
    """Store that a try has succeeded; False if that was stored before."""
    webhook = app_state.models.webhook
    statement = _unchanged(webhook, target).where(webhook.failures > 0).values(failures=0)
    return _update(app_state, statement)


def count_failure(app_state: AppState, target: Target, reason: str) -> bool:
    """Store that a try has failed; after many in a row, switch the webhook off.

    :return: True if it was switched off.
    """
    webhook = app_state.models.webhook
    is_last = webhook.failures + 1 >= sa.literal(MAX_FAILURES)
    values = {
        "failures": webhook.failures + 1,
        "enabled": sa.not_(is_last),
        "disabled_reason": sa.case((is_last, reason)),
        "updated_at": sa.case((is_last, database_clock.now()), else_=webhook.updated_at),
    }
    statement = _unchanged(webhook, target).values(values).returning(webhook.enabled)
    options = {"synchronize_session": False}
    with app_state.database.write_transaction() as session:
        return session.scalar(statement, execution_options=options) is False


def switch_off(app_state: AppState, target: Target, reason: str) -> bool:
    """Switch a webhook off; False if it is off or has another URL by now."""
    values = {"enabled": False, "disabled_reason": reason, "updated_at": database_clock.now()}
    return _update(app_state, _unchanged(app_state.models.webhook, target).values(values))


def _unchanged(webhook: type[WebhookMixin], target: Target) -> sa.Update:
    """What was sent to another URL says nothing about the present one."""
    has_url = webhook.url == target.url
    return sa.update(webhook).where(webhook.id == target.id, has_url, webhook.enabled.is_(True))


def _update(app_state: AppState, statement: sa.Update) -> bool:
    with app_state.database.write_transaction() as session:
        return update_one(session, statement)
