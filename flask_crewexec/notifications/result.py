"""How a try to deliver a notification ended."""

from __future__ import annotations

import dataclasses
import typing as t

GONE: t.Final = "gone"
"""Code of an answer after which a webhook is switched off."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Result:
    """How a try ended."""

    delivered: bool
    answer: dict[str, t.Any]
    """What is stored: ``{"code"?, "text"?, "status"?, "seconds"}``, without secrets."""
    retry_after: float | None = None
    """Seconds before which the receiver does not want another try."""
    is_final: bool = False
    """Whether another try would be useless."""
