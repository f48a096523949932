"""Table of what users had used whose data was erased."""

from __future__ import annotations

import typing as t

import sqlalchemy as sa
from sqlalchemy.orm import Mapped
from sqlalchemy.orm import mapped_column

from .mixin import Mixin
from .usage import UsageColumns


class ErasedUsageMixin(UsageColumns, Mixin):
    """The sums of one day of one user, without a name."""

    __tablename__ = "crewexec_erased_usage"
    __table_args__: t.ClassVar = {"sqlite_with_rowid": False}  # one tree instead of two

    pseudonym: Mapped[str] = mapped_column(sa.String(50), primary_key=True)
    """Random, and stored in no place that tells whose it is."""
    day: Mapped[str] = mapped_column(sa.String(10), primary_key=True)
    """On which the executions were queued, in UTC, as ``YYYY-MM-DD``."""
    executions: Mapped[int] = mapped_column(sa.BigInteger)
    failed: Mapped[int] = mapped_column(sa.BigInteger)
    """How many of them have failed or timed out."""
