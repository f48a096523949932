"""Table of deliveries: what is told to handlers and webhooks, and how that went."""

from __future__ import annotations

import typing as t
import uuid

import sqlalchemy as sa
from sqlalchemy.orm import Mapped
from sqlalchemy.orm import mapped_column

from .mixin import IndexSpec
from .mixin import Json
from .mixin import Mixin
from .mixin import UtcDateTime

MAX_RECEIVER: t.Final = 120
"""Maximum length of the name of a receiver."""


class DeliveryMixin(Mixin):
    """One event of an execution that one receiver is told, written together with the event."""

    __tablename__ = "crewexec_delivery"
    __table_args__ = {"sqlite_with_rowid": False}  # noqa: RUF012  # one tree instead of two
    __indexes__: t.ClassVar = {
        "ix_crewexec_delivery_due": IndexSpec(("due_at",), "status = 'waiting'"),
        "ix_crewexec_delivery_receiver": IndexSpec(("receiver", "execution_id", "seq")),
        "ix_crewexec_delivery_open": IndexSpec(
            ("receiver", "execution_id", "seq"), "status <> 'delivered'"
        ),
    }

    execution_id: Mapped[uuid.UUID] = mapped_column(
        sa.ForeignKey("crewexec_execution.id", ondelete="CASCADE"), primary_key=True
    )
    receiver: Mapped[str] = mapped_column(sa.String(MAX_RECEIVER), primary_key=True)
    """``handler:NAME``, ``signals``, or ``webhook:ID``."""
    seq: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    """Number of the event. A receiver is told the events of an execution in their order."""
    type: Mapped[str] = mapped_column(sa.String(50))
    """Type of the notification, such as ``execution.completed``."""
    status: Mapped[str] = mapped_column(sa.String(10))
    """``waiting``, ``delivered`` or ``failed``."""
    tries: Mapped[int] = mapped_column(default=0, server_default="0")
    """How often a delivery was begun; names the process that may store how it went."""
    due_at: Mapped[UtcDateTime]
    """When it may be tried next. While it is tried, when it may be tried by another process."""
    ended_at: Mapped[UtcDateTime | None]
    """When it was delivered or given up."""
    answer: Mapped[Json | None] = mapped_column(sa.JSON(none_as_null=True))
    """How the last try ended: ``{"code"?, "text"?, "status"?, "seconds"}``."""

    @property
    def event_id(self) -> str:
        """Id of the event, as receivers are told it."""
        return f"{self.execution_id}.{self.seq}"
