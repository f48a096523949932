"""How long a provider asks to wait before the next call."""

from __future__ import annotations

import datetime as dt
import email.utils
import math
import re
import typing as t
from collections.abc import Iterator
from collections.abc import Mapping

from .. import clock

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
    value = headers.get("retry-after", "")
    yield _number(value)
    yield _seconds_until(value)
    delay = _RETRY_DELAY.search(str(body)[:10_000])
    yield _number(delay[1] if delay else "")


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return math.nan


def _seconds_until(date: str) -> float:
    """Return the seconds until a date (RFC 9110)."""
    try:
        moment = email.utils.parsedate_to_datetime(date)
        aware = moment if moment.tzinfo else moment.replace(tzinfo=dt.UTC)
        return (aware - clock.now()).total_seconds()
    except (ValueError, OverflowError, TypeError):  # no date, or one beyond every calendar
        return math.nan
