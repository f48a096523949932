"""Transient errors of the model, and permanent ones."""

from __future__ import annotations

import dataclasses
import datetime as dt
import email.utils
import threading

import pytest

from flask_crewexec import clock
from flask_crewexec.app_state import current_app_state
from flask_crewexec.storage import database_clock
from flask_crewexec.testing import Rule
from support.graphs import documents
from support.in_process import ask
from support.in_process import change
from support.in_process import run
from support.servers.processes import wait_until

PASSING = [
    pytest.param(Rule(status=500, times=1), "model-unavailable", "default", id="500"),
    pytest.param(Rule(status=503, times=1), "model-unavailable", "default", id="503"),
    pytest.param(Rule(status=429, times=1), "model-rate-limited", "default", id="429"),
    pytest.param(Rule(status=408, times=1), "model-timeout", "default", id="408"),
    pytest.param(Rule(cut_after=0, times=1), "model-unreachable", "default", id="reset"),
    pytest.param(
        Rule(malformed=True, times=1), "model-malformed-answer", "default", id="malformed"
    ),
    pytest.param(Rule(reply="", times=1), "model-empty-answer", "default", id="empty"),
    pytest.param(
        Rule(reply="not the whole", truncate_after=2, times=1),
        "model-cut-off",
        "streaming",
        id="truncated",
    ),
    pytest.param(
        Rule(reply="not the whole", cut_after=2, times=1),
        "model-unreachable",
        "streaming",
        id="reset stream",
    ),
]
LASTING = [
    (Rule(status=400), "model-refused-request"),
    (Rule(status=401), "model-refused-key"),
    (Rule(status=403), "model-refused-key"),
    (Rule(status=404), "model-not-found"),
    (Rule(status=429, code="insufficient_quota"), "model-quota-exhausted"),
]


def is_due(id):
    execution = current_app_state().models.execution
    return ask(id, execution.available_at <= database_clock.now())


def is_due_within(id, seconds):
    execution = current_app_state().models.execution
    return ask(id, execution.available_at < database_clock.seconds_from_now(seconds))


def start_when_due(id, reconcile):
    wait_until(lambda: is_due(id), what="the retry to be due")
    return reconcile()["retried"]


def fail_first(model, rule):
    """Let the second step fail once."""
    model.on("Do a", "ALPHA")
    model.add(rule)
    model.on("Do b", "BETA")


class TestPassingErrors:
    @pytest.mark.parametrize(("rule", "code", "llm"), PASSING)
    def test_the_next_attempt_resumes_after_the_completed_step(
        self, api, model, reconcile, rule, code, llm
    ):
        fail_first(model, rule)
        id = api.queue(documents.chain("a", "b", model=llm))
        assert run(id) == "retrying"
        status = api.status(id)
        assert (status["status"], status["error"]["code"]) == ("retrying", code)
        assert status["error"]["step"] == "b"
        assert status["next_attempt_at"]
        assert (status["attempt"], status["retries"]) == (2, 1)
        assert [step["status"] for step in status["steps"]] == ["completed", "pending"]

        assert start_when_due(id, reconcile) == 1
        status = api.status(id)
        assert (status["status"], status["next_attempt_at"]) == ("queued", None)
        assert run(id) == "completed"
        status = api.status(id)
        assert status["error"] is None
        assert status["result"]["raw"] == "BETA"
        assert (status["attempt"], status["retries"], status["lost_attempts"]) == (2, 1, 0)
        assert len(model.calls_matching("Do a")) == 1
        assert len(model.calls_matching("Do b")) == 2

    def test_a_model_that_does_not_answer_in_time(self, api, model, registered_timeout):
        registered_timeout(0.3)
        model.on("Do a", hold=threading.Event())
        id = api.queue(documents.chain("a"))
        assert run(id) == "retrying"
        assert api.status(id)["error"]["code"] == "model-timeout"
        assert len(model.calls) == 1

    def test_the_event_log_contains_the_retry(self, api, model, reconcile):
        model.add(Rule(status=500, times=1))
        id = api.queue(documents.chain("a"))
        run(id)
        start_when_due(id, reconcile)
        run(id)
        types = api.event_types(id)
        kept = [t for t in types if t in ("queued", "started", "retrying", "completed")]
        assert kept == ["queued", "started", "retrying", "queued", "started", "completed"]

    @pytest.mark.settings(MAX_RETRIES=1)
    def test_it_fails_after_the_last_retry_with_one_call_per_attempt(self, api, model, reconcile):
        model.on(status=500)
        id = api.queue(documents.chain("a", "b"))
        assert run(id) == "retrying"
        assert start_when_due(id, reconcile) == 1
        assert run(id) == "failed"
        status = api.status(id)
        assert (status["status"], status["error"]["code"]) == ("failed", "model-unavailable")
        assert (status["attempt"], status["retries"]) == (2, 1)
        assert status["finished_at"]
        assert len(model.calls) == 2
        assert status["usage"]["llm_calls"] == 2


@pytest.fixture
def registered_timeout(app):
    """A function that limits the seconds of the default model's calls."""

    def limit(seconds):
        models = current_app_state().registry.llms
        models["default"] = dataclasses.replace(models["default"], timeout=seconds)

    return limit


@pytest.mark.settings(RETRY_DELAY=100)
class TestWaiting:
    def test_it_does_not_start_before_it_is_due(self, api, model, reconcile):
        model.add(Rule(status=500, times=1))
        id = api.queue(documents.chain("a"))
        run(id)
        assert reconcile()["retried"] == 0
        assert run(id, attempt=2) == "not-claimed"
        assert api.status(id)["status"] == "retrying"
        change(id, available_at=database_clock.seconds_from_now(-1))
        assert reconcile()["retried"] == 1
        assert run(id) == "completed"
        assert len(model.calls) == 2

    def test_it_waits_for_the_retry_delay(self, api, model):
        model.add(Rule(status=500))
        id = api.queue(documents.chain("a"))
        run(id)
        assert not is_due_within(id, 50)
        assert is_due_within(id, 101)

    def test_it_waits_for_as_long_as_the_provider_asks(self, api, model):
        model.add(Rule(status=429, headers={"retry-after": "500"}))
        id = api.queue(documents.chain("a"))
        assert run(id) == "retrying"
        assert not is_due_within(id, 400)

    def test_it_waits_until_the_date_that_the_provider_gives(self, api, model):
        moment = clock.now() + dt.timedelta(seconds=500)
        date = email.utils.format_datetime(moment, usegmt=True)
        model.add(Rule(status=503, headers={"retry-after": date}))
        id = api.queue(documents.chain("a"))
        assert run(id) == "retrying"
        assert not is_due_within(id, 400)

    def test_a_provider_cannot_make_it_wait_for_days(self, api, model):
        model.add(Rule(status=429, headers={"retry-after": "1000000"}))
        id = api.queue(documents.chain("a"))
        assert run(id) == "retrying"
        assert is_due_within(id, 3601)

    @pytest.mark.parametrize("value", ["0", "-5", "nan", "inf", "soon", "", "Mon, 99 Foo"])
    def test_an_invalid_retry_after_is_ignored(self, api, model, value):
        model.add(Rule(status=429, headers={"retry-after": value}))
        id = api.queue(documents.chain("a"))
        assert run(id) == "retrying"
        assert not is_due_within(id, 50)
        assert is_due_within(id, 3601)

    def test_a_waiting_retry_is_cancelled_at_once_and_never_starts(self, api, model, reconcile):
        model.add(Rule(status=500))
        id = api.queue(documents.chain("a"))
        run(id)
        api("POST", f"/executions/{id}/cancel")
        status = api.status(id)
        assert (status["status"], status["next_attempt_at"]) == ("cancelled", None)
        assert status["finished_at"]
        change(id, available_at=database_clock.seconds_from_now(-1))  # as if it had been due
        assert reconcile()["retried"] == 0
        assert run(id) == "not-claimed"
        assert len(model.calls) == 1


class TestLastingErrors:
    @pytest.mark.parametrize(("rule", "code"), LASTING)
    def test_it_fails_at_once(self, api, model, reconcile, rule, code):
        model.add(rule)
        id = api.queue(documents.chain("a"))
        assert run(id) == "failed"
        status = api.status(id)
        assert (status["error"]["code"], status["retries"]) == (code, 0)
        assert status["next_attempt_at"] is None
        assert reconcile()["retried"] == 0
        assert len(model.calls) == 1


@pytest.mark.settings(MAX_RETRIES=1)
class TestPersons:
    def test_a_requested_retry_resets_the_count_of_retries(self, api, model, reconcile):
        model.on(status=500, times=3)
        id = api.queue(documents.chain("a"))
        run(id)
        start_when_due(id, reconcile)
        assert run(id) == "failed"
        assert api("POST", f"/executions/{id}/retry").status_code == 202
        assert api.status(id)["retries"] == 0
        assert run(id) == "retrying"
        assert api.status(id)["retries"] == 1
        start_when_due(id, reconcile)
        assert run(id) == "completed"
        assert (api.status(id)["attempt"], len(model.calls)) == (4, 4)
