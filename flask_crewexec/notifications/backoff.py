"""When a delivery is tried again: ten tries over three days, as Standard Webhooks recommends."""

from __future__ import annotations

import random
import typing as t

DELAYS: t.Final = (5, 300, 1_800, 7_200, 18_000, 36_000, 50_400, 72_000, 86_400)
"""Seconds after each try but the last."""
JITTER: t.Final = 0.1
"""Delays are longer by up to this part, so that deliveries that failed together spread."""
MAX_RETRY_AFTER: t.Final = 86_400.0
"""The longest delay, in seconds, that a receiver may ask for."""


def delay_after(tries: int, retry_after: float | None = None) -> float | None:
    """Return the seconds until the next try; None if there is none.

    :param tries: how many tries there were.
    :param retry_after: seconds that the receiver has asked for.
    """
    if tries > len(DELAYS):
        return None
    delay = DELAYS[tries - 1] * (1 + random.random() * JITTER)  # no secret
    return max(delay, min(retry_after or 0.0, MAX_RETRY_AFTER))
