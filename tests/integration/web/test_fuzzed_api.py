"""The OpenAPI document against a running server, with requests that are made up.

Deterministic: the same requests every time, but for the ids that the server gives.
"""

from __future__ import annotations

import json
import subprocess
import sys
import typing as t
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.graphs import documents
from support.host_app import host
from support.paths import TESTS
from support.servers.gunicorn import Gunicorn

pytestmark = pytest.mark.sqlite_enough

CONFIG = """
[parameters]
graph_id = {{ dictionary = "graphs" }}
execution_id = {{ dictionary = "executions" }}
webhook_id = {{ dictionary = "webhooks" }}

[dictionaries]
graphs.values = {graphs}
executions.values = {executions}
webhooks.values = {webhooks}

# The host of the tests believes what every client says it is.
[checks]
ignored_auth.enabled = false

# No worker runs here, so 503 is its right answer; 405 is that to other methods.
[[operations]]
include-operation-id = "ready"
checks.not_a_server_error.expected-statuses = [200, 405, 422, 503]

# A long poll would hold the test for up to 30 seconds; tests of streaming do so.
[[operations]]
include-operation-id = "list_events"
parameters.wait = 0.01

# Besides, each execution is to be named once, and each has its position.
[[operations]]
include-operation-id = "list_events_of_several"
parameters.wait = 0.01
checks.positive_data_acceptance.expected-statuses = ["2xx", 404, 422]

# Rules that no JSON Schema can tell: they need the whole document, settings, or earlier orders.
[[operations]]
include-operation-id = [
    "create_graph", "import_graph", "preview_import", "queue_execution", "preview_execution",
    "retry_execution", "retry_executions", "cancel_executions",
]
checks.positive_data_acceptance.expected-statuses = ["2xx", 404, 409, 422]

# The same; only owners can fork, and what an answer needs depends on what it answers.
[[operations]]
include-operation-id = ["fork_execution", "answer_input_request", "answer_input_requests"]
checks.positive_data_acceptance.expected-statuses = ["2xx", 403, 404, 409, 410, 422]

# The same, and an entity tag can be any text.
[[operations]]
include-operation-id = ["change_graph", "copy_graph"]
checks.positive_data_acceptance.expected-statuses = ["2xx", 404, 409, 412, 422]
[[operations]]
include-operation-id = ["delete_graph", "archive_graph", "restore_graph"]
checks.positive_data_acceptance.expected-statuses = ["2xx", 404, 409, 412]

# Webhooks are deleted in between, some stand for single executions, and URLs have to be public.
[[operations]]
include-operation-id = [
    "create_webhook", "get_webhook", "change_webhook", "delete_webhook", "get_webhook_secret",
    "rotate_webhook_secret", "test_webhook", "list_webhook_deliveries",
    "resend_failed_deliveries", "resend_delivery",
]
checks.positive_data_acceptance.expected-statuses = ["2xx", 404, 409, 422]

# What is wrong with a document is what this one is asked for. Other methods find a graph's id in
# the last part of the path.
[[operations]]
include-operation-id = "validate_graph"
checks.negative_data_rejection.enabled = false
checks.unsupported_method.enabled = false
checks.allow_header_conformance.enabled = false
[[operations]]
include-operation-id = [
    "import_graph", "preview_import", "preview_execution", "cancel_executions", "retry_executions",
]
checks.unsupported_method.enabled = false
checks.allow_header_conformance.enabled = false
"""
OPTIONS = (
    "--generation-deterministic",
    "--seed=1",
    "--max-examples=15",
    "--no-shrink",
    "--continue-on-failure",
    "--request-timeout=20",
    "--warnings=off",
    f"--header=X-User:{host.ADMIN}",
)


@pytest.fixture
def server(app, environment, tmp_path) -> Iterator[Gunicorn]:
    variables = {**environment, "PYTHONPATH": str(TESTS)}
    with Gunicorn(tmp_path, variables, "--worker-class=gthread", "--threads=4") as server:
        yield server


def strict(document: dict[str, t.Any]) -> dict[str, t.Any]:
    """Allow no field in an answer that is not described."""
    operations = [each for path in document["paths"].values() for each in path.values()]
    bodies = [each["requestBody"]["content"] for each in operations if "requestBody" in each]
    taken = {body["application/json"]["schema"]["$ref"].rpartition("/")[2] for body in bodies}
    for name, schema in document["components"]["schemas"].items():
        if name not in taken and "properties" in schema:
            schema["additionalProperties"] = False
    return document


IDENTITY = {"user": {"type": "apiKey", "in": "header", "name": "X-User"}}


@pytest.mark.settings(WEBHOOKS=True, NOTIFICATION_TIMEOUT=0.5, SECURITY_SCHEMES=IDENTITY)
def test_every_answer_is_as_described(server, api, admin, tmp_path):
    graphs = [api.graph(documents.chain("a", "b")) for _ in range(8)]
    executions = [api.queue(documents.chain("a")) for _ in range(8)]
    url = {"url": "https://8.8.8.8/"}
    webhooks = [admin("POST", "/webhooks", json=url).json["id"] for _ in range(8)]
    config = tmp_path / "schemathesis.toml"
    config.write_text(CONFIG.format(graphs=graphs, executions=executions, webhooks=webhooks))
    document = tmp_path / "openapi.json"
    document.write_text(json.dumps(strict(api("GET", "/openapi.json").json)))
    command = [Path(sys.executable).with_name("schemathesis"), "--config-file", config]
    command += ["run", document, "--url", server.url, *OPTIONS]
    found = subprocess.run(
        command, check=False, capture_output=True, text=True, timeout=280, cwd=tmp_path
    )
    assert found.returncode == 0, found.stdout + found.stderr
    assert "Traceback" not in server.log_text()
