"""Executions that wait for people, when several things happen at once and processes die."""

from __future__ import annotations

import sys
import threading

import pytest

from flask_crewexec import clock
from flask_crewexec.app_state import current_app_state
from flask_crewexec.registry.specs import GuardrailSpec
from flask_crewexec.scheduling.quotas import remaining_tokens
from support.graphs import documents
from support.in_process import at_once
from support.in_process import change
from support.in_process import column
from support.in_process import copy_of
from support.in_process import run
from support.in_process import running
from support.input_requests import answer
from support.input_requests import change_requests
from support.input_requests import expire
from support.input_requests import LONG_AGO
from support.input_requests import open_request
from support.input_requests import parallel
from support.input_requests import requests_of
from support.input_requests import reviewed
from support.input_requests import send_answer
from support.input_requests import send_answers
from support.paths import TESTS
from support.servers.processes import wait_until


class TestParallelSteps:
    def test_both_ask_and_the_last_answer_lets_the_run_go_on(self, api, model):
        id = api.queue(parallel("a", "b"))
        assert run(id) == "waiting_input"
        first, second = requests_of(api, id, status="open")
        assert {first["step_name"], second["step_name"]} == {"a", "b"}
        assert len(model.calls) == 2
        assert send_answer(api, first["id"], "approve").status_code == 202
        assert api.status(id)["status"] == "waiting_input"
        assert run(id) == "not-claimed"
        assert send_answer(api, second["id"], "approve").status_code == 202
        assert run(id) == "completed"
        assert len(model.calls) == 3

    def test_one_goes_on_while_the_other_asks_and_an_answer_comes_before_the_pause(
        self, app, api, model
    ):
        gate = threading.Event()
        model.on("Do b", "BETA", hold=gate)
        document = parallel("a", "b")
        documents.with_data(document, "b", human_input=False)
        id = api.queue(document)
        with running(app, id) as outcomes:
            wait_until(lambda: requests_of(api, id), what="the question")
            model.wait_for_calls(2)
            answered = answer(api, id, "approve")
            assert answered["status"] == "answered"
            assert api.status(id)["status"] == "running"
            gate.set()
        assert outcomes == ["waiting_input"]
        status = api.status(id)
        assert status["status"] == "queued"
        assert {step["name"]: step["status"] for step in status["steps"]}["b"] == "completed"
        assert run(id) == "completed"
        assert len(model.calls) == 3


@pytest.mark.settings(LLM_TIMEOUT=150.0)  # the model waits for the test
class TestBranchThatFails:
    """Nothing that happens to one branch is lost while another one asks."""

    @pytest.mark.sqlite_enough
    @pytest.mark.parametrize("order", ["ab", "ba"])
    @pytest.mark.parametrize(
        ("status", "outcome", "request_is"),
        [(400, "failed", "withdrawn"), (503, "retrying", "open")],
    )
    def test_while_another_asks(self, app, api, model, order, status, outcome, request_is):
        gate = threading.Event()
        model.on("Do b", status=status, hold=gate, times=1)
        document = parallel(*order)
        documents.with_data(document, "b", human_input=False)
        id = api.queue(document)
        with running(app, id) as outcomes:
            wait_until(lambda: requests_of(api, id), seconds=120, what="the question")
            model.wait_for_calls(2)
            gate.set()
        assert outcomes == [outcome]
        assert api.status(id)["error"]["step"] == "b"
        (found,) = requests_of(api, id)
        assert (found["step_name"], found["status"]) == ("a", request_is)
        if outcome == "retrying":
            answer(api, id, "approve")
            assert api.status(id)["status"] == "retrying"

    @pytest.mark.sqlite_enough
    @pytest.mark.parametrize("order", ["ab", "ba"])
    def test_of_a_decision_while_another_asks_again(self, api, model, order):
        id = api.queue(parallel(*order))
        run(id)
        asked = {each["step_name"]: each["id"] for each in requests_of(api, id)}
        send_answer(api, asked["a"], "change", text="more")
        send_answer(api, asked["b"], "reject")
        assert run(id) == "failed"
        error = api.status(id)["error"]
        assert (error["code"], error["step"]) == ("rejected-by-reviewer", "b")
        paid = len(model.calls)
        api.again(id)
        assert run(id) == "waiting_input"
        again = requests_of(api, id, status="open")
        assert {each["step_name"]: each["round"] for each in again} == {"a": 3, "b": 1}
        assert len(model.calls) == paid + 1

    @pytest.mark.sqlite_enough
    @pytest.mark.parametrize("order", ["ab", "ba"])
    @pytest.mark.parametrize("is_rejected", [True, False], ids=["rejected", "expired"])
    def test_together_with_another_is_retried_once(self, api, model, reconcile, order, is_rejected):
        id = api.queue(parallel(*order, review={"expires_in": 1000}))
        run(id)
        if is_rejected:
            reject = [{"id": each["id"], "decision": "reject"} for each in requests_of(api, id)]
            assert send_answers(api, id, reject).status_code == 202
        else:
            expire(id)
            reconcile()
        assert run(id) == "failed"
        error = api.status(id)["error"]
        assert f"'{error['step']}'" in error["message"]
        api.again(id)
        assert run(id) == "waiting_input"
        again = requests_of(api, id, status="open")
        assert {each["step_name"]: each["round"] for each in again} == {"a": 1, "b": 1}
        assert len(model.calls) == 4

    @pytest.mark.sqlite_enough
    @pytest.mark.settings(MAX_RETRIES=0)
    def test_for_another_reason_is_retried_once(self, api, model):
        """The error is that of the first task; the second one would fail again as well."""
        id = api.queue(parallel("a", "b"))
        run(id)
        asked = {each["step_name"]: each["id"] for each in requests_of(api, id)}
        model.on("Do a", status=503, times=1)
        send_answer(api, asked["a"], "change", text="more")
        send_answer(api, asked["b"], "reject")
        assert run(id) == "failed"
        error = api.status(id)["error"]
        assert (error["code"], error["step"]) == ("model-unavailable", "a")
        api.again(id)
        assert run(id) == "waiting_input"
        again = requests_of(api, id, status="open")
        assert {each["step_name"]: each["round"] for each in again} == {"a": 2, "b": 1}

    @pytest.mark.parametrize("order", ["ab", "ba"])
    @pytest.mark.parametrize("end", ["rejected-by-reviewer", "input-expired"])
    def test_does_not_wait_for_other_answers(self, api, model, reconcile, order, end):
        id = api.queue(parallel(*order, review={"expires_in": 1000}))
        run(id)
        asked = {each["step_name"]: each["id"] for each in requests_of(api, id)}
        if end == "input-expired":
            change_requests(id, only=asked["b"], expires_at=LONG_AGO)
            reconcile()
        else:
            send_answer(api, asked["b"], "reject")
        assert api.status(id)["status"] == "queued"
        assert run(id) == "failed"
        error = api.status(id)["error"]
        assert (error["code"], error["step"]) == (end, "b")
        assert send_answer(api, asked["a"], "approve").status_code == 410
        assert len(model.calls) == 2

    @pytest.mark.parametrize("is_rejected", [True, False], ids=["rejected", "expired"])
    def test_of_an_end_that_comes_before_another_asks(
        self, app, api, model, reconcile, is_rejected
    ):
        gate = threading.Event()
        model.on("Do b", "BETA", hold=gate)
        id = api.queue(parallel("a", "b", review={"expires_in": 1000}))
        with running(app, id) as outcomes:
            wait_until(lambda: requests_of(api, id), seconds=120, what="the question")
            model.wait_for_calls(2)
            if is_rejected:
                answer(api, id, "reject")
            else:
                expire(id)
                reconcile()
            gate.set()
        assert outcomes == ["waiting_input"]
        assert api.status(id)["status"] == "queued"
        assert run(id) == "failed"
        assert api.status(id)["error"]["step"] == "a"
        api.again(id)
        assert run(id) == "waiting_input"
        assert api.status(id)["status"] == "waiting_input"


class TestAtOnce:
    def test_one_of_two_answers_counts(self, app, api, admin):
        id = api.queue(reviewed())
        run(id)
        request = open_request(api, id)["id"]
        answers = at_once(
            app,
            lambda: send_answer(api, request, "approve").status_code,
            lambda: send_answer(admin, request, "reject").status_code,
        )
        assert sorted(answers) == [202, 409]
        end = "completed" if answers[0] == 202 else "failed"
        assert run(id) == end
        assert api.event_types(id).count("input_answered") == 1

    def test_an_answer_and_a_cancellation(self, app, api):
        id = api.queue(reviewed())
        run(id)
        request = open_request(api, id)["id"]
        answered, cancelled = at_once(
            app,
            lambda: send_answer(api, request, "approve").status_code,
            lambda: api("POST", f"/executions/{id}/cancel").status_code,
        )
        assert cancelled == 202
        assert answered in (202, 410)
        assert api.status(id)["status"] == "cancelled"
        (found,) = requests_of(api, id)
        assert found["status"] == ("answered" if answered == 202 else "withdrawn")
        assert run(id) == "not-claimed"

    def test_an_answer_and_the_expiry(self, app, api, reconcile):
        id = api.queue(reviewed(review={"expires_in": 1000}))
        run(id)
        request = open_request(api, id)["id"]
        expire(id)
        answered, _ = at_once(
            app, lambda: send_answer(api, request, "approve").status_code, reconcile
        )
        assert answered == 410
        reconcile()
        assert run(id) == "failed"
        assert api.status(id)["error"]["code"] == "input-expired"
        assert api.event_types(id).count("input_expired") == 1

    def test_the_same_answer_again_is_no_other(self, api, stranger):
        id = api.queue(reviewed())
        run(id)
        request = open_request(api, id)["id"]
        assert send_answer(api, request, "approve").status_code == 202
        assert send_answer(api, request, "approve").status_code == 200
        refused = send_answer(api, request, "change", text="x")
        assert refused.status_code == 409
        assert refused.json["detail"].startswith("You have answered with 'approve'")
        assert send_answer(stranger, request, "approve").status_code == 404


class TestExpiry:
    @pytest.mark.parametrize(
        ("on_expiry", "outcome", "code"),
        [
            ("fail", "failed", "input-expired"),
            ("approve", "completed", None),
            ("reject", "failed", "rejected-by-reviewer"),
        ],
    )
    def test_what_the_graph_says_is_done(self, api, model, reconcile, on_expiry, outcome, code):
        id = api.queue(reviewed(review={"expires_in": 1000, "on_expiry": on_expiry}))
        assert run(id) == "waiting_input"
        assert reconcile()["expired_inputs"] == 0
        expire(id)
        assert reconcile()["expired_inputs"] == 1
        assert run(id) == outcome
        error = api.status(id)["error"]
        assert (error and error["code"]) == code
        assert len(model.calls) == 1

    @pytest.mark.parametrize(
        ("draft", "default", "schema"),
        [("ALPHA", "NOTHING", None), ('{"x": 1}', {"x": 2}, {"type": "object"})],
    )
    def test_a_default_is_the_answer_then(self, api, model, reconcile, draft, default, schema):
        model.on("Do a", draft)
        review = {"expires_in": 1000, "on_expiry": "default", "default": default}
        data = {} if schema is None else {"output_schema": schema}
        id = api.queue(reviewed(review=review, **data))
        run(id)
        content = {"text": default} if schema is None else {"value": default}
        assert open_request(api, id)["default"] == content
        expire(id)
        reconcile()
        (found,) = requests_of(api, id)
        ended = (found["status"], found["decision"], found["answer"], found["answered_by"])
        assert ended == ("expired", "edit", content, None)
        (event,) = api.events_of(id, "input_expired")
        assert (event["decision"], event["then"]) == ("edit", "queued")
        assert run(id) == "completed"
        result = api.status(id)["result"]
        assert (result["raw"] if schema is None else result["json"]) == default
        assert len(model.calls) == 1

    def test_a_default_that_a_guardrail_refuses_ends_the_run(self, app, api, reconcile):
        spec = GuardrailSpec(
            name="long", description="x", function=lambda text: len(text) > 1 or "too short"
        )
        app.extensions["crewexec"].registry.add_guardrail(spec)
        review = {"expires_in": 1000, "on_expiry": "default", "default": "x"}
        id = api.queue(reviewed(review=review, guardrails=[{"name": "long"}]))
        run(id)
        expire(id)
        reconcile()
        assert run(id) == "failed"
        error = api.status(id)["error"]
        assert (error["code"], "too short" in error["message"]) == ("input-expired", True)
        assert len(requests_of(api, id)) == 1

    @pytest.mark.each_pool
    def test_happens_while_every_worker_is_away(self, api, model, start_worker, settle, pool):
        worker = start_worker(pool=pool)
        id = api.queue(reviewed(review={"expires_in": 1000, "on_expiry": "approve"}))
        settle(id, "waiting_input")
        worker.stop()
        expire(id)
        request = requests_of(api, id)[0]
        assert request["status"] == "expired"
        assert send_answer(api, request["id"], "reject").status_code == 410
        assert api.status(id)["status"] == "waiting_input"
        start_worker(pool=pool)
        settle(id)
        assert len(model.calls) == 1

    def test_a_retry_asks_again(self, api, reconcile):
        id = api.queue(reviewed(review={"expires_in": 1000}))
        run(id)
        expire(id)
        reconcile()
        assert run(id) == "failed"
        api.again(id)
        assert run(id) == "waiting_input"
        answer(api, id, "approve")
        assert run(id) == "completed"


class TestWaiting:
    def test_the_rest_of_the_timeout_goes_on_after_the_answer(self, api, reconcile):
        id = api.queue(reviewed("a", "b"), timeout=500)
        run(id)
        assert column(id, "deadline") is None
        left = column(id, "seconds_left")
        assert 0 < left < 500
        change(id, seconds_left=0.001)
        reconcile()
        assert api.status(id)["status"] == "waiting_input"
        answer(api, id, "approve")
        assert run(id) == "timed_out"

    def test_a_cancellation_withdraws_the_question_and_a_retry_asks_again(self, api, model):
        id = api.queue(reviewed())
        run(id)
        assert api("POST", f"/executions/{id}/cancel").status_code == 202
        assert api.status(id)["status"] == "cancelled"
        (found,) = requests_of(api, id)
        assert found["status"] == "withdrawn"
        assert send_answer(api, found["id"], "approve").status_code == 410
        api.again(id)
        assert run(id) == "waiting_input"
        answer(api, id, "approve")
        assert run(id) == "completed"
        assert len(model.calls) == 1

    def test_a_cancellation_of_a_run_withdraws_what_it_asks(self, app, api, model):
        gate = threading.Event()
        model.on("Do b", hold=gate)
        id = api.queue(parallel("a", "b"))
        with running(app, id) as outcomes:
            wait_until(lambda: requests_of(api, id), what="the question")
            assert api("POST", f"/executions/{id}/cancel").status_code == 202
            gate.set()
        assert outcomes == ["cancelled"]
        assert {each["status"] for each in requests_of(api, id)} == {"withdrawn"}

    def test_it_goes_on_with_the_priority_that_it_was_given(self, api):
        id = api.queue(reviewed(), priority=7)
        run(id)
        change(id, urgency=2)  # it has waited for a worker before
        answer(api, id, "approve")
        assert column(id, "urgency") == 7
        assert column(id, "published_at") is not None  # without waiting for the reconciler

    @pytest.mark.settings(MAX_RUNNING_PER_USER=1, MAX_QUEUED_PER_USER=1)
    def test_it_holds_no_place_and_an_answer_is_not_refused(self, api):
        waiting = []
        for _ in range(3):
            waiting.append(api.queue(reviewed()))
            assert run(waiting[-1]) == "waiting_input"
        other = api.queue(documents.chain("b"))
        for id in waiting:
            answer(api, id, "approve")
        assert run(other) == "completed"
        for id in waiting:
            assert run(id) == "completed"


class TestQuota:
    @pytest.mark.settings(MAX_TOKENS_PER_DAY=1_000_000)
    def test_tokens_of_earlier_days_are_not_used_today(self, api):
        id = api.queue(reviewed())
        run(id)
        used = api.status(id)["usage"]["total_tokens"]
        assert used > 0
        change(id, queued_at=LONG_AGO)
        answer(api, id, "approve")
        assert column(id, "former_tokens") == used
        older = copy_of(id, LONG_AGO)  # the id says when an execution was submitted
        change(older, queued_at=clock.now())
        assert remaining_tokens(current_app_state(), "ada") == 1_000_000 - used


class TestBroker:
    @pytest.fixture
    def redis_process(self, tmp_path):
        """A server of our own, since we stop it."""
        from support.servers.redis_process import RedisProcess
        from support.servers.redis_servers import chosen_redis

        with RedisProcess(tmp_path, chosen_redis()) as process:
            yield process

    @pytest.mark.each_pool
    def test_an_answer_counts_while_it_is_away(
        self, api, model, redis_process, start_worker, settle, pool
    ):
        id = api.queue(reviewed())
        assert run(id) == "waiting_input"
        redis_process.stop()
        answer(api, id, "approve")
        assert api.status(id)["status"] == "queued"
        redis_process.start()
        start_worker(pool=pool)
        settle(id)
        assert len(model.calls) == 1


class TestKilledRun:
    """A process is killed before and after each of its writes."""

    @pytest.mark.parametrize("when", ["before", "after"])
    def test_it_asks_once_and_pays_no_stored_draft_again(
        self, api, model, environment, fork_server, reconcile, when
    ):
        variables = {**environment, "PYTHONPATH": str(TESTS)}
        killed = 0
        for at in range(1, 5):
            paid = len(model.calls)
            id = api.queue(reviewed())
            command = [sys.executable, "-m", "support.killed_run", id, str(at), when]
            if fork_server.run(command, environment=variables).returncode != 0:
                killed += 1
                change(id, lease_expires_at=LONG_AGO)
                reconcile()
            if api.status(id)["status"] == "queued":
                assert run(id) == "waiting_input"
            assert api.status(id)["status"] == "waiting_input"
            assert len(requests_of(api, id)) == 1
            answer(api, id, "approve")
            assert run(id) == "completed"
            has_draft = at > 1 or when == "after"
            assert len(model.calls) - paid <= (1 if has_draft else 2)
        assert killed >= 2
