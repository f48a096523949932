"""Crews from elsewhere run here, whatever format they came in."""

from __future__ import annotations

import pytest

from flask_crewexec.graphs.importers import FORMATS
from support.graphs.crew_fixtures import document_of
from support.graphs.crew_fixtures import files_of
from support.graphs.crew_fixtures import MODELS
from support.graphs.crew_fixtures import options_of
from support.in_process import run

pytestmark = [
    pytest.mark.sqlite_enough,
    pytest.mark.parametrize("format", FORMATS),
]


def queue(api, crew, format, **inputs):
    body = {"format": format, "files": files_of(crew, format), "models": MODELS}
    stored = api("POST", "/graphs/import", json={**body, **options_of(crew, format)})
    assert stored.status_code == 201, stored.json
    order = {"graph_id": stored.json["id"], "inputs": inputs}
    answer = api("POST", "/executions", json=order)
    assert answer.status_code == 202, answer.json
    return answer.json["id"]


def test_three_agents_hand_on_what_they_have(api, model, format):
    model.on("Find five places near Rome", "Ostia and Tivoli")
    model.on("Order them by train", "Ostia first")
    model.on("Write it for Ann", "Dear Ann")
    id = queue(api, "trip", format, city="Rome", reader="Ann")
    assert run(id) == "completed"
    steps = api.status(id)["steps"]
    assert [step["output"] for step in steps] == ["Ostia and Tivoli", "Ostia first", "Dear Ann"]
    assert [step["agent"] for step in steps] == ["Scout", "Planner", "Guide"]
    (first, second, third) = model.calls
    assert "Ostia and Tivoli" not in first.prompt
    assert "Ostia and Tivoli" in second.prompt
    assert "Ostia and Tivoli" in third.prompt
    assert "Ostia first" in third.prompt


def test_an_agent_uses_its_tools(api, model, format):
    model.on("Collect the orders", tool=("count_words", {"text": "a b c"}), after_tool=False)
    model.on("Collect the orders", "Three words")
    model.on("Check the table", "It is right")
    model.on(after_tool=True, reply="Three words")
    id = queue(api, "orders", format, customer="Ann")
    assert run(id) == "completed"
    assert [step["output"] for step in api.status(id)["steps"]] == ["Three words", "It is right"]
    (first, second, third) = model.calls
    assert {"count_words", "say"} <= {tool["function"]["name"] for tool in first.body["tools"]}
    assert second.body["messages"][-1]["content"] == "3"
    assert "Three words" in third.prompt


def test_a_manager_on_a_model_of_its_own(api, model, format):
    model.on("Decide about tea", "Yes")
    id = queue(api, "board", format, question="tea")
    assert run(id) == "completed"
    assert api.status(id)["result"]["raw"] == "Yes"
    (call,) = model.calls
    assert call.body["stream"] is True  # the model that is called "streaming" here
    said = document_of("board")["nodes"][-1]["data"]["temperature"]
    known = format in ("crewai", "reactflow", "langflow")
    assert call.body.get("temperature") == (said if known else None)
