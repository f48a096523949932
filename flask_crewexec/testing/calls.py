"""Calls, as the journal keeps them."""

from __future__ import annotations

import re
import typing as t
from collections.abc import Sequence
from dataclasses import dataclass

from .requests import Json
from .requests import prompt
from .rules import Pattern

Outcome: t.TypeAlias = t.Literal["open", "answered", "disconnected", "cut", "closed"]
"""How a call ended: not yet (``open``), with its answer or an error (``answered``), because the
client left (``disconnected``), because the rule cut the answer short (``cut``), or because the
server was closed (``closed``)."""


@dataclass(frozen=True)
class Call:
    """One request for a completion, as it was when the journal was read."""

    number: int
    """Counted from 1, in the order of arrival."""
    body: Json
    """What the client sent."""
    arrived_at: float
    """The time of ``time.monotonic()``."""
    outcome: Outcome = "open"

    @property
    def prompt(self) -> str:
        """The text of the last user message."""
        return prompt(self.body)

    def matches(self, pattern: Pattern) -> bool:
        """Return whether the pattern is found in the prompt."""
        return re.search(pattern, self.prompt) is not None


def describe(calls: Sequence[Call]) -> str:
    """Return the journal as text, one line for each call."""
    lines = [f"{call.number}. {call.outcome}: {call.prompt[-100:]!r}" for call in calls]
    return "\n".join(["The journal:", *lines]) if lines else "The journal is empty."
