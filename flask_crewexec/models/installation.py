"""Table of what is true of the whole installation: its id, and whether its queue is paused."""

from __future__ import annotations

import uuid

import sqlalchemy as sa
from sqlalchemy.orm import Mapped
from sqlalchemy.orm import mapped_column

from .mixin import Mixin
from .mixin import UserId
from .mixin import UtcDateTime


class InstallationMixin(Mixin):
    """What all processes with this database have in common, and others with the broker have not."""

    __tablename__ = "crewexec_installation"

    number: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    """Always 1: there is one row."""
    id: Mapped[uuid.UUID]
    reconciled_at: Mapped[UtcDateTime | None]
    """When a worker has last done a reconcile round, for which beat has sent a message."""
    paused_at: Mapped[UtcDateTime | None]
    """Since when the queue of executions is paused; None if it is not."""
    paused_by: Mapped[UserId | None]
    """Who has paused it; None if that is not known."""
    pause_reason: Mapped[str | None] = mapped_column(sa.String(500))
