"""The JSON of the documentation: graphs are valid, and the one with everything runs."""

from __future__ import annotations

import json
import re
import typing as t

import pytest
from flask import Flask

from flask_crewexec import CrewExec
from flask_crewexec import GraphService
from flask_crewexec.testing import ScriptedModel
from support.api_client import Api
from support.doc_examples import Example
from support.doc_examples import examples
from support.doc_examples import examples_of
from support.in_process import run
from support.paths import ROOT

pytestmark = pytest.mark.sqlite_enough

Json = dict[str, t.Any]

HOWTO = ROOT / "docs/howto"


def register_examples(crewexec: CrewExec) -> None:
    """Register the tools, guardrails and predicates of the documentation, and the tutorial's."""
    names = {"crewexec": crewexec}
    for page in ("tools", "checks"):
        for example in examples_of(HOWTO / f"{page}.rst"):
            exec(example.text, names)  # noqa: S102  # it is ours

    @crewexec.tool("find_order")
    def find_order(order: int) -> str:
        """Find an order."""
        return ""

    @crewexec.tool("refund")
    def refund(order: int, euros: int) -> str:
        """Refund an order."""
        return ""

    crewexec.storage("uploads")(lambda reference, user_id: None)


@pytest.mark.parametrize("example", examples("json"), ids=str)
def test_a_graph_is_valid(
    example: Example, namespace: dict[str, t.Any], readme_graph: Json
) -> None:
    crewexec = namespace["crewexec"]
    register_examples(crewexec)
    crewexec.llm("default", "any", api_key="sk-example")
    document = {**readme_graph, **json.loads(example.text)}  # a part completes the README's
    report = GraphService().report(document)
    assert report["problems"] == []


class TestEverything:
    """The graph that uses every field."""

    @pytest.fixture
    def document(self, app: Flask) -> Json:
        register_examples(app.extensions["crewexec_host"])
        (example,) = (each for each in examples("json") if '"guardrails"' in each.text)
        return t.cast(Json, json.loads(example.text))

    def answer(self, model: ScriptedModel, facts: list[str]) -> None:
        model.on('"task": "facts"', '{"facts": "Look.", "page": "Compose."}')
        model.on("# Rule", '{"valid": true}')
        model.on(re.compile("Find facts.*# Plan", re.DOTALL), json.dumps({"facts": facts}))
        model.on("# Plan", "# Tea").on("", "Go.\nREADY")

    def test_it_runs(self, api: Api, model: ScriptedModel, document: Json) -> None:
        self.answer(model, ["Tea is a plant."])
        id = api.queue(document, inputs={"topic": "tea"})
        assert run(id) == "completed"
        status = api.status(id)
        assert [step["status"] for step in status["steps"]] == ["completed"] * 5
        assert status["steps"][0]["json"] == {"facts": ["Tea is a plant."]}
        assert status["result"]["raw"] == "# Tea"
        # The crew's plan, for each task one of the agent's and the answer, and a judgement.
        assert len(model.calls) == status["usage"]["llm_calls"] == 1 + 2 * 5 + 1

    def test_a_step_may_be_skipped(self, api: Api, model: ScriptedModel, document: Json) -> None:
        self.answer(model, [])
        id = api.queue(document, inputs={"topic": "tea"})
        assert run(id) == "completed"
        assert [step["status"] for step in api.status(id)["steps"]][1] == "skipped"

    def test_the_estimate_holds(self, api: Api, document: Json) -> None:
        report = api("POST", "/graphs/validate", json=document).json
        assert report["inputs"] == ["topic"]
        assert report["order"] == ["facts", "text", "title", "teaser", "page"]
        assert report["model_calls"]["lower"] == 1 + 2 * 4 + 1
