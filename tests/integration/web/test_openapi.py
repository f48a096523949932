"""The description of the routes."""

from __future__ import annotations

import re

import pytest
from openapi_spec_validator import OpenAPIV31SpecValidator

from support.graphs import documents

pytestmark = [pytest.mark.sqlite_enough, pytest.mark.libraries]


@pytest.fixture
def document(api):
    return api("GET", "/openapi.json").json


def test_is_valid_openapi_3_1(document):
    OpenAPIV31SpecValidator(document).validate()
    assert document["openapi"].startswith("3.1")


def test_describes_every_route(app, document):
    described = {
        (path, method.upper())
        for path, operations in document["paths"].items()
        for method in operations
    }
    routes = set()
    for rule in app.url_map.iter_rules():
        if rule.endpoint.startswith("crewexec.") and ".client." not in rule.endpoint:
            path = rule.rule.replace("<", "{").replace(">", "}")
            routes |= {(path, method) for method in rule.methods - {"HEAD", "OPTIONS"}}
    assert described == routes


def test_every_operation_has_a_summary_and_an_id_of_its_own(document):
    operations = [o for path in document["paths"].values() for o in path.values()]
    assert all(operation["summary"] for operation in operations)
    ids = [operation["operationId"] for operation in operations]
    assert len(set(ids)) == len(ids)


def test_every_property_and_parameter_is_explained(document):
    explained = {
        (name, key): "description" in value
        for name, schema in document["components"]["schemas"].items()
        for key, value in schema["properties"].items()
    }
    explained |= {
        (path, parameter["name"]): "description" in parameter
        for path, operations in document["paths"].items()
        for operation in operations.values()
        for parameter in operation["parameters"]
    }
    assert [place for place, is_explained in explained.items() if not is_explained] == []


def test_an_answer_has_the_fields_that_are_described(api, document):
    id = api.queue(documents.chain("a"))
    described = document["components"]["schemas"]["ExecutionStatus"]["properties"]
    assert api.status(id).keys() == described.keys()


def test_every_operation_says_how_it_answers_when_all_is_well(document):
    for path in document["paths"].values():
        for operation in path.values():
            assert any(status.startswith("2") for status in operation["responses"])


def test_bodies_are_needed_where_they_say_something(document):
    needed = {
        operation["operationId"]: operation["requestBody"]["required"]
        for path in document["paths"].values()
        for operation in path.values()
        if "requestBody" in operation
    }
    optional = {id for id, is_needed in needed.items() if not is_needed}
    assert optional == {
        "cancel_execution",
        "retry_execution",
        "copy_graph",
        "change_webhook",
        "rotate_webhook_secret",
    }
    assert {"create_graph", "import_graph", "queue_execution"} <= needed.keys()


@pytest.mark.parametrize("path", ["/graphs", "/graphs/validate", "/graphs/import"])
def test_examples_are_valid(api, document, path):
    body = document["paths"][f"/crewexec{path}"]["post"]["requestBody"]
    answer = api("POST", path, json=body["content"]["application/json"]["example"])
    assert answer.status_code in (200, 201), answer.json
    assert answer.json.get("valid", True)


@pytest.mark.parametrize(
    ("path", "media"),
    [
        ("/executions/{execution_id}/events", {"application/json", "text/event-stream"}),
        ("/graphs/{graph_id}/export", {"application/json", "application/zip"}),
        ("/metrics", {"text/plain", "application/openmetrics-text"}),
        ("/openapi.json", {"application/json"}),
    ],
)
def test_every_kind_of_response_is_described(document, path, media):
    assert (
        document["paths"][f"/crewexec{path}"]["get"]["responses"]["200"]["content"].keys() == media
    )


@pytest.mark.parametrize("day", ["1999-12-31", "2000-01-01", "2999-12-31", "3000-01-01"])
def test_the_pattern_of_days_is_what_is_checked(api, document, day):
    parameters = document["paths"]["/crewexec/usage"]["get"]["parameters"]
    (since,) = [each["schema"] for each in parameters if each["name"] == "since"]
    status = api("GET", f"/usage?since={day}&until={day}").status_code
    assert (status == 200) == bool(re.search(since["pattern"], day))


@pytest.mark.parametrize(
    ("method", "path", "headers"),
    [
        ("post", "/executions", {"Idempotency-Key", "Prefer"}),
        ("get", "/executions/{execution_id}", {"Prefer"}),
        ("get", "/executions/{execution_id}/events", {"Last-Event-ID"}),
        ("put", "/graphs/{graph_id}", {"If-Match"}),
    ],
)
def test_every_header_that_is_read_is_described(document, method, path, headers):
    parameters = document["paths"][f"/crewexec{path}"][method]["parameters"]
    assert {each["name"] for each in parameters if each["in"] == "header"} == headers
