"""Rate limit of each user's requests, counted in the broker's Redis for all web processes.

Needs the package limits (the extra ``limits``).
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

BACKOFF_SECONDS: t.Final = 5.0
"""Time without counting after the broker did not answer."""

log = logging.getLogger(__name__)


def limit_rate() -> None:
    """Count the current request for its user.

    While the broker is unavailable, requests are neither counted nor rejected.

    :raises TooManyRequests: if the user has reached the limit.
    """
    if request.method == "OPTIONS":  # preflight requests have no user
        return
    app_state, user_id = current_app_state(), current_identity().user_id
    setting = app_state.settings.requests_per_minute
    limit = resolve_limit("CREWEXEC_REQUESTS_PER_MINUTE", setting, user_id)
    if limit is None:
        return
    seconds = _counters.current().count(app_state, user_id, limit)
    if seconds is not None:
        raise TooManyRequests(
            f"You may make {limit} requests per minute. Try again in {seconds} seconds.", seconds
        )


class _Counter:
    """Counts the requests of one application."""

    def __init__(self) -> None:
        self._pool: object = None
        self._limiter: SlidingWindowCounterRateLimiter | None = None
        self._paused_until = 0.0

    def count(self, app_state: AppState, user_id: str, limit: int) -> int | None:
        """Return the seconds until the user may send a request; None if that is now."""
        if time.monotonic() < self._paused_until:
            return None
        try:
            with shared_broker_client(app_state) as client:
                return _seconds_to_wait(self._limiter_over(client), user_id, limit)
        except BrokerUnavailable:
            self._paused_until = time.monotonic() + BACKOFF_SECONDS
            log.warning("The broker is unavailable; requests are not counted.", exc_info=True)
            return None

    def _limiter_over(self, client: t.Any) -> SlidingWindowCounterRateLimiter:
        """Return the limiter, or a new one if the broker's connection pool was replaced."""
        pool, prefix = client.connection_pool, getattr(client, "global_keyprefix", "")
        if self._limiter is None or self._pool is not pool:
            prefix = f"{prefix}crewexec:rate"
            storage = RedisStorage("redis://", connection_pool=pool, key_prefix=prefix)
            self._pool, self._limiter = pool, SlidingWindowCounterRateLimiter(storage)
        return self._limiter


_counters: t.Final = AppLocal(lambda app: _Counter())


def _seconds_to_wait(
    limiter: SlidingWindowCounterRateLimiter, user_id: str, limit: int
) -> int | None:
    item = RateLimitItemPerMinute(limit)
    if limiter.hit(item, user_id):
        return None
    left = limiter.get_window_stats(item, user_id).reset_time - time.time()
    return max(1, math.ceil(left))
