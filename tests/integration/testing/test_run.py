"""Runs in the process of a test, against each database; ``test_plugin`` has most of the tests."""

from __future__ import annotations

import json

import pytest

from flask_crewexec import AsyncExecutionService
from flask_crewexec.app_state import current_app_state
from flask_crewexec.messaging.broker import queue_depths
from flask_crewexec.testing import eager
from flask_crewexec.testing import run
from flask_crewexec.testing import UnrecordedCall
from support.graphs import documents

pytestmark = pytest.mark.libraries

INPUTS = {"topic": "tea"}


def test_a_run_sends_nothing_to_the_broker(app, model):
    model.on("Tell about tea", "Tea is a plant.")
    assert run(app, documents.ONE_TASK, INPUTS, model=model).text == "Tea is a plant."
    depths = queue_depths(current_app_state())
    assert not any(count for queue in depths.values() for count in queue.values())


@pytest.mark.settings(RETRY_DELAY=3600.0)
def test_time_passes_for_retries_and_for_people(app, model):
    model.on(status=503, times=1)
    review = {"expires_in": 7200, "on_expiry": "approve"}
    graph = documents.with_data(documents.chain("a"), "a", review=review)
    waiting = run(app, graph, model=model)
    assert waiting.advance(1800).status == "retrying"
    assert waiting.advance(1801).status == "waiting_input"
    assert waiting.advance(3600).status == "waiting_input"
    assert waiting.advance(3601).status == "completed"


def test_a_recording_outlives_its_database(app, model):
    model.on("Tell about tea", "Tea is a plant.")
    recording = json.loads(json.dumps(run(app, documents.ONE_TASK, INPUTS, model=model).record()))
    model.reset()
    model.replay(recording)
    assert run(app, documents.ONE_TASK, INPUTS, model=model).text == "Tea is a plant."
    model.reset()
    model.replay(recording)
    with pytest.raises(UnrecordedCall, match="Tell about milk"):
        run(app, documents.ONE_TASK, {"topic": "milk"}, model=model)


def test_afterwards_everything_is_as_before(app, model, broker_url):
    registry, conf = current_app_state().registry, current_app_state().celery.conf
    before = dict(registry.llms)
    with eager(app, model):
        assert registry.llms != before
    assert registry.llms == before
    assert not conf.task_always_eager


def test_the_end_of_the_block_does_not_hide_an_error(app, model):
    with pytest.raises(ZeroDivisionError), eager(app, model):
        _ = 1 / 0
    assert AsyncExecutionService().list_executions() == []
