"""Steps whose answers must have a form, run by the real engine."""

from __future__ import annotations

import json

import pytest

import crews
from inprocess import run

pytestmark = pytest.mark.integration

SCHEMA = {
    "type": "object",
    "properties": {"title": {"type": "string"}, "pages": {"$ref": "#/$defs/count"}},
    "required": ["title"],
    "$defs": {"count": {"type": "integer", "minimum": 1}},
}


def with_data(document, id, **data):
    """Add data to the node *id*."""
    (node,) = (node for node in document["nodes"] if node["id"] == id)
    node["data"] |= data
    return document


def events(api, id, type):
    """The data of the events of one type."""
    told = api("GET", f"/executions/{id}/events").json["events"]
    return [event["data"] for event in told if event["type"] == type]


def again(api, id):
    """Queue the execution once more, as its user may."""
    assert api("POST", f"/executions/{id}/retry").status_code == 202


class TestMarkdown:
    def test_the_model_is_asked_for_it(self, api, model):
        document = with_data(crews.chain("a", "b"), "a", markdown=True)
        assert run(api.queue(document)) == "completed"
        asked, plain = (model.calls_matching(f"Do {id}")[0].prompt for id in "ab")
        assert "Markdown" in asked
        assert "Markdown" not in plain.split("Do b")[1].split("context")[0]


class TestOutputSchema:
    def document(self, **data):
        return with_data(crews.chain("a", "b"), "a", output_schema=SCHEMA, **data)

    def test_the_model_is_told_and_the_object_is_kept(self, api, model):
        model.on("Do b", "done").on("Do a", 'Here: ```json\n{"title": "Tea"}\n```')
        id = api.queue(self.document())
        assert run(id) == "completed"
        assert json.dumps(SCHEMA, sort_keys=True) in model.calls_matching("Do a")[0].prompt
        first, second = api.status(id)["steps"]
        assert (first["json"], second["json"]) == ({"title": "Tea"}, None)
        assert json.loads(first["output"]) == {"title": "Tea"}
        assert '{"title": "Tea"}' in model.calls_matching("Do b")[0].prompt
        assert len(model.calls) == 2

    def test_of_the_last_task_it_is_in_the_result(self, api, model):
        model.on("Do a", '{"title": "Tea", "pages": 2}')
        id = api.queue(with_data(crews.chain("a"), "a", output_schema=SCHEMA))
        assert run(id) == "completed"
        assert api.status(id)["result"]["json"] == {"title": "Tea", "pages": 2}

    def test_it_is_known_after_a_retry(self, api, model):
        model.on("Do b", status=400, times=1).on("Do b", "done")
        model.on("Do a", '{"title": "Tea"}')
        id = api.queue(self.document())
        assert run(id) == "failed"
        again(api, id)
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
    def test_another_answer_is_refused_and_made_anew(self, api, model, answer, reason):
        model.on("Previous attempt", '{"title": "Tea"}').on("Do a", answer)
        id = api.queue(with_data(crews.chain("a"), "a", output_schema=SCHEMA))
        assert run(id) == "completed"
        assert api.status(id)["result"]["json"] == {"title": "Tea"}
        (event,) = events(api, id, "guardrail_refused")
        assert (event["step"], event["guardrail"]) == ("a", "output_schema")
        assert reason in event["reason"]
        assert len(model.calls) == api.status(id)["usage"]["llm_calls"] == 2
        assert event["reason"] in model.calls[1].prompt

    def test_what_is_made_anew_knows_what_the_step_has_read(self, api, model):
        model.on("Previous attempt", '{"title": "Tea"}').on("Do b", "no")
        model.on("Do a", "ALPHA")
        document = with_data(crews.chain("a", "b"), "b", output_schema=SCHEMA)
        assert run(api.queue(document)) == "completed"
        assert "ALPHA" in model.calls_matching("Previous attempt")[0].prompt

    def test_too_many_wrong_answers_end_the_execution_for_good(self, api, model):
        model.on("Do a", "no")
        id = api.queue(self.document(guardrail_max_retries=2))
        assert run(id) == "failed"
        error = api.status(id)["error"]
        assert (error["code"], error["step"]) == ("guardrail-refused", "a")
        assert len(model.calls) == 3
