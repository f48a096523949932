"""Output schemas and guardrails of steps, with the real engine."""

from __future__ import annotations

import json
import threading

import pytest

from flask_crewexec.registry.specs import GuardrailSpec
from support.graphs import documents
from support.host_app import host
from support.in_process import run
from support.in_process import running

pytestmark = pytest.mark.libraries

SCHEMA = {
    "type": "object",
    "properties": {"title": {"type": "string"}, "pages": {"$ref": "#/$defs/count"}},
    "required": ["title"],
    "$defs": {"count": {"type": "integer", "minimum": 1}},
}


def add_guardrail(app, name):
    """Register a guardrail in a test."""

    def register(function):
        spec = GuardrailSpec(name=name, description="x", function=function)
        app.extensions["crewexec"].registry.add_guardrail(spec)
        return function

    return register


class TestMarkdown:
    def test_the_model_is_asked_for_markdown(self, api, model):
        document = documents.with_data(documents.chain("a", "b"), "a", markdown=True)
        assert run(api.queue(document)) == "completed"
        asked, plain = (model.calls_matching(f"Do {id}")[0].prompt for id in "ab")
        assert "Markdown" in asked
        assert "Markdown" not in plain.split("Do b")[1].split("context")[0]


class TestOutputSchema:
    def document(self, **data):
        return documents.with_data(documents.chain("a", "b"), "a", output_schema=SCHEMA, **data)

    def test_the_schema_is_in_the_prompt_and_the_object_is_stored(self, api, model):
        model.on("Do b", "done").on("Do a", 'Here: ```json\n{"title": "Tea"}\n```')
        id = api.queue(self.document())
        assert run(id) == "completed"
        assert json.dumps(SCHEMA, sort_keys=True) in model.calls_matching("Do a")[0].prompt
        first, second = api.status(id)["steps"]
        assert (first["json"], second["json"]) == ({"title": "Tea"}, None)
        assert json.loads(first["output"]) == {"title": "Tea"}
        assert '{"title": "Tea"}' in model.calls_matching("Do b")[0].prompt
        assert len(model.calls) == 2

    def test_the_object_of_the_last_task_is_in_the_result(self, api, model):
        model.on("Do a", '{"title": "Tea", "pages": 2}')
        id = api.queue(documents.with_data(documents.chain("a"), "a", output_schema=SCHEMA))
        assert run(id) == "completed"
        assert api.status(id)["result"]["json"] == {"title": "Tea", "pages": 2}

    def test_the_object_is_available_after_a_retry(self, api, model):
        model.on("Do b", status=400, times=1).on("Do b", "done")
        model.on("Do a", '{"title": "Tea"}')
        id = api.queue(self.document())
        assert run(id) == "failed"
        api.again(id)
        assert run(id) == "completed"
        assert api.status(id)["steps"][0]["json"] == {"title": "Tea"}
        _, second = model.calls_matching("Do b")
        assert '{"title": "Tea"}' in second.prompt
        assert len(model.calls) == 3

    @pytest.mark.parametrize(
        ("answer", "reason"),
        [
            ("Tea", "not a JSON object"),
            ("[1]", "not a JSON object"),
            ('{"title": 1}', "is not of type"),
            ('{"title": "Tea", "pages": 0}', "less than the minimum"),
            ('{"title": "\\u0000"}', "NUL"),
        ],
    )
    def test_an_invalid_answer_is_refused_and_requested_again(self, api, model, answer, reason):
        model.on("Previous attempt", '{"title": "Tea"}').on("Do a", answer)
        id = api.queue(documents.with_data(documents.chain("a"), "a", output_schema=SCHEMA))
        assert run(id) == "completed"
        assert api.status(id)["result"]["json"] == {"title": "Tea"}
        (event,) = api.events_of(id, "guardrail_failed")
        assert (event["step"], event["guardrail"]) == ("a", "output_schema")
        assert reason in event["reason"]
        assert len(model.calls) == api.status(id)["usage"]["llm_calls"] == 2
        assert event["reason"] in model.calls[1].prompt

    def test_the_repeated_request_contains_the_context_of_the_step(self, api, model):
        model.on("Previous attempt", '{"title": "Tea"}').on("Do b", "no")
        model.on("Do a", "ALPHA")
        document = documents.with_data(documents.chain("a", "b"), "b", output_schema=SCHEMA)
        assert run(api.queue(document)) == "completed"
        assert "ALPHA" in model.calls_matching("Previous attempt")[0].prompt

    @pytest.mark.settings(MAX_OUTPUT_CHARS=30)
    def test_an_answer_too_long_to_be_stored_is_refused(self, api, model):
        model.on("Previous attempt", '{"title": "Tea"}')
        model.on("Do a", '{"title": "' + "x" * 30 + '"}')
        id = api.queue(documents.with_data(documents.chain("a"), "a", output_schema=SCHEMA))
        assert run(id) == "completed"
        assert api.status(id)["result"]["json"] == {"title": "Tea"}
        (event,) = api.events_of(id, "guardrail_failed")
        assert event["reason"] == "The answer has more than 30 characters."

    def test_too_many_invalid_answers_fail_the_execution_without_a_retry(self, api, model):
        model.on("Do a", "no")
        id = api.queue(self.document(guardrail_max_retries=2))
        assert run(id) == "failed"
        error = api.status(id)["error"]
        assert (error["code"], error["step"]) == ("guardrail-failed", "a")
        assert len(model.calls) == 3


class TestGuardrailFunctions:
    def document(self, *guardrails, **data):
        return documents.with_data(documents.chain("a"), "a", guardrails=list(guardrails), **data)

    def test_a_refused_answer_is_requested_again(self, api, model):
        model.on("ada wants no links", "Tea.").on("Do a", "See http://tea")
        id = api.queue(self.document({"name": "no_urls"}))
        assert run(id) == "completed"
        assert api.status(id)["result"]["raw"] == "Tea."
        check = {"step": "a", "guardrail": "no_urls", "call": 2}
        refusal = {"reason": "ada wants no links.", "answer": "See http://tea"}
        assert api.events_of(id, "guardrail_failed") == [check | refusal]
        assert api.events_of(id, "guardrail_passed") == [
            {"step": "a", "guardrail": "no_urls", "call": 4}
        ]
        assert len(model.calls) == api.status(id)["steps"][0]["usage"]["llm_calls"] == 2

    def test_the_last_refusal_fails_the_execution_without_a_retry(self, api, model):
        model.on("Do a", "See http://tea")
        id = api.queue(self.document({"name": "no_urls"}, guardrail_max_retries=1))
        assert run(id) == "failed"
        status = api.status(id)
        assert (status["error"]["code"], status["error"]["step"]) == ("guardrail-failed", "a")
        assert "ada wants no links." in status["error"]["message"]
        assert (status["retries"], len(model.calls)) == (0, 2)

    def test_the_reason_of_a_refusal_is_redacted(self, app, api, model):
        @add_guardrail(app, "leaky")
        def leaky(answer):
            return f"The key is {host.KEY}" + "x" * 5000

        model.on("Do a", "x")
        id = api.queue(self.document({"name": "leaky"}, guardrail_max_retries=0))
        assert run(id) == "failed"
        (event,) = api.events_of(id, "guardrail_failed")
        assert "[secret]" in event["reason"]
        assert len(event["reason"]) == 1000
        assert host.KEY not in api("GET", f"/executions/{id}").text

    def test_a_guardrail_may_read_a_secret_which_is_redacted(self, app, api, model):
        @add_guardrail(app, "signed")
        def signed(answer):
            key = app.extensions["crewexec_host"].secret("shout")
            return "FINE" in answer or f"Not signed with {key}."

        model.on("Do a", "x")
        id = api.queue(self.document({"name": "signed"}, guardrail_max_retries=0))
        assert run(id) == "failed"
        (event,) = api.events_of(id, "guardrail_failed")
        assert event["reason"] == "Not signed with [secret]."

    def test_an_invalid_verdict_is_an_error(self, api, model):
        id = api.queue(self.document({"name": "broken"}))
        assert run(id) == "failed"
        assert api.status(id)["error"]["code"] == "crew-failed"
        assert len(model.calls) == 1

    def test_a_guardrail_receives_the_json_of_an_answer(self, app, api, model):
        seen = []
        add_guardrail(app, "look")(lambda answer: not seen.append(answer))
        model.on("Do a", 'So: {"title": "Tea"}')
        id = api.queue(self.document({"name": "look"}, output_schema=SCHEMA))
        assert run(id) == "completed"
        assert seen == ['{"title": "Tea"}']
        assert api.status(id)["result"]["json"] == {"title": "Tea"}


class TestRules:
    RULE = "The answer is about {topic}."

    def document(self, *rules, **data):
        guardrails = [{"text": rule} for rule in rules]
        return documents.with_data(documents.chain("a"), "a", guardrails=guardrails, **data)

    def test_the_model_judges_with_one_call(self, api, model):
        model.on("# Rule", '{"valid": true}').on("Do a", "Tea is a plant.")
        id = api.queue(self.document(self.RULE), inputs={"topic": "tea"})
        assert run(id) == "completed"
        (judged,) = model.calls_matching("# Rule")
        assert "The answer is about tea." in judged.prompt
        assert "Tea is a plant." in judged.prompt
        status = api.status(id)
        assert status["result"]["raw"] == "Tea is a plant."
        assert len(model.calls) == 2
        assert status["usage"]["llm_calls"] == status["steps"][0]["usage"]["llm_calls"] == 2
        assert status["usage"]["total_tokens"] == status["steps"][0]["usage"]["total_tokens"] > 0

    def test_the_feedback_of_the_judge_is_sent_to_the_model(self, api, model):
        model.on("# Rule", '{"valid": false, "feedback": "It is coffee."}', times=1)
        model.on("# Rule", "valid: TRUE").on("It is coffee", "Tea").on("Do a", "Coffee")
        id = api.queue(self.document("About tea"))
        assert run(id) == "completed"
        assert api.status(id)["result"]["raw"] == "Tea"
        assert [e["reason"] for e in api.events_of(id, "guardrail_failed")] == ["It is coffee."]
        assert len(model.calls) == 4

    def test_all_guardrails_check_a_repeated_answer(self, api, model):
        model.on("# Rule\nSecond", '{"valid": false, "feedback": "No."}', times=1)
        model.on("# Rule", '{"valid": true}').on("Do a", "x")
        id = api.queue(self.document("First", "Second"))
        assert run(id) == "completed"
        assert len(model.calls_matching("# Rule\nFirst")) == 2

    @pytest.mark.parametrize("verdict", ["I do not know", '{"valid": "yes"}'])
    def test_an_unreadable_verdict_is_a_refusal(self, api, model, verdict):
        model.on("# Rule", verdict).on("Do a", "x")
        id = api.queue(self.document("First", guardrail_max_retries=0))
        assert run(id) == "failed"
        assert api.status(id)["error"]["code"] == "guardrail-failed"

    def test_an_error_of_the_judges_model_is_not_a_refusal(self, api, model):
        model.on("# Rule", status=500).on("Do a", "x")
        id = api.queue(self.document("First"))
        assert run(id) == "retrying"
        assert api.status(id)["error"]["code"] == "model-unavailable"
        assert api.events_of(id, "guardrail_failed") == []
        assert len(model.calls) == 2

    def test_no_verdict_is_not_a_refusal(self, api, model):
        model.on("# Rule", "").on("Do a", "x")
        id = api.queue(self.document("First"))
        assert run(id) == "retrying"
        assert api.status(id)["error"]["code"] == "model-empty-answer"

    @pytest.mark.parametrize("calls", [1, 2])
    def test_its_calls_are_within_the_budget(self, api, model, calls):
        model.on("# Rule", '{"valid": true}').on("Do a", "x")
        id = api.queue(self.document("First"), max_llm_calls=calls)
        assert run(id) == ("failed" if calls == 1 else "completed")
        assert len(model.calls) == api.status(id)["usage"]["llm_calls"] == calls

    def test_a_judge_can_be_cancelled(self, app, api, model):
        release = threading.Event()
        model.on("# Rule", '{"valid": true}', hold=release).on("Do a", "x")
        id = api.queue(self.document("First"))
        with running(app, id) as outcomes:
            model.wait_for_calls(1, matching="# Rule")
            assert api("POST", f"/executions/{id}/cancel").status_code == 202
        release.set()
        assert outcomes == ["cancelled"]

    def test_a_managers_answers_are_judged_by_its_model(self, api, model):
        nodes = [
            documents.named("m", "llm", "streaming"),
            documents.agent("w"),
            documents.task("a"),
        ]
        document = documents.crew(nodes, ["m w manager", "w a"], process="hierarchical")
        model.on("# Rule", '{"valid": true}').on("Do a", "x")
        id = api.queue(documents.with_data(document, "a", guardrails=[{"text": "First"}]))
        assert run(id) == "completed"
        (judged,) = model.calls_matching("# Rule")
        assert judged.body["stream"] is True
