"""Conditional steps, with the real engine."""

from __future__ import annotations

import pytest

from flask_crewexec.registry.specs import PredicateSpec
from support.graphs import documents
from support.in_process import run

pytestmark = pytest.mark.libraries


def document(*, after=(), **data):
    return documents.with_data(documents.chain("a", "b", *after), "b", condition="is_long", **data)


def statuses(api, id):
    return [step["status"] for step in api.status(id)["steps"]]


@pytest.fixture
def asked(app):
    """What a predicate ``ask`` was asked; it says what the test puts into ``answers``."""
    told = Asked()
    spec = PredicateSpec(name="ask", description="x", function=told)
    app.extensions["crewexec"].registry.add_predicate(spec)
    return told


class Asked(list):
    answer: object = True

    def __call__(self, text, json):
        self.append((text, json))
        return self.answer


class TestSkipping:
    def test_a_step_is_done_if_its_condition_is_met(self, api, model):
        model.on("Do b", "done").on("Do a", "a long answer")
        id = api.queue(document())
        assert run(id) == "completed"
        assert statuses(api, id) == ["completed", "completed"]
        assert api.events_of(id, "condition_met") == [{"step": "b", "condition": "is_long"}]
        assert api.status(id)["result"]["raw"] == "done"

    def test_a_step_is_skipped_if_its_condition_is_not_met(self, api, model):
        model.on("Do a", "short")
        id = api.queue(document())
        assert run(id) == "completed"
        status = api.status(id)
        assert statuses(api, id) == ["completed", "skipped"]
        assert status["progress"]["finished_steps"] == status["progress"]["total_steps"] == 2
        assert status["progress"]["fraction"] == 1
        assert api.events_of(id, "step_skipped") == [{"step": "b", "condition": "is_long"}]
        assert status["result"]["raw"] == "short"
        assert status["steps"][1]["output"] == ""
        assert status["steps"][1]["finished_at"]
        assert len(model.calls) == 1

    def test_later_steps_continue_after_a_skipped_one(self, api, model):
        model.on("Do c", "END").on("Do a", "short")
        id = api.queue(document(after=["c"]))
        assert run(id) == "completed"
        assert statuses(api, id) == ["completed", "skipped", "completed"]
        assert api.status(id)["progress"]["finished_steps"] == 3

    def test_the_predicate_receives_text_and_json(self, api, model, asked):
        model.on("Do a", 'So: {"n": 1}')
        chain = documents.with_data(
            documents.chain("a", "b"), "a", output_schema={"type": "object"}
        )
        assert run(api.queue(documents.with_data(chain, "b", condition="ask"))) == "completed"
        assert asked == [('{"n": 1}', {"n": 1})]

    def test_the_predicate_must_return_a_bool(self, api, model, asked):
        asked.answer = "perhaps"
        id = api.queue(documents.with_data(documents.chain("a", "b"), "b", condition="ask"))
        assert run(id) == "failed"
        assert api.status(id)["error"]["code"] == "crew-failed"
        assert len(model.calls) == 1

    def test_a_predicate_that_is_not_registered_any_more(self, app, api, model):
        id = api.queue(document())
        del app.extensions["crewexec"].registry.predicates["is_long"]
        assert run(id) == "retrying"
        assert api.status(id)["error"]["code"] == "not-registered"
        assert model.calls == ()


class TestEarlierDecisions:
    @pytest.mark.parametrize("met", [True, False])
    def test_a_decision_is_not_repeated(self, api, model, asked, met):
        asked.answer = met
        failing = "Do b" if met else "Do c"
        model.on(failing, status=400, times=1)
        chain = documents.with_data(documents.chain("a", "b", "c"), "b", condition="ask")
        id = api.queue(chain)
        assert run(id) == "failed"
        asked.answer = not met
        api.again(id)
        assert run(id) == "completed"
        assert len(asked) == 1
        assert statuses(api, id)[1] == ("completed" if met else "skipped")
        assert api.status(id)["progress"]["finished_steps"] == 3
        assert len(model.calls) == (4 if met else 3)
