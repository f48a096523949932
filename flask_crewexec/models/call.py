"""Table of the model calls, tool calls and checks of executions."""

from __future__ import annotations

import typing as t
import uuid

import sqlalchemy as sa
from sqlalchemy.orm import Mapped
from sqlalchemy.orm import mapped_column

from .mixin import Json
from .mixin import Mixin
from .mixin import UtcDateTime
from .usage import Usage

MAX_PATH: t.Final = 200
"""Maximum length of the path of a call."""


class CallMixin(Mixin):
    """One call of a model or a tool, or one check of an answer, within one execution."""

    __tablename__ = "crewexec_call"
    __table_args__: t.ClassVar = {"sqlite_with_rowid": False}  # one tree instead of two

    execution_id: Mapped[uuid.UUID] = mapped_column(
        sa.ForeignKey("crewexec_execution.id", ondelete="CASCADE"), primary_key=True
    )
    number: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    """In the order in which the calls began, from 1."""
    attempt: Mapped[int]
    step: Mapped[int | None]
    """Position of the step; None outside of steps."""
    generation: Mapped[int] = mapped_column(default=0, server_default="0")
    """How often the step had been restarted. Steps continue only from calls of their generation."""
    parent: Mapped[int | None]
    """Number of the call that delegated the work to which this call belongs."""
    path: Mapped[str] = mapped_column(sa.String(MAX_PATH))
    """Where in the step it was made: conversations, answers and positions in these."""
    kind: Mapped[str] = mapped_column(sa.String(8))
    name: Mapped[str] = mapped_column(sa.String(200))
    """Name of the model at its provider, of the tool, or of the guardrail."""
    agent: Mapped[str | None] = mapped_column(sa.String(200))
    status: Mapped[str] = mapped_column(sa.String(8))
    digest: Mapped[str | None] = mapped_column(sa.String(64))
    """SHA-256 of the whole request."""
    request: Mapped[Json | None] = mapped_column(sa.JSON(none_as_null=True))
    """What was new in the request since the previous one of the same conversation."""
    answer: Mapped[Json | None] = mapped_column(sa.JSON(none_as_null=True))
    error: Mapped[Json | None] = mapped_column(sa.JSON(none_as_null=True))
    altered: Mapped[bool] = mapped_column(default=False, server_default=sa.false())
    """Whether something in it was replaced, such as a secret."""
    cut: Mapped[bool] = mapped_column(default=False, server_default=sa.false())
    """Whether something in it was too large and is left out."""
    size: Mapped[int] = mapped_column(default=0, server_default="0")
    """Characters of its contents."""
    prompt_tokens: Mapped[int] = mapped_column(sa.BigInteger, default=0, server_default="0")
    completion_tokens: Mapped[int] = mapped_column(sa.BigInteger, default=0, server_default="0")
    cost_nanos: Mapped[int] = mapped_column(sa.BigInteger, default=0, server_default="0")
    started_at: Mapped[UtcDateTime]
    finished_at: Mapped[UtcDateTime | None]

    @property
    def usage(self) -> Usage:
        return Usage(
            prompt_tokens=self.prompt_tokens,
            completion_tokens=self.completion_tokens,
            cost_nanos=self.cost_nanos,
        )
