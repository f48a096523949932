"""Everything breaks again and again while executions run."""

from __future__ import annotations

import pytest

from benchmarks.chaos import Options
from benchmarks.chaos import run_chaos
from benchmarks.chaos import STEPS

pytestmark = pytest.mark.timeout(240)

SHORT = Options(
    executions=20,
    seconds=150.0,
    pools=(("prefork", 2), ("threads", 4)),
    model_delay=0.7,
    pauses=(0.1, 0.8),
)


def test_nothing_is_lost_and_nothing_that_has_ended_is_done_again(tmp_path):
    report = run_chaos(SHORT, tmp_path)
    assert report.violations == []
    assert report.completed == SHORT.executions
    assert report.effects >= SHORT.executions * STEPS * 2 - report.tool_calls_failed
    assert report.workers_killed >= 1
    assert report.workers_frozen >= 1
    assert report.children_killed >= 1
    assert report.database_crashes >= 1
    assert report.broker_bounces >= 1
    assert report.broker_fills >= 1
    assert report.broker_demotions >= 1
    assert report.messages_doubled >= 1
    assert report.messages_dropped >= 1
