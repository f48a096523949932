"""The Python code of the documentation runs as it is printed."""

from __future__ import annotations

import os
import subprocess
import sys
import typing as t
from collections.abc import Callable
from pathlib import Path

import pytest

from support.doc_examples import Example
from support.doc_examples import name_of
from support.doc_examples import PAGES
from support.doc_examples import snippets_of
from support.doc_examples import write_files
from support.paths import ROOT

APPLICATION = ROOT / "docs/howto/install.rst"


@pytest.mark.parametrize("page", [*filter(snippets_of, PAGES)], ids=name_of)
def test_the_examples_of_a_page_run_one_after_the_other(
    page: Path, execute: Callable[[Example], object]
) -> None:
    for example in snippets_of(page):
        execute(example)


@pytest.mark.parametrize("page", [ROOT / "README.rst", APPLICATION], ids=name_of)
class TestApplication:
    @pytest.fixture
    def client(
        self, page: Path, tmp_path: Path, broker_url: str, monkeypatch: pytest.MonkeyPatch
    ) -> t.Iterator[t.Any]:
        """A client of the application that the page shows."""
        write_files(page, tmp_path)
        environment = {
            "CELERY_BROKER_URL": broker_url,
            "CELERY_RESULT_BACKEND": broker_url,
            "DATABASE_URL": f"sqlite:///{tmp_path}/myapp.sqlite",
            "OPENAI_API_KEY": "sk-example",
            "SECRET_KEY": "a key for sessions",
        }
        for name, value in environment.items():
            monkeypatch.setenv(name, value)
        monkeypatch.syspath_prepend(tmp_path)
        monkeypatch.delitem(sys.modules, "myapp", raising=False)
        import myapp  # type: ignore[import-not-found]

        app = myapp.create_app()
        with app.app_context():
            myapp.db.create_all()
            yield app.test_client()
            myapp.db.session.remove()
            myapp.db.engine.dispose()
        del sys.modules["myapp"]

    def test_it_asks_for_an_identity(self, client: t.Any) -> None:
        assert client.get("/crewexec/health/live").status_code == 200
        assert client.get("/crewexec/executions").status_code == 401

    def test_it_queues_the_graph_of_the_readme(
        self, client: t.Any, readme_graph: dict[str, t.Any]
    ) -> None:
        with client.session_transaction() as session:
            session["user_id"] = 7
        graph = client.post("/crewexec/graphs", json=readme_graph)
        body = {"graph_id": graph.json["id"], "inputs": {"topic": "tea"}}
        execution = client.post("/crewexec/executions", json=body)
        assert execution.status_code == 202
        assert execution.json["status"] == "queued"
        assert execution.json["user_id"] == "7"


def test_the_module_for_the_celery_command_holds_the_celery_app(tmp_path: Path) -> None:
    for page in (APPLICATION, ROOT / "docs/howto/celery.rst"):
        write_files(page, tmp_path)
    environment = {
        **os.environ,
        "DATABASE_URL": "sqlite://",
        "PYTHONPATH": str(ROOT),
        "SECRET_KEY": "a key for sessions",
    }
    command = [sys.executable, "-m", "celery", "-A", "myapp.celery_app", "report"]
    done = subprocess.run(
        command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "crew_execution" in done.stdout
