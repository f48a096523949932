"""Generators of clients and a linter take the OpenAPI document, and the clients work.

The generator of the client in Python comes from the group ``clients``: ``tox -e clients``.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import threading
import typing as t
from collections.abc import Iterator
from pathlib import Path

import pytest

from flask_crewexec.testing import ScriptedModel
from flask_crewexec.web.openapi import describe
from support.api_client import Api
from support.graphs import documents
from support.npm import npm_packages
from support.paths import TESTS

pytestmark = [pytest.mark.sqlite_enough, pytest.mark.timeout(600)]

CLIENTS = TESTS / "clients"
QUIET = {"REDOCLY_TELEMETRY": "off", "REDOCLY_SUPPRESS_UPDATE_NOTICE": "true"}

Run = t.Callable[..., str]


@pytest.fixture
def document(app, tmp_path) -> Path:
    file = tmp_path / "openapi.json"
    file.write_text(json.dumps(describe(app)))
    return file


@pytest.fixture
def run(tmp_path) -> Run:
    """Run a command in the test's folder, and return what it prints; it has to succeed."""

    def run(*command: str | Path, **variables: str) -> str:
        done = subprocess.run(
            command,
            check=False,
            capture_output=True,
            text=True,
            timeout=240,
            cwd=tmp_path,
            env={**os.environ, **QUIET, **variables},
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    return run


@pytest.fixture
def npm(run) -> Run:
    """Run one of the tools that npm has installed."""
    programs = npm_packages() / ".bin"
    return lambda name, *options: run("node", programs / name, *options)


@pytest.fixture
def arguments(start_server, start_worker, api, model) -> Iterator[list[str]]:
    """The URL of a server with a worker, a graph that completes, and one that waits."""
    start_worker(pool="threads")
    held = threading.Event()
    model.on("Do first", "ALPHA")
    model.on("Do last", "OMEGA")
    model.on("Do slow", "never read", hold=held)
    graphs = [api.graph(documents.chain(*steps)) for steps in (("first", "last"), ("slow",))]
    yield [start_server("--worker-class=gthread", "--threads=4").url, *graphs]
    held.set()


def check_flow(printed: str, api: Api, model: ScriptedModel) -> None:
    """Compare what a client saw with what there is."""
    seen = json.loads(printed)
    (slow, quick) = api("GET", "/executions").json["executions"]
    assert seen.pop("events") == api.event_types(quick["id"])
    assert seen == {
        "status": "completed",
        "steps": ["ALPHA", "OMEGA"],
        "result": "OMEGA",
        "listed": [True],
        "tokens": quick["usage"]["total_tokens"],
        "cancelled": ["cancelled", "no longer needed"],
        "unknown": "not-found",
    }
    assert slow["cancellation"]["reason"] == "no longer needed"


def test_the_linter_finds_nothing(document, npm):
    npm("redocly", "lint", "--config", str(CLIENTS / "redocly.yaml"), str(document))


def test_a_client_in_typescript(document, npm, run, tmp_path, arguments, api, model):
    for name in ("flow.ts", "package.json", "tsconfig.json"):
        shutil.copy(CLIENTS / name, tmp_path)
    (tmp_path / "node_modules").symlink_to(npm_packages())
    npm("openapi-typescript", str(document), "-o", "api.d.ts")
    npm("tsc", "-p", ".")
    check_flow(run("node", "flow.js", *arguments), api, model)


def test_a_client_in_python(document, run, tmp_path, arguments, api, model):
    generator = shutil.which("openapi-python-client")
    if generator is None:
        pytest.skip("openapi-python-client is not installed: run 'tox -e clients'")
    config = str(CLIENTS / "generator.yaml")
    package = tmp_path / "crewexec_client"
    options = ["--path", document, "--output-path", package, "--config", config, "--meta", "none"]
    # A warning would mean that something was left out.
    run(generator, "generate", "--fail-on-warning", *options)
    shutil.copy(CLIENTS / "flow.py", tmp_path)
    run(sys.executable, "-m", "mypy", "--strict", "flow.py", "crewexec_client")
    check_flow(run(sys.executable, "flow.py", *arguments, PYTHONPATH=str(tmp_path)), api, model)
