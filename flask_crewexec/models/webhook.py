"""Table of the webhooks of users."""

from __future__ import annotations

import typing as t
import uuid

import sqlalchemy as sa
from sqlalchemy.orm import Mapped
from sqlalchemy.orm import mapped_column
from uuid_utils.compat import uuid7

from .. import clock
from .mixin import IndexSpec
from .mixin import Mixin
from .mixin import UserId
from .mixin import UtcDateTime

MAX_URL: t.Final = 2_000
"""Maximum length of the URL of a webhook."""
MAX_EVENTS: t.Final = 500
"""Maximum length of the patterns of a webhook, as they are stored."""


class WebhookMixin(Mixin):
    """A URL that is told events of its owner's executions.

    A user's row without a URL stands for the webhooks that come with single executions.
    """

    __tablename__ = "crewexec_webhook"
    __indexes__: t.ClassVar = {
        "ix_crewexec_webhook_owner": IndexSpec(("owner_id", "id")),
        "ux_crewexec_webhook_of_executions": IndexSpec(("owner_id",), "url IS NULL", unique=True),
    }

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True, default=uuid7)
    owner_id: Mapped[UserId]
    url: Mapped[str | None] = mapped_column(sa.String(MAX_URL))
    events: Mapped[str] = mapped_column(sa.String(MAX_EVENTS))
    """Patterns of types, each between two spaces: ``" execution.* step.completed "``."""
    body: Mapped[str] = mapped_column(sa.String(8), default="thin", server_default="thin")
    """``thin``, or ``full`` with the whole execution."""
    description: Mapped[str | None] = mapped_column(sa.String(200))
    enabled: Mapped[bool] = mapped_column(default=True, server_default=sa.true())
    disabled_reason: Mapped[str | None] = mapped_column(sa.String(200))
    """Why it was switched off, unless its owner did it."""
    failures: Mapped[int] = mapped_column(default=0, server_default="0")
    """How many tries have failed since the last that did not."""
    secret_version: Mapped[int] = mapped_column(default=1, server_default="1")
    """Which of the secrets that are derived for it is used."""
    rotated_at: Mapped[UtcDateTime | None]
    """When the secret was changed; the former one stays valid for some time."""
    created_at: Mapped[UtcDateTime] = mapped_column(default=clock.now)
    updated_at: Mapped[UtcDateTime] = mapped_column(default=clock.now)
