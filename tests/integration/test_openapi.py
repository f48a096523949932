"""The description of the routes."""

from __future__ import annotations

import pytest
from openapi_spec_validator import OpenAPIV31SpecValidator

import crews

pytestmark = [
    pytest.mark.integration,
    pytest.mark.parametrize("database_url", ["sqlite"], indirect=True),
]


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
        if rule.endpoint.startswith("crewexec."):
            path = rule.rule.replace("<", "{").replace(">", "}")
            routes |= {(path, method) for method in rule.methods - {"HEAD", "OPTIONS"}}
    assert described == routes


def test_every_operation_has_a_summary_and_an_id_of_its_own(document):
    operations = [o for path in document["paths"].values() for o in path.values()]
    assert all(operation["summary"] for operation in operations)
    ids = [operation["operationId"] for operation in operations]
    assert len(set(ids)) == len(ids)


def test_an_answer_has_the_fields_that_are_described(api, document):
    id = api.queue(crews.chain("a"))
    described = document["components"]["schemas"]["ExecutionStatus"]["properties"]
    assert api.status(id).keys() == described.keys()


def test_every_operation_says_how_it_answers_when_all_is_well(document):
    for path in document["paths"].values():
        for operation in path.values():
            assert any(status.startswith("2") for status in operation["responses"])
