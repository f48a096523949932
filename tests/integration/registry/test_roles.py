"""Tools and models that are for some users only, and what graphs may ask of models."""

from __future__ import annotations

import dataclasses
import json
import typing as t

import pytest

from flask_crewexec import AsyncExecutionService
from flask_crewexec import GraphService
from flask_crewexec.errors import InvalidGraph
from flask_crewexec.testing import Rule
from support.api_client import Api
from support.api_client import problem
from support.graphs import documents
from support.in_process import run

pytestmark = pytest.mark.sqlite_enough

WITH_TOOL = documents.chain("a", tools=("pay",))
WITH_MODEL = documents.chain("a", model="strong")


class WithRoles(Api):
    roles = "writer payer"

    def __call__(self, method, path, **options):
        headers = {"X-Roles": self.roles, **options.pop("headers", {})}
        return super().__call__(method, path, headers=headers, **options)


@pytest.fixture(autouse=True)
def offered(app, model):
    crewexec = app.extensions["crewexec_host"]
    crewexec.tool("pay", description="Pay.", roles={"payer", "boss"})(lambda: "paid")
    options = {"base_url": model.base_url, "api_key": model.key}
    crewexec.llm("strong", "strong-model", roles=["payer"], max_tokens=100, **options)


@pytest.fixture
def payer(client):
    return WithRoles(client, "ada")


def names(api, kind):
    return {each["name"] for each in api("GET", "/registry").json[kind]}


def test_users_are_shown_what_they_may_use(api, payer):
    assert names(payer, "tools") - names(api, "tools") == {"pay"}
    assert names(payer, "models") - names(api, "models") == {"strong"}


@pytest.mark.parametrize(
    ("document", "code"), [(WITH_TOOL, "tool-not-allowed"), (WITH_MODEL, "model-not-allowed")]
)
class TestGraphs:
    def test_others_are_refused(self, api, document, code):
        for answer in (
            api("POST", "/graphs", json=document),
            api("PUT", f"/graphs/{api.graph(documents.chain('a'))}", json=document),
            api(
                "POST",
                "/graphs/import",
                json={"format": "reactflow", "files": {"flow.json": json.dumps(document)}},
            ),
        ):
            (found,) = problem(answer, 422, "invalid-graph")["errors"]
            assert found["code"] == code

    def test_validation_says_where_and_what_instead(self, api, payer, document, code):
        (found,) = api("POST", "/graphs/validate", json=document).json["problems"]
        index = len(document["nodes"]) - 1
        assert (found["pointer"], found["code"]) == (f"/nodes/{index}/data/name", code)
        kind = code.partition("-")[0]
        assert found["hint"].split(" are ")[0].endswith(f"The {kind}s")
        wrong = document["nodes"][-1]["data"]["name"]
        assert f'"{wrong}"' not in found["hint"]
        assert payer("POST", "/graphs/validate", json=document).json["valid"]

    def test_the_roles_at_queueing_count(self, api, payer, document, code):
        id = payer.graph(document)
        for query in ("", "/preview"):
            answer = api("POST", f"/executions{query}", json={"graph_id": id})
            (found,) = problem(answer, 422, "invalid-graph")["errors"]
            assert found["code"] == code
        assert payer("POST", "/executions", json={"graph_id": id}).status_code == 202

    def test_trying_again_looks_at_them_again(self, api, payer, admin, model, document, code):
        model.add(Rule(status=400, times=2))
        id = payer.queue(document)
        assert run(id) == "failed"
        (found,) = problem(api("POST", f"/executions/{id}/retry"), 422, "invalid-graph")["errors"]
        assert found["code"] == code
        assert payer("POST", f"/executions/{id}/retry").status_code == 202
        assert run(id) == "failed"
        assert admin("POST", f"/executions/{id}/retry").status_code == 202

    def test_copies(self, api, payer, document, code):
        id = payer.graph(document)
        (found,) = problem(api("POST", f"/graphs/{id}/copy"), 422, "invalid-graph")["errors"]
        assert found["code"] == code
        assert payer("POST", f"/graphs/{id}/copy").status_code == 201

    def test_from_python(self, app, document, code):
        graph = GraphService().create(document, "ada").graph
        service = AsyncExecutionService()
        with pytest.raises(InvalidGraph) as caught:
            service.queue_execution(graph.id, None, "ada")
        assert caught.value.problems[0].code == code
        with pytest.raises(InvalidGraph):
            GraphService().create(document, "ada", roles={"writer"})
        assert service.queue_execution(graph.id, None, "ada", roles={"payer"})


def test_imports_find_what_the_user_may_use(api, payer):
    crew: dict[str, t.Any] = {
        "agents": {"a": {"role": "A", "goal": "G", "llm": "openai/strong-model"}},
        "tasks": [],
    }
    crew["tasks"] = [{"description": "Do it", "expected_output": "text", "agent": "a"}]
    order = {"format": "crewai", "files": {"crew.jsonc": json.dumps(crew)}}
    found = payer("POST", "/graphs/import", json=order).json
    assert [
        node["data"]["name"] for node in found["document"]["nodes"] if node["type"] == "llm"
    ] == ["strong"]
    answer = api("POST", "/graphs/import", json=order)
    (note,) = answer.json["notes"]
    assert (answer.status_code, note["code"]) == (201, "model-replaced")
    assert '"strong"' not in note["detail"]


def test_what_nobody_registered_is_still_unknown(api):
    document = documents.chain("a", tools=("pray",))
    (found,) = api("POST", "/graphs/validate", json=document).json["problems"]
    assert found["code"] == "unknown-tool"
    assert "pay" not in found["hint"]
    assert "pay" not in found["detail"]


def test_a_default_model_for_some(app, api, payer):
    registry = app.extensions["crewexec"].registry
    registry.llms["default"] = dataclasses.replace(
        registry.llms["default"], roles=frozenset({"payer"})
    )
    (found,) = api("POST", "/graphs/validate", json=documents.chain("a")).json["problems"]
    assert (found["pointer"], found["code"]) == ("/nodes/0", "model-not-allowed")
    assert "An edge from an llm" in found["hint"]
    assert payer("POST", "/graphs/validate", json=documents.chain("a")).json["valid"]


class TestTokens:
    def asking(self, most):
        document = documents.chain("a", model="strong")
        document["nodes"][-1]["data"]["max_tokens"] = most
        return document

    def test_a_graph_may_not_ask_for_more(self, payer):
        answer = payer("POST", "/graphs/validate", json=self.asking(101)).json
        (found,) = answer["problems"]
        assert found["pointer"] == "/nodes/2/data/max_tokens"
        assert found["code"] == "above-model-limit"
        assert "at most 100" in found["detail"]
        assert 'A smaller "max_tokens"' in found["hint"]

    @pytest.mark.parametrize(("asked", "sent"), [(100, 100), (7, 7), (None, 100)])
    def test_what_is_asked_for_reaches_the_model(self, payer, model, asked, sent):
        document = self.asking(asked)
        if asked is None:
            del document["nodes"][-1]["data"]["max_tokens"]
        assert run(payer.queue(document)) == "completed"
        assert model.calls[0].body["max_tokens"] == sent

    def test_a_limit_that_was_lowered_later_holds(self, app, payer, model):
        id = payer.queue(self.asking(100))
        registry = app.extensions["crewexec"].registry
        registry.llms["strong"] = dataclasses.replace(registry.llms["strong"], max_tokens=5)
        assert run(id) == "completed"
        assert model.calls[0].body["max_tokens"] == 5
