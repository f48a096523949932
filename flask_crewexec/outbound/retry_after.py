"""The header ``Retry-After`` of an answer."""

from __future__ import annotations

import datetime as dt
import email.utils
import math

from .. import clock


def parse_retry_after(value: str) -> float:
    """Return the seconds that a header asks to wait, by number or date; NaN if it is unclear."""
    try:
        return float(value)
    except ValueError:
        return _seconds_until(value)


def _seconds_until(date: str) -> float:
    """Return the seconds until a date (RFC 9110)."""
    try:
        moment = email.utils.parsedate_to_datetime(date)
        aware = moment if moment.tzinfo else moment.replace(tzinfo=dt.UTC)
        return (aware - clock.now()).total_seconds()
    except (ValueError, OverflowError, TypeError):  # no date, or one beyond every calendar
        return math.nan
