"""The description of the routes."""

from __future__ import annotations

import json
import re

import pytest
from jsonschema import Draft202012Validator
from jsonschema import FormatChecker
from openapi_spec_validator import OpenAPIV31SpecValidator

from flask_crewexec.graphs import PROBLEM_CODES
from flask_crewexec.schemas import EVENT_TYPES
from flask_crewexec.schemas import FAILURE_CODES
from flask_crewexec.statuses import ExecutionStatus
from flask_crewexec.web.error_codes import ERROR_CODES
from support.api_client import problem
from support.described_answers import check_described
from support.graphs import documents

pytestmark = [pytest.mark.sqlite_enough, pytest.mark.libraries]


@pytest.fixture
def document(api):
    return api("GET", "/openapi.json").json


def operations(document):
    return [o for path in document["paths"].values() for o in path.values()]


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
        if re.match(r"crewexec\.(?!client\.|unknown$)", rule.endpoint):
            path = rule.rule.replace("<", "{").replace(">", "}")
            routes |= {(path, method) for method in rule.methods - {"HEAD", "OPTIONS"}}
    assert described == routes


def test_every_operation_has_a_summary_and_an_id_of_its_own(document):
    assert all(operation["summary"] for operation in operations(document))
    ids = [operation["operationId"] for operation in operations(document)]
    assert len(set(ids)) == len(ids)


def test_every_property_and_parameter_is_explained(document):
    explained = {
        (name, key): "description" in value
        for name, schema in document["components"]["schemas"].items()
        for key, value in schema.get("properties", {}).items()
    }
    explained |= {
        (path, parameter["name"]): "description" in parameter
        for path, operations in document["paths"].items()
        for operation in operations.values()
        for parameter in operation["parameters"]
    }
    assert [place for place, is_explained in explained.items() if not is_explained] == []


def named_in(part):
    """The names of the schemas that a part of the document refers to."""
    return set(re.findall(r"#/components/schemas/(\w+)", str(part)))


def objects_of_answers(document):
    """The names of the objects in answers, those within others included."""
    schemas = document["components"]["schemas"]
    found: set[str] = set()
    waiting = [document["components"]["responses"]]
    waiting += [operation["responses"] for operation in operations(document)]
    while waiting:
        new = named_in(waiting.pop()) - found
        found |= new
        waiting += [schemas[name] for name in new]
    return {name for name in found if "properties" in schemas[name]}


def test_what_answers_always_have_is_required(document):
    schemas = document["components"]["schemas"]
    without = {name for name in objects_of_answers(document) if "required" not in schemas[name]}
    assert without == {"AnswerContent"}


def test_no_object_is_for_requests_and_answers(document):
    taken = named_in([each.get("requestBody") for each in operations(document)])
    assert taken
    assert taken.isdisjoint(objects_of_answers(document))


def test_enumerations_have_one_name_each(document):
    schemas = document["components"]["schemas"]
    named = {str(each["enum"]): name for name, each in schemas.items() if "enum" in each}
    assert named[str([*map(str, ExecutionStatus)])] == "ExecutionStatus"
    within = str([each.get("properties") for each in schemas.values()])
    assert named.keys().isdisjoint(re.findall(r"'enum': (\[[^]]*\])", within))


def test_every_type_of_event_is_described(document):
    schemas = document["components"]["schemas"]
    mapping = schemas["Event"]["discriminator"]["mapping"]
    assert mapping.keys() == EVENT_TYPES.keys()
    for type, reference in mapping.items():
        described = schemas[reference.rpartition("/")[2]]["properties"]
        assert described["type"]["const"] == type
        assert described["data"].get("properties", {}).keys() == EVENT_TYPES[type].fields.keys()


@pytest.mark.parametrize(
    ("name", "codes"),
    [
        ("ErrorCode", {*ERROR_CODES, "method-not-allowed"}),
        ("ProblemCode", {*PROBLEM_CODES, "invalid-field"}),
        ("FailureCode", {*FAILURE_CODES}),
    ],
)
def test_every_code_is_listed(document, name, codes):
    assert codes <= set(document["components"]["schemas"][name]["enum"])


def test_every_operation_has_a_tag_that_is_explained(document):
    explained = {tag["name"] for tag in document["tags"] if tag["description"]}
    assert {tag for operation in operations(document) for tag in operation["tags"]} == explained


def test_what_needs_no_user_says_so(document):
    public = {o["operationId"] for o in operations(document) if o.get("security") == []}
    assert public == {"live", "ready", "openapi"}
    assert document["security"] == [{"bearer": []}]
    assert document["components"]["securitySchemes"]["bearer"]["scheme"] == "bearer"


@pytest.mark.settings(METRICS_TOKEN="a token of sixteen characters", ALLOW_ANONYMOUS=True)
def test_scrapers_and_anonymous_users_are_described(document):
    assert document["security"] == [{"bearer": []}, {}]
    metrics = document["paths"]["/crewexec/metrics"]["get"]["security"]
    assert metrics == [*document["security"], {"metricsToken": []}]


SESSION = {"type": "apiKey", "in": "cookie", "name": "session"}


@pytest.mark.settings(
    SECURITY_SCHEMES={"session": SESSION, "login": {"type": "http", "scheme": "basic"}}
)
def test_the_host_says_how_users_sign_in(client, document):
    assert document["components"]["securitySchemes"]["session"] == SESSION
    challenges = client.get("/crewexec/executions").headers.getlist("WWW-Authenticate")
    assert challenges == ['Basic realm="crewexec"']


def test_nobody_needs_to_sign_in_to_read_it(client):
    answer = client.get("/crewexec/openapi.json", environ_overrides={"SCRIPT_NAME": "/shop"})
    assert answer.json["servers"] == [{"url": "/shop"}]


@pytest.mark.settings(PUBLIC_OPENAPI=False)
def test_the_host_may_want_an_identity(api, client):
    problem(client.get("/crewexec/openapi.json"), 401, "unauthorized")
    assert (
        "security" not in api("GET", "/openapi.json").json["paths"]["/crewexec/openapi.json"]["get"]
    )


def test_the_command_prints_the_same(app, document, tmp_path):
    runner = app.test_cli_runner()
    assert json.loads(runner.invoke(args=["crewexec", "openapi"]).stdout) == document
    file, url = tmp_path / "openapi.json", "https://example.com/shop"
    runner.invoke(args=["crewexec", "openapi", "--output", str(file), "--server", url])
    assert json.loads(file.read_text()) == {**document, "servers": [{"url": url}]}


def test_an_answer_has_the_fields_that_are_described(api, document):
    id = api.queue(documents.chain("a"))
    described = document["components"]["schemas"]["WholeExecution"]["properties"]
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
        "fork_execution",
        "cancel_execution",
        "retry_execution",
        "copy_graph",
        "change_webhook",
        "rotate_webhook_secret",
        "pause_queue",
        "drain_worker",
    }
    assert {"create_graph", "import_graph", "queue_execution"} <= needed.keys()


def test_every_body_has_an_example_that_fits(document):
    bodies = [each["requestBody"] for each in operations(document) if "requestBody" in each]
    assert bodies
    for body in bodies:
        content = body["content"]["application/json"]
        schema = {**content["schema"], "components": document["components"]}
        Draft202012Validator(schema, format_checker=FormatChecker()).validate(content["example"])


@pytest.mark.settings(WEBHOOKS=True)
def test_every_answer_has_an_example(document):
    del document["paths"]["/crewexec/openapi.json"]
    for operation in operations(document):
        for status, answer in operation["responses"].items():
            content = answer.get("content", {}).get("application/json")
            if content and status.startswith("2"):
                name = content["schema"]["$ref"].rpartition("/")[2]
                expected = {name: {"$ref": f"#/components/examples/{name}"}}
                assert content.get("examples") == expected, operation["operationId"]


@pytest.mark.settings(WEBHOOKS=True)
def test_every_example_of_an_answer_fits(app, document):
    examples = document["components"]["examples"]
    assert len(examples) > 20
    for name, example in examples.items():
        check_described(app, name, example["value"], "example")


@pytest.mark.parametrize("path", ["/graphs", "/graphs/validate", "/graphs/import"])
def test_examples_of_graphs_are_valid(api, document, path):
    body = document["paths"][f"/crewexec{path}"]["post"]["requestBody"]
    answer = api("POST", path, json=body["content"]["application/json"]["example"])
    assert answer.status_code in (200, 201), answer.json
    assert answer.json.get("valid", True)


def test_each_operation_answers_with_one_object(document):
    for operation in operations(document):
        bodies = {
            str(each["content"]["application/json"])
            for status, each in operation["responses"].items()
            if status.startswith("2") and "application/json" in each.get("content", {})
        }
        assert len(bodies) <= 1, operation["operationId"]


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
