"""What users are told of the tools and models that they may use."""

from __future__ import annotations

import enum
import subprocess
import sys
import typing as t

import jsonschema
import pytest

from flask_crewexec.registry.specs import FunctionToolSpec
from flask_crewexec.registry.specs import LLMSpec
from support.api_client import problem
from support.graphs import documents
from support.host_app import host
from support.in_process import run
from support.paths import TESTS

pytestmark = pytest.mark.sqlite_enough


NOT_JSON = object()


class Size(enum.Enum):
    SMALL = "small"
    LARGE = "large"


@pytest.fixture
def registry(app):
    return app.extensions["crewexec"].registry


def tools_of(api):
    answer = api("GET", "/registry")
    assert answer.status_code == 200, answer.json
    return {tool["name"]: tool for tool in answer.json["tools"]}


def offer(registry, name, function, description="Does something."):
    registry.add_tool(FunctionToolSpec(name=name, description=description, function=function))


def test_a_tool_is_described_as_it_is_to_the_model(api):
    tool = tools_of(api)["count_words"]
    assert tool["description"] == "Count the words of a text."
    arguments = tool["arguments"]
    jsonschema.Draft202012Validator.check_schema(arguments)
    assert arguments["type"] == "object"
    assert arguments["required"] == ["text"]
    assert arguments["properties"]["text"]["type"] == "string"
    assert arguments["properties"]["at_least"]["type"] == "integer"
    assert arguments["properties"]["at_least"]["default"] == 0


def test_the_schema_names_the_arguments_that_the_engine_sends(api, model):
    model.on(reply="done")
    assert run(api.queue(documents.chain("a", tools=("count_words",)))) == "completed"
    (sent,) = model.calls[0].body["tools"]
    ours = tools_of(api)["count_words"]["arguments"]["properties"]
    theirs = sent["function"]["parameters"]["properties"]
    assert {name: value["type"] for name, value in ours.items()} == {
        name: value["type"] for name, value in theirs.items()
    }


def test_types_that_hosts_use(api, registry):
    def pick(
        size: Size,
        tags: list[str],
        count: int = 3,
        note: str | None = None,
    ) -> str:
        return ""

    offer(registry, "pick", pick, "Pick.\n\n        More of it.\n        ")
    tool = tools_of(api)["pick"]
    assert tool["description"] == "Pick.\n\nMore of it."
    check = jsonschema.Draft202012Validator(tool["arguments"])
    assert check.is_valid({"size": "small", "tags": ["x"], "count": 1, "note": None})
    assert not check.is_valid({"size": "huge", "tags": []})
    assert not check.is_valid({"size": "small", "tags": "x"})


def test_a_tool_without_arguments(api):
    assert tools_of(api)["break_down"]["arguments"]["properties"] == {}


def test_a_default_that_json_cannot_say_is_left_out(api, registry):
    def act(when: t.Any = NOT_JSON) -> str:
        return ""

    offer(registry, "act", act)
    assert "default" not in tools_of(api)["act"]["arguments"]["properties"]["when"]


def test_a_type_without_a_schema_hides_no_other_tool(api, registry, caplog):
    class Odd:
        pass

    def act(odd: Odd) -> str:
        return ""

    act.__annotations__["odd"] = Odd
    offer(registry, "act", act)
    tools = tools_of(api)
    assert tools["act"]["arguments"] is None
    assert tools["count_words"]["arguments"]
    assert "tool 'act'" in caplog.text


def test_models_have_a_name_and_a_limit_and_nothing_else(api, registry):
    secret = LLMSpec(
        name="secret",
        model="canary-model",
        provider="canary-provider",
        base_url="http://canary-host/v1",
        api_key="canary-key",
        timeout=77,
        options={"extra_headers": {"x": "canary-header"}},
        max_tokens=500,
        fallbacks=("default",),
    )
    registry.add_llm(secret)
    answer = api("GET", "/registry")
    limits = {"default": None, "own": None, "secret": 500, "streaming": None}
    shown = [{"name": name, "max_tokens": most} for name, most in limits.items()]
    assert answer.json["models"] == shown
    assert "canary" not in answer.text
    assert host.KEY not in answer.text


def test_what_is_shown_may_be_named(api):
    registry = api("GET", "/registry").json
    for tool in registry["tools"]:
        for model in registry["models"]:
            document = documents.chain("a", tools=(tool["name"],), model=model["name"])
            assert api("POST", "/graphs/validate", json=document).json["valid"]


def test_nobody_sees_it(client):
    problem(client.get("/crewexec/registry"), 401, "unauthorized")


def test_answers_as_described(api):
    schemas = api("GET", "/openapi.json").json["components"]["schemas"]
    answer = api("GET", "/registry").json
    assert answer.keys() == schemas["Registry"]["properties"].keys()
    assert answer["tools"][0].keys() == schemas["RegisteredTool"]["properties"].keys()


def test_the_web_process_does_not_import_the_engine(environment):
    code = (
        "import sys; from support.host_app import host;"
        " app = host.create_app(); client = app.test_client();"
        " assert 'pydantic' not in sys.modules, 'too early';"
        " answer = client.get('/crewexec/registry', headers={'X-User': 'ada'});"
        " assert answer.status_code == 200;"
        " sys.exit('crewai' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**environment, "PYTHONPATH": str(TESTS)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr


def test_guardrails_are_described(api):
    known = api("GET", "/registry").json["guardrails"]
    assert {"name": "no_urls", "description": "Refuses links."} in known
