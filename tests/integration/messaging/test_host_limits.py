"""Limits that the host has set for its own Celery tasks do not apply to executions."""

from __future__ import annotations

import json

import pytest

from support.graphs import documents

pytestmark = pytest.mark.sqlite_enough

SECONDS = 2


@pytest.fixture
def environment(environment):
    limits = {
        "task_time_limit": SECONDS + 1,
        "task_soft_time_limit": SECONDS,
        "task_default_rate_limit": "1/h",
    }
    return {**environment, "HOST_CELERY": json.dumps(limits)}


def test_an_execution_may_take_longer_and_needs_no_turn(api, model, start_worker):
    model.on("Do slow", delay=2.0 * SECONDS)
    start_worker()
    ids = [api.queue(documents.chain(name)) for name in ("slow", "other")]
    assert [api.ended(id)["status"] for id in ids] == ["completed", "completed"]
    assert len(model.calls_matching("Do slow")) == 1
