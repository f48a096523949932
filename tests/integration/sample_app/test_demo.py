"""``flask --app sample_app demo`` as a newcomer runs it, with the scripted model."""

from __future__ import annotations

import functools
import json
import re
import signal
import socket
import threading
import typing as t
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from flask_crewexec.testing import ScriptedModel
from support.api_client import until_ended
from support.servers.postgres import PostgresProcess
from support.servers.sample_command import sample_commands
from support.servers.sample_command import SampleCommand

StartDemo = t.Callable[..., SampleCommand]


@pytest.fixture
def start_demo(tmp_path: Path) -> Iterator[StartDemo]:
    with sample_commands(tmp_path) as start:
        yield functools.partial(start, "demo")


def test_serving_ends_cleanly_on_ctrl_c(start_demo: StartDemo) -> None:
    demo = start_demo("--scripted", "--serve")
    demo.wait_for("Ready ")
    url = t.cast(re.Match[str], re.search(r"Web +(http\S+)", demo.text())).group(1)
    assert (
        httpx.get(f"{url}/crewexec/health/ready?require=workers", trust_env=False).status_code
        == 200
    )
    end_cleanly(demo, signal.SIGINT)


def end_cleanly(demo: SampleCommand, number: signal.Signals) -> None:
    demo.process.send_signal(number)
    assert demo.end() == 0, demo.text()
    assert demo.left_behind() == []


def test_stopping_early_leaves_nothing(start_demo: StartDemo) -> None:
    with ScriptedModel() as model:
        model.on(hold=threading.Event())
        demo = start_demo(OPENAI_BASE_URL=model.base_url, OPENAI_API_KEY=model.key)
        model.wait_for_calls(1, timeout=120)
        demo.process.send_signal(signal.SIGINT)
        assert demo.end() == 128 + signal.SIGINT, demo.text()
        assert demo.left_behind() == []


def test_agents_use_the_tools_on_the_users_notes_until_it_is_terminated(
    start_demo: StartDemo,
) -> None:
    with ScriptedModel() as model:
        model.on("list what they say", tool=("search_notes", {"query": "honey"}), after_tool=False)
        model.on(
            "save it as a note",
            tool=("save_note", {"title": "Digest", "text": "Sold 42."}),
            after_tool=False,
        )
        model.on(reply="All is said.")
        demo = start_demo("--serve", OPENAI_BASE_URL=model.base_url, OPENAI_API_KEY=model.key)
        demo.wait_for("Ready ")
        with api_of(demo) as api:
            run_digest(api)
            notes = api.get("/notes").json()["notes"]
        end_cleanly(demo, signal.SIGTERM)
        told = json.dumps([call.body["messages"] for call in model.calls])
    assert {"title": "Digest", "text": "Sold 42."} in notes
    assert "Sold 42 jars of honey" in told


def api_of(demo: SampleCommand) -> httpx.Client:
    """A client with the address and the token that the demo has printed."""
    found = re.search(r"Authorization: (Bearer \S+)'.*?api=(http://[^/]+)", demo.text(), re.DOTALL)
    assert found
    headers = {"Authorization": found.group(1), "Prefer": "wait=30"}
    return httpx.Client(base_url=found.group(2), headers=headers, timeout=60, trust_env=False)


def run_digest(api: httpx.Client) -> None:
    graphs = {graph["name"]: graph["id"] for graph in api.get("/crewexec/graphs").json()["graphs"]}
    order = {"graph_id": graphs["Notes digest"], "inputs": {"topic": "honey"}}
    id = api.post("/crewexec/executions", json=order).json()["id"]
    execution = until_ended(lambda: api.get(f"/crewexec/executions/{id}").json())
    assert execution["status"] == "completed", execution


def test_the_demo_uses_the_users_postgresql(
    start_demo: StartDemo, postgres: PostgresProcess
) -> None:
    url = postgres.fresh_database_url().replace("+psycopg", "")
    demo = start_demo("--scripted", DATABASE_URL=url)
    assert demo.end(180) == 0, demo.text()
    assert "Database  postgresql+psycopg://" in demo.text()


@pytest.mark.parametrize(
    ("engine", "reason"),
    [
        ("raise ImportError('libgomp.so.1: cannot open shared object file')", "libgomp.so.1"),
        ("import os, signal; os.kill(os.getpid(), signal.SIGILL)", "SIGILL"),
    ],
)
def test_a_crew_runs_from_end_to_end_on_a_machine_without_the_engine(
    start_demo: StartDemo, tmp_path: Path, engine: str, reason: str
) -> None:
    (tmp_path / "xllamacpp.py").write_text(engine)
    demo = start_demo("--topic", "tests", PYTHONPATH=str(tmp_path))
    assert demo.end(180) == 0, demo.text()
    text = demo.text()
    assert re.search(f"this machine cannot run the local model: .*{reason}", text)
    assert "scripted model: fixed answers, not a real model" in text
    assert "Writer starts 'Importance'" in text
    assert "No model wrote it." in text
    assert re.search(r"Usage +3 model calls, \d+ tokens", text)
    assert demo.left_behind() == []


def test_a_failed_crew_is_a_failed_demo(start_demo: StartDemo) -> None:
    demo = start_demo(OPENAI_BASE_URL="http://127.0.0.1:9/v1", OPENAI_API_KEY="sk-none")
    assert demo.end(180) == 1
    assert "The model could not be reached." in demo.text()
    assert demo.left_behind() == []


def test_a_process_that_ends_early_shows_its_last_words(start_demo: StartDemo) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        demo = start_demo("--scripted", "--port", str(taken.getsockname()[1]))
        assert demo.end() == 1
    assert "The web server ended unexpectedly" in demo.text()
    assert "in use" in demo.text()
    assert demo.left_behind() == []
