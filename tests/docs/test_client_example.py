"""The programs that the documentation shows for the Python client, with a server and a worker."""

from __future__ import annotations

import re
import threading
import typing as t
from collections.abc import Iterator

import pytest
from flask import Flask
from werkzeug.serving import make_server

from flask_crewexec.testing import ScriptedModel
from support.api_client import Api
from support.doc_examples import examples_of
from support.graphs import documents
from support.paths import ROOT
from support.servers.celery_nodes import StartWorker

pytestmark = pytest.mark.sqlite_enough

PAGE: t.Final = ROOT / "docs/howto/python.rst"
TOKEN: t.Final = "token-of-ada"


@pytest.fixture
def address(app: Flask) -> Iterator[str]:
    """The address of the application, for which 'ada' has a token."""

    def identified(environ: dict[str, t.Any], start_response: t.Any) -> t.Any:
        if environ.get("HTTP_AUTHORIZATION") == f"Bearer {TOKEN}":
            environ["HTTP_X_USER"] = "ada"
        return app(environ, start_response)

    server = make_server("127.0.0.1", 0, identified, threaded=True)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/crewexec"
    server.shutdown()
    thread.join()
    server.server_close()


def test_the_programs_of_the_page_run(
    address: str,
    api: Api,
    model: ScriptedModel,
    start_worker: StartWorker,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    start_worker()
    cancelled = threading.Event()
    model.on("coffee", hold=cancelled, times=1)  # else it may end before it is cancelled
    model.on("tea", "Tea is old").on("coffee", "Coffee is young")
    monkeypatch.setenv("TOKEN", TOKEN)
    monkeypatch.setenv("GRAPH_ID", api.graph(documents.ONE_TASK))
    namespace: dict[str, object] = {"__name__": "examples"}
    printed = {}
    for example in examples_of(PAGE):
        if example.language == "python":
            text = example.text.replace("https://crews.example.com/crewexec", address)
            exec(compile(text, str(example), "exec"), namespace)  # noqa: S102  # it is ours
            printed[example.caption] = capsys.readouterr().out
            if ".cancel(" in text:
                cancelled.set()  # if no worker had begun it, another one has this answer
    assert cancelled.is_set()
    namespace["crews"].close()  # type: ignore[attr-defined]
    assert printed["ask.py"] == "Tea is old\n"
    assert printed["follow.py"].splitlines()[0] == "1 queued"
    assert printed["follow.py"].splitlines()[-1] == "completed"
    assert re.search(r"\n1 model gpt-4o-mini\n", printed["more.py"])
    assert "'b': 'coffee'" in printed["more.py"]
    assert printed["errors.py"].startswith("invalid-request 422\n['/priority']\nNone ")
    assert re.findall(r" (\w+)\n", printed["several.py"]) == ["completed", "completed"]
