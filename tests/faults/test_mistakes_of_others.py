"""What other services got wrong where runs ask people. Each test is one mistake."""

from __future__ import annotations

import threading

import pytest

from flask_crewexec import Approval
from support.graphs import documents
from support.host_app import host
from support.in_process import run
from support.input_requests import answer
from support.input_requests import open_request
from support.input_requests import parallel
from support.input_requests import requests_of
from support.input_requests import reviewed
from support.input_requests import send_answer
from support.scripted_turns import tool_calls
from support.scripted_turns import Turn


@pytest.fixture
def two(app, api, model):
    """An execution with two open requests, and their ids by the names of the steps."""
    model.on("Do a", "ALPHA").on("Do b", "BETA")
    id = api.queue(parallel("a", "b"))
    assert run(id) == "waiting_input"
    return id, {each["step_name"]: each["id"] for each in requests_of(api, id)}


@pytest.fixture
def waiting(api, model):
    """An execution whose first draft, ALPHA, waits."""
    model.on("more", "GAMMA").on("Do a", "ALPHA")
    id = api.queue(reviewed("a", "b"), thread_id="t-1")
    assert run(id) == "waiting_input"
    return id


class TestResuming:
    def test_parallel_questions_left_a_run_paused_for_ever(self, app, api, two):
        id, requests = two
        barrier = threading.Barrier(2)

        def approve(request):
            with app.app_context():
                barrier.wait(30)
                send_answer(api, request, "approve")

        threads = [threading.Thread(target=approve, args=[each]) for each in requests.values()]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(30)
        assert run(id) == "completed"

    def test_resuming_started_a_second_run(self, api, model, waiting):
        answer(api, waiting, "approve")
        assert run(waiting) == "completed"
        assert run(waiting) == "not-claimed"
        listed = api("GET", "/executions").json["executions"]
        assert [each["id"] for each in listed] == [waiting]
        assert api.event_types(waiting).count("completed") == 1
        assert len(model.calls) == 2

    def test_resuming_reran_everything_and_both_branches(self, api, model, two):
        id, requests = two
        for request in requests.values():
            send_answer(api, request, "approve")
        assert run(id) == "completed"
        assert [len(model.calls_matching(f"Do {name}")) for name in ("a", "b", "end")] == [1, 1, 1]

    def test_a_check_evaluated_again_at_resume_ignored_a_reject(self, app, api, model):
        document = reviewed(guardrails=[{"name": "no_urls"}])
        id = api.queue(document)
        run(id)
        answer(api, id, "reject")
        assert run(id) == "failed"
        assert api.status(id)["error"]["code"] == "rejected-by-reviewer"
        assert api.status(id)["steps"][0]["status"] == "failed"
        assert len(model.calls) == 1


class TestAnswers:
    def test_a_stale_answer_was_delivered_again(self, api, model, waiting):
        first = open_request(api, waiting)["id"]
        assert send_answer(api, first, "change", text="more").status_code == 202
        assert run(waiting) == "waiting_input"
        second = open_request(api, waiting)
        assert (second["draft"], second["round"]) == ({"text": "GAMMA"}, 2)
        assert send_answer(api, first, "change", text="more").status_code == 200
        assert run(waiting) == "not-claimed"
        assert open_request(api, waiting)["id"] == second["id"]
        assert len(model.calls) == 2

    def test_one_scalar_answer_counted_for_several_open_questions(self, api, two):
        id, requests = two
        send_answer(api, requests["a"], "approve")
        assert open_request(api, id)["id"] == requests["b"]
        assert api.status(id)["status"] == "waiting_input"

    @pytest.mark.parametrize("order", [("a", "b"), ("b", "a")])
    def test_answers_were_matched_by_position(self, api, model, two, order):
        id, requests = two
        for name in order:
            send_answer(api, requests[name], "edit", text=f"text of {name.upper()}")
        assert run(id) == "completed"
        outputs = {step["name"]: step["output"] for step in api.status(id)["steps"]}
        assert (outputs["a"], outputs["b"]) == ("text of A", "text of B")
        (end,) = model.calls_matching("Do end")
        assert end.prompt.index("text of A") < end.prompt.index("text of B")

    @pytest.mark.settings(RESUME_IN_STEP=False)
    def test_something_else_was_executed_than_was_approved(self, api, model):
        model.on("Do a", "ALPHA", times=1).on("Do a", "BETA")
        id = api.queue(reviewed("a", "b"))
        run(id)
        answer(api, id, "approve")
        assert run(id) == "completed"
        assert api.status(id)["steps"][0]["output"] == "ALPHA"
        (last,) = model.calls_matching("Do b")
        assert "ALPHA" in last.prompt
        assert "BETA" not in last.prompt


class TestApprovedCalls:
    @pytest.fixture
    def asked(self, app, api, model):
        """An execution that asks about two payments, its requests by order, and what is paid."""
        crewexec, paid, verdicts = app.extensions["crewexec_host"], [], []

        def is_large(arguments, user_id):
            verdicts.append(arguments["euros"])
            return len(verdicts) <= 2  # it would let everything pass when it is asked again

        terms = Approval(when=is_large, decisions=["approve", "edit", "reject"])

        @crewexec.tool("pay", approval=terms)
        def pay(order: str, euros: int) -> str:
            """Pay an order."""
            paid.append((order, euros))
            return "paid"

        calls = [("pay", {"order": order, "euros": 900}) for order in ("first", "second")]
        model.add(Turn(raw=tool_calls(*calls), results=0))
        model.add(Turn(reply="DONE", results=2))
        id = api.queue(documents.chain("a", tools=("pay",)))
        assert run(id) == "waiting_input"
        requests = {each["arguments"]["order"]: each["id"] for each in requests_of(api, id)}
        return id, requests, paid

    @pytest.mark.parametrize("order", [("first", "second"), ("second", "first")])
    def test_answers_were_matched_by_position_so_the_wrong_call_was_made(self, api, asked, order):
        id, requests, paid = asked
        decisions = {"first": "reject", "second": "approve"}
        for name in order:
            send_answer(api, requests[name], decisions[name])
        assert run(id) == "completed"
        assert paid == [("second", 900)]

    def test_other_arguments_were_executed_than_were_approved(self, api, model, asked):
        id, requests, paid = asked
        edited = {"order": "first", "euros": 800}
        send_answer(api, requests["first"], "edit", arguments=edited)
        send_answer(api, requests["second"], "approve")
        assert run(id) == "completed"
        assert sorted(paid) == [("first", 800), ("second", 900)]
        assert len(model.calls) == 2

    def test_a_predicate_evaluated_again_at_resume_ignored_a_reject(self, api, asked):
        id, requests, paid = asked
        for request in requests.values():
            send_answer(api, request, "reject")
        assert run(id) == "completed"
        assert paid == []


class TestRequests:
    def test_the_link_answered_404(self, api, stranger, waiting):
        request = f"/input-requests/{open_request(api, waiting)['id']}"
        assert api("GET", request).json["status"] == "open"
        answer(api, waiting, "approve")
        run(waiting)
        found = api("GET", request)
        assert (found.status_code, found.json["status"]) == (200, "answered")
        assert stranger("GET", request).status_code == 404

    def test_a_new_run_on_the_thread_silently_dropped_the_open_question(self, api, waiting):
        other = api.queue(reviewed(), thread_id="t-1")
        assert run(other) == "waiting_input"
        assert open_request(api, waiting)["draft"] == {"text": "ALPHA"}
        answer(api, waiting, "approve")
        assert run(waiting) == "completed"
        assert api.status(other)["status"] == "waiting_input"

    def test_state_was_held_on_the_client(self, api, model, waiting):
        request = open_request(api, waiting)["id"]
        sent = send_answer(api, request, "approve", draft={"text": "MINE"}, messages=[])
        assert sent.status_code == 422
        another = host.create_app()
        headers, body = {"X-User": "ada"}, {"decision": "approve"}
        path = f"/crewexec/input-requests/{request}/answer"
        assert another.test_client().post(path, json=body, headers=headers).status_code == 202
        with another.app_context():
            another.extensions["sqlalchemy"].engine.dispose()
        assert run(waiting) == "completed"
        assert "ALPHA" in model.calls_matching("Do b")[0].prompt
