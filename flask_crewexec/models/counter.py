"""Table of counters and histograms."""

from __future__ import annotations

import typing as t
import uuid

import sqlalchemy as sa
from sqlalchemy.orm import Mapped
from sqlalchemy.orm import mapped_column
from uuid_utils.compat import uuid7

from .mixin import Mixin


class CounterMixin(Mixin):
    """An increment of a counter, or a measurement; see :mod:`flask_crewexec.storage.counters`."""

    __tablename__ = "crewexec_counter"
    __table_args__: t.ClassVar = {"sqlite_with_rowid": False}  # one tree instead of two

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True, default=uuid7)
    name: Mapped[str] = mapped_column(sa.String(50))
    label: Mapped[str] = mapped_column(sa.String(50))
    bound: Mapped[float | None]
    """Upper bound of a bucket; None for counters, and for the bucket without one."""
    times: Mapped[int] = mapped_column(sa.BigInteger)
    total: Mapped[float]
    """Sum of the measurements, in seconds."""
