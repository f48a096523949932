"""An application as the examples assume it: ``app``, ``db``, ``crewexec``, a user and a graph."""

from __future__ import annotations

import importlib.util
import json
import sys
import typing as t
from collections.abc import Callable
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest
from flask import Flask
from flask_sqlalchemy import SQLAlchemy
from flask_wtf import CSRFProtect

from flask_crewexec import AsyncExecutionService
from flask_crewexec import CrewExec
from flask_crewexec import GraphService
from support.doc_examples import Example
from support.doc_examples import examples_of
from support.in_process import close_connections
from support.paths import ROOT

Namespace = dict[str, t.Any]

MODEL: t.Final = "model_of_the_tests"
"""The examples register "default" themselves."""


@pytest.fixture
def readme_graph() -> dict[str, t.Any]:
    """The graph that the README shows."""
    (graph,) = (each for each in examples_of(ROOT / "README.rst") if each.language == "json")
    return t.cast("dict[str, t.Any]", json.loads(graph.text))


@pytest.fixture
def namespace(
    sqlite_url: str,
    broker_url: str,
    readme_graph: dict[str, t.Any],
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Namespace]:
    """What the examples use without defining it, within an application context."""
    for name in ("CELERY_BROKER_URL", "CELERY_RESULT_BACKEND"):
        monkeypatch.setenv(name, broker_url)
    app = Flask("myapp")
    app.config["SQLALCHEMY_DATABASE_URI"] = sqlite_url
    db = SQLAlchemy(app)
    crewexec = CrewExec(app, db=db)
    crewexec.llm(MODEL, "any", api_key="sk-example")
    with app.app_context():
        db.create_all()
        names = {"app": app, "db": db, "crewexec": crewexec, "csrf": CSRFProtect()}
        yield {**names, **_stored(readme_graph), "user": SimpleNamespace(id="ada")}
        db.session.remove()
        close_connections(db.engine)


@pytest.fixture
def execute(
    namespace: Namespace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[[Example], Namespace]:
    """A function that runs an example after the others of its page, and returns their names."""
    # Flask and SQLAlchemy look for the module; instance folders are next to its file.
    spec = importlib.util.spec_from_file_location("page_of_examples", tmp_path / "page.py")
    assert spec is not None
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, module.__name__, module)
    vars(module).update(namespace)

    def execute(example: Example) -> Namespace:
        # The empty lines let tracebacks name the line of the page.
        code = compile("\n" * (example.line + 1) + example.text, str(example.page), "exec")
        exec(code, vars(module))  # noqa: S102  # it is ours
        return vars(module)

    return execute


def _stored(graph: dict[str, t.Any]) -> Namespace:
    node = {"id": "model", "type": "llm", "data": {"name": MODEL}}
    edge = {"source": "model", "target": "writer"}
    document = {**graph, "nodes": [*graph["nodes"], node], "edges": [*graph["edges"], edge]}
    graph_id = GraphService().create(document, "ada").graph.id
    inputs = {"topic": "tea"}
    task_id = AsyncExecutionService().queue_execution(graph_id, None, "ada", inputs)
    return {"document": document, "task_id": task_id}
