"""How long a provider asks to wait before the next call."""

from __future__ import annotations

import math
import re
import typing as t
from collections.abc import Iterator
from collections.abc import Mapping

from ..outbound.retry_after import parse_retry_after

MAX_RETRY_AFTER: t.Final = 3600.0
"""The longest time that is respected, in seconds."""

_RETRY_DELAY: t.Final = re.compile(r"'retryDelay': '([0-9.]+)s'")
"""Google's way to say it, in the details of an error."""


def read_retry_after(error: BaseException) -> float:
    """Return the seconds to wait after an *error* of an SDK; 0 if it does not say or is unclear."""
    headers = getattr(getattr(error, "response", None), "headers", None)
    named = headers if isinstance(headers, Mapping) else {}
    for seconds in _candidates(named, getattr(error, "body", None)):
        if seconds > 0:  # false for NaN
            return min(seconds, MAX_RETRY_AFTER)
    return 0.0


def _candidates(headers: Mapping[str, str], body: object) -> Iterator[float]:
    yield _number(headers.get("retry-after-ms", "")) / 1000
    yield parse_retry_after(headers.get("retry-after", ""))
    delay = _RETRY_DELAY.search(str(body)[:10_000])
    yield _number(delay[1] if delay else "")


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return math.nan
