"""How many requests each user makes, counted in the broker's Redis for all web processes.

Needs limits (the extra ``limits``).
"""

from __future__ import annotations

import logging
import math
import time
import typing as t

from flask import request
from limits import RateLimitItemPerMinute
from limits.storage import RedisStorage
from limits.strategies import SlidingWindowCounterRateLimiter

from ..app_state import AppState
from ..app_state import current_app_state
from ..config.per_user_limits import resolve_limit
from ..errors import BrokerUnavailable
from ..errors import TooManyRequests
from ..messaging.broker import shared_broker_client
from ..per_app import AppLocal
from .authentication import current_identity

SILENCE: t.Final = 5.0
"""Seconds in which nothing is counted after the broker did not answer."""

log = logging.getLogger(__name__)


def limit_rate() -> None:
    """Count the current request, for the user who makes it.

    While the broker is away nothing is counted, and nobody is refused.

    :raises TooManyRequests: if the user has made as many as may be.
    """
    if request.method == "OPTIONS":  # nobody has identified
        return
    app_state, user_id = current_app_state(), current_identity().user_id
    limit = app_state.settings.requests_per_minute
    most = resolve_limit("CREWEXEC_REQUESTS_PER_MINUTE", limit, user_id)
    if most is None:
        return
    seconds = _counters.current().count(app_state, user_id, most)
    if seconds is not None:
        raise TooManyRequests(
            f"You may make {most} requests within a minute. Go on in {seconds} seconds.", seconds
        )


class _Counter:
    """Counts the requests of one application."""

    def __init__(self) -> None:
        self._pool: object = None
        self._limiter: SlidingWindowCounterRateLimiter | None = None
        self._silent_until = 0.0

    def count(self, app_state: AppState, user_id: str, most: int) -> int | None:
        """Return after how many seconds the user may go on; None if that is now."""
        if time.monotonic() < self._silent_until:
            return None
        try:
            with shared_broker_client(app_state) as client:
                return _seconds_to_wait(self._limiter_over(client.connection_pool), user_id, most)
        except BrokerUnavailable:
            self._silent_until = time.monotonic() + SILENCE
            log.warning("The broker is away; requests are not counted.", exc_info=True)
            return None

    def _limiter_over(self, pool: t.Any) -> SlidingWindowCounterRateLimiter:
        """Return the one that we have, unless the broker's connections were made anew."""
        if self._limiter is None or self._pool is not pool:
            storage = RedisStorage("redis://", connection_pool=pool, key_prefix="crewexec:rate")
            self._pool, self._limiter = pool, SlidingWindowCounterRateLimiter(storage)
        return self._limiter


_counters: t.Final = AppLocal(lambda app: _Counter())


def _seconds_to_wait(
    limiter: SlidingWindowCounterRateLimiter, user_id: str, most: int
) -> int | None:
    item = RateLimitItemPerMinute(most)
    if limiter.hit(item, user_id):
        return None
    left = limiter.get_window_stats(item, user_id).reset_time - time.time()
    return max(1, math.ceil(left))
