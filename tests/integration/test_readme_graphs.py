"""The graphs that the README shows."""

from __future__ import annotations

import json
import re
import textwrap
from pathlib import Path

import pytest

from flask_crewexec.registry.specs import GuardrailSpec
from flask_crewexec.registry.specs import PredicateSpec
from support.in_process import run

pytestmark = pytest.mark.integration

README = Path(__file__).parents[2] / "README.rst"
BLOCK = re.compile(r"\.\. code-block:: (\w+)\n\n((?:    .*\n|\n)+)")


def blocks(language, word):
    """The blocks of code that hold a word."""
    found = BLOCK.findall(README.read_text())
    return [textwrap.dedent(text) for kind, text in found if kind == language and word in text]


@pytest.fixture
def registered(app):
    """Runs the README's own functions."""

    class Recorder:
        def guardrail(self, name):
            return lambda function: registry.add_guardrail(
                GuardrailSpec(name=name, description=function.__doc__, function=function)
            )

        def predicate(self, name):
            return lambda function: registry.add_predicate(
                PredicateSpec(name=name, description=function.__doc__, function=function)
            )

    registry = app.extensions["crewexec"].registry
    (code,) = blocks("python", "@crewexec.guardrail")
    exec(code, {"crewexec": Recorder()})  # noqa: S102  # it is ours


@pytest.fixture
def document(registered):
    (text,) = blocks("json", '"guardrails"')
    return json.loads(text)


def answer(model, facts):
    model.on('"task": "facts"', '{"facts": "Look.", "page": "Compose."}')
    model.on("# Rule", '{"valid": true}')
    model.on(re.compile("Find facts.*# Plan", re.DOTALL), json.dumps({"facts": facts}))
    model.on("# Plan", "# Tea").on("", "Go.\nREADY")


def test_all_of_it_runs(api, model, document):
    answer(model, ["Tea is a plant."])
    id = api.queue(document, inputs={"topic": "tea"})
    assert run(id) == "completed"
    status = api.status(id)
    assert [step["status"] for step in status["steps"]] == ["completed"] * 5
    assert status["steps"][0]["json"] == {"facts": ["Tea is a plant."]}
    assert status["result"]["raw"] == "# Tea"
    # The crew's plan, for each task one of the agent's and the answer, and a judgement.
    assert len(model.calls) == status["usage"]["llm_calls"] == 1 + 2 * 5 + 1


def test_a_step_of_it_may_be_skipped(api, model, document):
    answer(model, [])
    id = api.queue(document, inputs={"topic": "tea"})
    assert run(id) == "completed"
    assert [step["status"] for step in api.status(id)["steps"]][1] == "skipped"


def test_the_estimate_holds(api, model, document):
    told = api("POST", "/graphs/validate", json=document).json
    assert told["inputs"] == ["topic"]
    assert told["order"] == ["facts", "text", "title", "teaser", "page"]
    assert told["model_calls"]["lower"] == 1 + 2 * 4 + 1


def test_the_small_one_is_valid(api, app, document):
    (text,) = blocks("json", '"find_orders"')
    small = json.loads(text)
    small["nodes"][-1]["data"]["name"] = "say"  # the README's is the reader's
    assert api("POST", "/graphs/validate", json=small).json["problems"] == []
