"""When a delivery is tried again."""

from __future__ import annotations

import pytest

from flask_crewexec.notifications.backoff import delay_after
from flask_crewexec.notifications.backoff import DELAYS

DAY = 86_400


def delay(tries, retry_after=None):
    """The delay after a try that is not the last one."""
    delay = delay_after(tries, retry_after)
    assert delay is not None
    return delay


def test_ten_tries_take_about_three_days():
    delays = [delay(tries) for tries in range(1, 10)]
    assert delay_after(10) is None
    assert 3 * DAY < sum(delays) < 4 * DAY


@pytest.mark.parametrize("tries", range(1, 10))
def test_delays_spread_but_are_never_shorter(tries):
    delays = {delay(tries) for _ in range(20)}
    assert len(delays) > 1
    assert min(delays) >= DELAYS[tries - 1]
    assert max(delays) <= DELAYS[tries - 1] * 1.1


def test_what_a_receiver_asks_for_counts_if_it_is_later():
    assert delay(1, 1_000.0) == 1_000.0
    assert delay(9, 10.0) >= DELAYS[8]


def test_no_receiver_puts_off_a_delivery_for_more_than_a_day():
    assert delay(1, 1e12) == DAY
