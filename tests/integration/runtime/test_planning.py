"""Plans of crews and of agents, with the real engine."""

from __future__ import annotations

import json

import pytest

from flask_crewexec import clock
from support.graphs import documents
from support.in_process import run

pytestmark = pytest.mark.libraries

CREW = "the work of a crew"
TASK = "you write a short plan"


@pytest.fixture
def asked(model):
    """Return the calls whose system message has a text."""

    def find(text):
        return [call for call in model.calls if text in call.body["messages"][0]["content"]]

    return find


class TestReasoning:
    def document(self, **data):
        return documents.with_data(documents.chain("a", "b"), "writer", reasoning=True, **data)

    def test_the_plan_is_part_of_the_prompt(self, api, model, asked):
        model.on("# Plan", "done")
        model.on("Do b", "Say B.\nREADY").on("Do a", "Say A.\nREADY")
        id = api.queue(self.document(goal="Speak of {topic}"), inputs={"topic": "tea"})
        assert run(id) == "completed"
        first, second = asked(TASK)
        assert "Speak of tea" in first.body["messages"][0]["content"]
        assert "done" in second.prompt
        did = model.calls_matching("# Plan")
        assert ["Say A." in did[0].prompt, "Say B." in did[1].prompt] == [True, True]
        assert "READY" not in did[0].prompt
        steps = api.status(id)["steps"]
        assert [step["usage"]["llm_calls"] for step in steps] == [2, 2]
        assert len(model.calls) == 4

    def test_the_number_of_reasoning_attempts_is_limited(self, api, model, asked):
        model.on("# Plan\nNot", "done").on("Do a", "Not yet.")
        document = self.document(max_reasoning_attempts=2)
        assert run(api.queue(document)) == "completed"
        assert len(asked(TASK)) == 4
        assert "# Your plan so far" in asked(TASK)[1].prompt

    def test_an_error_of_the_model_fails_the_attempt(self, api, model):
        model.on(status=500, times=1)
        id = api.queue(self.document())
        assert run(id) == "retrying"
        assert api.status(id)["error"]["step"] == "a"
        assert len(model.calls) == 1

    def test_its_calls_are_within_the_budget(self, api, model):
        model.on("Do a", "Not yet.")
        id = api.queue(self.document(), max_llm_calls=2)
        assert run(id) == "failed"
        assert api.status(id)["error"]["code"] == "budget-exhausted"
        assert len(model.calls) == 2

    def test_a_manager_reasons(self, api, model, asked):
        nodes = [documents.agent("boss", reasoning=True), documents.agent("w"), documents.task("a")]
        document = documents.crew(nodes, ["boss w manager", "w a"], process="hierarchical")
        model.on("# Plan", "done").on("Do a", "Go.\nREADY")
        assert run(api.queue(document)) == "completed"
        assert len(asked(TASK)) == 1


class TestPlanning:
    PLANS = json.dumps({"a": "Say A.", "b": "Say B."})

    def document(self, **top):
        nodes = [
            documents.agent("writer"),
            documents.task("a", "Do a about {topic}"),
            documents.task("b"),
        ]
        edges = ["writer a", "writer b", "a b"]
        return {**documents.crew(nodes, edges), "planning": True, **top}

    def test_each_prompt_contains_the_plan_of_its_task(self, api, model, asked):
        model.on('"task": "a"', f"Well: {self.PLANS}").on("Do", "done")
        id = api.queue(self.document(), inputs={"topic": "tea"})
        assert run(id) == "completed"
        (call,) = asked(CREW)
        assert "Do a about tea" in call.prompt
        first, second = model.calls[1:]
        assert ("Say A." in first.prompt, "Say B." in first.prompt) == (True, False)
        assert "Say B." in second.prompt
        assert api.status(id)["usage"]["llm_calls"] == len(model.calls) == 3
        assert api.events_of(id, "crew_planned") == [{"plans": json.loads(self.PLANS)}]

    def test_an_undivided_plan_is_used_for_all_tasks(self, api, model):
        model.on('"task": "a"', "Just do it.").on("Do", "done")
        assert run(api.queue(self.document(), inputs={"topic": "tea"})) == "completed"
        assert ["Just do it." in call.prompt for call in model.calls[1:]] == [True, True]

    def test_the_graph_names_the_model(self, api, model):
        document = self.document(planning_model="streaming")
        assert run(api.queue(document, inputs={"topic": "tea"})) == "completed"
        assert [call.body.get("stream") for call in model.calls] == [True, None, None]

    def test_a_plan_is_not_made_twice(self, api, model, asked):
        model.on('"task": "a"', self.PLANS)
        model.on("Do b", status=400, times=1).on("Do", "done")
        id = api.queue(self.document(), inputs={"topic": "tea"})
        assert run(id) == "failed"
        api.again(id)
        assert run(id) == "completed"
        assert len(asked(CREW)) == 1
        assert "Say B." in model.calls[-1].prompt
        assert len(model.calls) == 4

    def test_an_error_of_the_planner_fails_the_attempt(self, api, model):
        model.on(status=500)
        id = api.queue(self.document(), inputs={"topic": "tea"})
        assert run(id) == "retrying"
        assert len(model.calls) == 1


def test_the_date_is_part_of_the_prompt(api, model):
    document = documents.with_data(documents.chain("a"), "writer", inject_date=True)
    assert run(api.queue(document)) == "completed"
    assert f"{clock.now():%Y-%m-}" in str(model.calls[0].body["messages"])
