"""Reviews of answers by people, with the real engine."""

from __future__ import annotations

import json

import pytest

from flask_crewexec.registry.specs import GuardrailSpec
from flask_crewexec.testing import Rule
from support.graphs import documents
from support.in_process import run
from support.input_requests import answer
from support.input_requests import open_request
from support.input_requests import reviewed

pytestmark = pytest.mark.libraries

SCHEMA = {
    "type": "object",
    "properties": {"title": {"type": "string"}},
    "required": ["title"],
}


def guardrail(app, name, function):
    spec = GuardrailSpec(name=name, description="x", function=function)
    app.extensions["crewexec"].registry.add_guardrail(spec)


class TestDecisions:
    def test_an_approved_draft_is_not_paid_again(self, api, model):
        model.on("Do a", "ALPHA")
        id = api.queue(reviewed("a", "b", review={"message": "Good?"}))
        assert run(id) == "waiting_input"
        status = api.status(id)
        assert status["status"] == "waiting_input"
        assert [step["status"] for step in status["steps"]] == ["pending", "pending"]
        request = open_request(api, id)
        assert status["input_requests"] == [request["id"]]
        assert (request["message"], request["draft"]) == ("Good?", {"text": "ALPHA"})
        assert (request["step_name"], request["round"]) == ("a", 1)
        assert len(model.calls) == 1
        answered = answer(api, id, "approve")
        assert (answered["status"], answered["answered_by"]) == ("answered", "ada")
        assert run(id) == "completed"
        assert len(model.calls_matching("Do a")) == 1
        assert "ALPHA" in model.calls_matching("Do b")[0].prompt

    def test_a_change_is_one_call_with_the_words_and_the_draft(self, api, model):
        model.on("shorter please", "BETA").on("Do a", "ALPHA")
        id = api.queue(reviewed())
        assert run(id) == "waiting_input"
        answer(api, id, "change", text="shorter please")
        assert run(id) == "waiting_input"
        assert len(model.calls) == 2
        assert "ALPHA" in model.calls[-1].prompt
        request = open_request(api, id)
        assert (request["draft"], request["round"]) == ({"text": "BETA"}, 2)
        answer(api, id, "approve")
        assert run(id) == "completed"
        assert len(model.calls) == 2
        assert api.status(id)["result"]["raw"] == "BETA"

    def test_an_edited_text_replaces_the_draft_without_a_call(self, api, model):
        id = api.queue(reviewed())
        run(id)
        answer(api, id, "edit", text="MINE")
        assert run(id) == "completed"
        assert api.status(id)["result"]["raw"] == "MINE"
        assert len(model.calls) == 1

    def test_a_rejected_draft_fails_the_run_and_a_retry_restarts_the_step(self, api, model, caplog):
        model.on("Do a", "ALPHA", times=1).on("Do a", "BETA")
        id = api.queue(reviewed())
        run(id)
        answer(api, id, "reject", text="all wrong")
        assert run(id) == "failed"
        error = api.status(id)["error"]
        assert error["code"] == "rejected-by-reviewer"
        (record,) = (each for each in caplog.records if error["correlation_id"] in each.message)
        assert (record.levelname, record.exc_info) == ("WARNING", None)
        assert "Traceback" not in caplog.text
        assert "all wrong" in error["message"]
        assert len(model.calls) == 1
        api.again(id)
        assert run(id) == "waiting_input"
        assert len(model.calls) == 2
        assert open_request(api, id)["draft"] == {"text": "BETA"}
        answer(api, id, "approve")
        assert run(id) == "completed"
        assert len(model.calls) == 2

    def test_the_words_of_a_change_are_needed(self, api):
        id = api.queue(reviewed())
        run(id)
        refused = answer(api, id, "change", expect=422)
        assert [error["pointer"] for error in refused["errors"]] == ["/text"]

    def test_only_the_decisions_of_the_graph_are_allowed(self, api):
        id = api.queue(reviewed(review={"decisions": ["approve", "edit"]}))
        run(id)
        refused = answer(api, id, "reject", expect=422)
        assert [error["pointer"] for error in refused["errors"]] == ["/decision"]
        assert api.status(id)["status"] == "waiting_input"

    def test_in_the_last_round_no_change_can_be_demanded(self, api, model):
        id = api.queue(reviewed(review={"max_rounds": 2}))
        run(id)
        answer(api, id, "change", text="once more")
        assert run(id) == "waiting_input"
        assert open_request(api, id)["decisions"] == ["approve", "edit", "reject"]
        answer(api, id, "change", expect=422, text="again")
        assert len(model.calls) == 2

    def test_rounds_that_were_withdrawn_do_not_count_for_the_last_one(self, api, model):
        id = api.queue(reviewed(review={"max_rounds": 2}))
        for round in (1, 2, 3):
            assert run(id) == "waiting_input"
            request = open_request(api, id)
            assert (request["round"], "change" in request["decisions"]) == (round, True)
            if round < 3:
                assert api("POST", f"/executions/{id}/cancel").status_code == 202
                api.again(id)
        answer(api, id, "change", text="shorter")
        assert run(id) == "waiting_input"
        assert "change" not in open_request(api, id)["decisions"]

    def test_changes_do_not_count_as_retries_of_guardrails(self, app, api, model):
        guardrail(app, "fine", lambda text: True)
        id = api.queue(reviewed(guardrails=[{"name": "fine"}], guardrail_max_retries=0))
        for words in ("one", "two", "three"):
            assert run(id) == "waiting_input"
            answer(api, id, "change", text=words)
        assert run(id) == "waiting_input"
        answer(api, id, "approve")
        assert run(id) == "completed"
        assert len(model.calls) == 4


class TestMessage:
    def test_contains_the_inputs_of_the_execution(self, api, model):
        document = reviewed(review={"message": "Is this about {topic}?"})
        missing = api("POST", "/executions", json={"graph_id": api.graph(document)})
        assert [error["pointer"] for error in missing.json["errors"]] == ["/inputs/topic"]
        id = api.queue(document, inputs={"topic": "{tea}"})
        assert run(id) == "waiting_input"
        assert open_request(api, id)["message"] == "Is this about {tea}?"


class TestChecks:
    def test_run_before_a_person_is_asked_and_are_not_paid_again(self, app, api, model):
        seen = []
        guardrail(app, "noted", lambda text: seen.append(text) or True)
        model.on("It is short", '{"valid": true, "feedback": null}').on("Do a", "ALPHA")
        rules = [{"name": "noted"}, {"text": "It is short"}]
        id = api.queue(reviewed(guardrails=rules))
        assert run(id) == "waiting_input"
        paid = len(model.calls)
        assert seen == ["ALPHA"]
        answer(api, id, "approve")
        assert run(id) == "completed"
        assert len(model.calls) == paid
        assert seen == ["ALPHA"]

    def test_an_edited_object_must_match_the_schema(self, api, model):
        model.on("Do a", '{"title": "Tea"}')
        id = api.queue(reviewed(output_schema=SCHEMA))
        assert run(id) == "waiting_input"
        request = open_request(api, id)
        assert request["draft"]["value"] == {"title": "Tea"}
        assert request["schema"] == SCHEMA
        for content, pointer in (
            ({"value": {"title": 1}}, "/value/title"),
            ({"text": "Tea"}, "/text"),
            ({}, "/text"),
        ):
            refused = answer(api, id, "edit", expect=422, **content)
            assert [error["pointer"] for error in refused["errors"]] == [pointer]
        answer(api, id, "edit", value={"title": "Mate"})
        assert run(id) == "completed"
        assert api.status(id)["result"]["json"] == {"title": "Mate"}
        assert len(model.calls) == 1

    @pytest.mark.settings(MAX_OUTPUT_CHARS=40)
    def test_characters_of_any_alphabet_count_the_same(self, api, model):
        model.on("Do a", '{"title": "Tea"}')
        id = api.queue(reviewed(output_schema=SCHEMA))
        assert run(id) == "waiting_input"
        refused = answer(api, id, "edit", expect=422, value={"title": "茶" * 30})
        assert [error["pointer"] for error in refused["errors"]] == ["/value"]
        answer(api, id, "edit", value={"title": "茶" * 20})
        assert run(id) == "completed"
        assert api.status(id)["result"]["json"] == {"title": "茶" * 20}

    def test_an_edit_that_a_guardrail_refuses_is_asked_again_with_the_reason(self, app, api, model):
        guardrail(app, "polite", lambda text: "be polite" if "BAD" in text else True)
        id = api.queue(reviewed(guardrails=[{"name": "polite"}]))
        run(id)
        answer(api, id, "edit", text="BAD")
        assert run(id) == "waiting_input"
        request = open_request(api, id)
        assert request["draft"] == {"text": "BAD"}
        assert "be polite" in request["problem"]
        assert request["round"] == 2
        answer(api, id, "edit", text="GOOD")
        assert run(id) == "completed"
        assert api.status(id)["result"]["raw"] == "GOOD"
        assert len(model.calls) == 1

    def test_an_edit_that_a_guardrail_refuses_cannot_be_approved(self, app, api):
        guardrail(app, "polite", lambda text: "be polite" if "BAD" in text else True)
        review = {"expires_in": 60, "on_expiry": "approve"}
        id = api.queue(reviewed(review=review, guardrails=[{"name": "polite"}]))
        run(id)
        answer(api, id, "edit", text="BAD")
        assert run(id) == "waiting_input"
        request = open_request(api, id)
        assert request["decisions"] == ["change", "edit", "reject"]
        assert request["on_expiry"] == "fail"
        refused = answer(api, id, "approve", expect=422)
        assert [error["pointer"] for error in refused["errors"]] == ["/decision"]


class TestStepsThatCannotContinue:
    @pytest.mark.settings(RESUME_IN_STEP=False)
    def test_the_approved_draft_counts_although_another_was_written(self, api, model):
        model.on("Do a", "ALPHA", times=1).on("Do a", "BETA")
        id = api.queue(reviewed())
        assert run(id) == "waiting_input"
        answer(api, id, "approve")
        assert run(id) == "completed"
        assert api.status(id)["result"]["raw"] == "ALPHA"

    @pytest.mark.settings(RESUME_IN_STEP=False)
    def test_nobody_is_asked_twice_about_the_same_draft(self, api, model):
        model.on("shorter", "GAMMA").on("Do a", "ALPHA", times=1).on("Do a", "BETA")
        id = api.queue(reviewed())
        assert run(id) == "waiting_input"
        answer(api, id, "change", text="shorter")
        assert run(id) == "waiting_input"
        assert "ALPHA" in model.calls[-1].prompt
        answer(api, id, "approve")
        assert run(id) == "completed"
        assert api.status(id)["result"]["raw"] == "GAMMA"

    @pytest.mark.settings(RESUME_IN_STEP=False)
    def test_a_retry_after_a_rejection_asks_again(self, api):
        id = api.queue(reviewed())
        run(id)
        answer(api, id, "reject")
        assert run(id) == "failed"
        api.again(id)
        assert run(id) == "waiting_input"
        answer(api, id, "approve")
        assert run(id) == "completed"


class TestSettledAnswers:
    @pytest.mark.settings(CALL_LOG="off", RESUME_IN_STEP=False)
    @pytest.mark.parametrize(
        ("decision", "content", "result"),
        [("approve", {}, "ALPHA"), ("edit", {"text": "MINE"}, "MINE")],
    )
    def test_need_no_calls_of_earlier_attempts(self, api, model, decision, content, result):
        model.on("Do a", "ALPHA", times=1).on("Do a", "BETA")
        id = api.queue(reviewed())
        assert run(id) == "waiting_input"
        answer(api, id, decision, **content)
        assert run(id) == "completed"
        assert api.status(id)["result"]["raw"] == result
        assert len(model.calls) == 1

    def test_do_not_change_what_follows(self, api, model):
        assert run(api.queue(documents.chain("a", "b"))) == "completed"
        id = api.queue(reviewed("a", "b"))
        assert run(id) == "waiting_input"
        answer(api, id, "approve")
        assert run(id) == "completed"
        unreviewed, approved = model.calls_matching("Do b")
        assert approved.body == unreviewed.body

    def test_that_were_cut_are_shown_as_such(self, api, model):
        choice = {"index": 0, "message": {"content": "half of"}, "finish_reason": "length"}
        model.add(Rule(raw=json.dumps({"id": "1", "choices": [choice]}).encode()))
        id = api.queue(reviewed())
        assert run(id) == "waiting_input"
        answer(api, id, "approve")
        assert run(id) == "completed"
        (step,) = api.status(id)["steps"]
        assert (step["output"], step["truncated"]) == ("half of", True)
