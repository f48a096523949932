"""Table of worker processes."""

from __future__ import annotations

import uuid

import sqlalchemy as sa
from sqlalchemy.orm import Mapped
from sqlalchemy.orm import mapped_column

from .mixin import Mixin
from .mixin import UserId
from .mixin import UtcDateTime


class WorkerMixin(Mixin):
    """A worker process, as of its last heartbeat."""

    __tablename__ = "crewexec_worker"

    name: Mapped[str] = mapped_column(sa.String(255), primary_key=True)
    pid: Mapped[int]
    incarnation: Mapped[str | None] = mapped_column(sa.String(255))
    """Which start of which process it is; names and pids are used again."""
    queues: Mapped[list[str]] = mapped_column(sa.JSON)
    pool: Mapped[str] = mapped_column(sa.String(50))
    concurrency: Mapped[int]
    version: Mapped[str | None] = mapped_column(sa.String(50))
    """Version of this package."""
    crewai_version: Mapped[str | None] = mapped_column(sa.String(50))
    started_at: Mapped[UtcDateTime]
    seen_at: Mapped[UtcDateTime]
    id: Mapped[uuid.UUID | None]
    """Names this start of the worker, so that no order reaches another process of its name."""
    busy: Mapped[int | None]
    """How many tasks it had taken at its last heartbeat."""
    is_consuming: Mapped[bool] = mapped_column(default=True, server_default=sa.true())
    """Whether it took further tasks at its last heartbeat."""
    drain: Mapped[str | None] = mapped_column(sa.String(8))
    """What it does after it has finished what it runs, if it is to take nothing new."""
    drain_requested_at: Mapped[UtcDateTime | None]
    drain_requested_by: Mapped[UserId | None]
