"""Table of the events of executions."""

from __future__ import annotations

import typing as t
import uuid

import sqlalchemy as sa
from sqlalchemy.orm import Mapped
from sqlalchemy.orm import mapped_column

from .. import clock
from .mixin import Json
from .mixin import Mixin
from .mixin import UtcDateTime


class EventMixin(Mixin):
    """One entry in the event log of an execution."""

    __tablename__ = "crewexec_event"
    __table_args__: t.ClassVar = {"sqlite_with_rowid": False}  # one tree instead of two

    execution_id: Mapped[uuid.UUID] = mapped_column(
        sa.ForeignKey("crewexec_execution.id", ondelete="CASCADE"), primary_key=True
    )
    seq: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    """Position in the event log, from 1, without gaps."""
    type: Mapped[str] = mapped_column(sa.String(50))
    data: Mapped[Json] = mapped_column(sa.JSON)
    created_at: Mapped[UtcDateTime] = mapped_column(default=clock.now)
