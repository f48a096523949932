"""The tokens that a response reports."""

from __future__ import annotations

import math
import typing as t
from collections.abc import Mapping

MAX_TOKENS: t.Final = 100_000_000
"""The most tokens of one kind that an answer may report; more are a mistake of the server."""

_COUNTS: t.Final = {
    "prompt_tokens": ("prompt_tokens", "input_tokens"),
    "completion_tokens": ("completion_tokens", "output_tokens"),
}


def read_usage(reported: object) -> dict[str, int]:
    """Return ``prompt_tokens``, ``completion_tokens`` and ``total_tokens``, as whole numbers.

    :param reported: the ``usage`` of a response, in OpenAI's or Anthropic's terms.
    """
    if not isinstance(reported, Mapping):
        return {}
    usage = {
        name: next((count for key in keys if (count := read_count(reported.get(key)))), 0)
        for name, keys in _COUNTS.items()
    }
    return {**usage, "total_tokens": sum(usage.values())}


def read_count(value: object) -> int:
    """Return a number of tokens between 0 and :data:`MAX_TOKENS`; 0 if *value* is none."""
    if isinstance(value, bool) or not isinstance(value, int | float) or math.isnan(value):
        return 0
    return int(min(max(value, 0), MAX_TOKENS))
