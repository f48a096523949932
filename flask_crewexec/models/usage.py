"""Model calls, tool calls, tokens and cost: the columns that executions and steps share."""

from __future__ import annotations

import typing as t

import sqlalchemy as sa
from sqlalchemy.orm import Mapped
from sqlalchemy.orm import mapped_column


class Usage(t.NamedTuple):
    """Model calls, tool calls and tokens."""

    llm_calls: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    cost_nanos: int = 0
    """Billionths of the currency in which the host has set prices."""
    tool_calls: int = 0

    @property
    def cost(self) -> float:
        return self.cost_nanos / 1e9

    @property
    def total_tokens(self) -> int:
        return self.prompt_tokens + self.completion_tokens

    def plus(self, other: Usage) -> Usage:
        """Return the sum of both."""
        return Usage(*(mine + its for mine, its in zip(self, other, strict=True)))


class UsageColumns:
    """The columns of a :class:`Usage`."""

    llm_calls: Mapped[int] = mapped_column(default=0)
    prompt_tokens: Mapped[int] = mapped_column(sa.BigInteger, default=0)
    completion_tokens: Mapped[int] = mapped_column(sa.BigInteger, default=0)
    cost_nanos: Mapped[int] = mapped_column(sa.BigInteger, default=0)
    tool_calls: Mapped[int] = mapped_column(default=0, server_default="0")

    @property
    def usage(self) -> Usage:
        return Usage(*(getattr(self, name) for name in Usage._fields))
