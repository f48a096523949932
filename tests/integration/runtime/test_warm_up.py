"""The crew that a worker runs when it starts."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import threading

import pytest
from crewai.events import crewai_event_bus
from crewai.events.types.crew_events import CrewKickoffStartedEvent
from crewai.hooks import get_before_llm_call_hooks
from crewai.hooks import register_before_llm_call_hook
from crewai.hooks import unregister_before_llm_call_hook
from crewai.hooks.dispatch import get_hooks
from crewai.hooks.dispatch import InterceptionPoint
from crewai.hooks.dispatch import register
from crewai.hooks.dispatch import unregister

from flask_crewexec.runtime.warm_up import warm_up
from flask_crewexec.worker.preload import preload_runtime
from support.graphs import documents
from support.paths import ROOT
from support.paths import TESTS

RUN_ONE = """
import sys
from flask_crewexec.tasks import execution
from flask_crewexec.worker.preload import preload_runtime
from support.host_app.host import create_app

with create_app().app_context():
    preload_runtime()
    before = set(sys.modules)
    assert execution.handle({"execution_id": sys.argv[1]})["outcome"] == "completed"
    print(*sorted(set(sys.modules) - before))
"""


@pytest.mark.sqlite_enough
def test_the_first_crew_imports_hardly_anything(api, environment):
    id = api.queue(documents.chain("a"))
    ended = subprocess.run(
        [sys.executable, "-c", RUN_ONE, id],
        env={**os.environ, **environment, "PYTHONPATH": str(TESTS)},
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    late = ended.stdout.splitlines()[-1].split() if ended.stdout.strip() else []
    assert not [name for name in late if name.partition(".")[0] in ("crewai", "openai", "pydantic")]


def test_it_emits_nothing_and_leaves_no_thread(monkeypatch, caplog, capfd):
    def refuse(*_):
        raise AssertionError("The network was used")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    caplog.set_level("DEBUG")
    heard = []
    threads = threading.enumerate()
    with crewai_event_bus.scoped_handlers():
        crewai_event_bus.on(CrewKickoffStartedEvent)(lambda source, event: heard.append(event))
        warm_up()
    assert threading.enumerate() == threads
    assert (heard, caplog.records, capfd.readouterr()) == ([], [], ("", ""))


def test_hooks_of_the_host_are_not_called():
    asked = []

    def refuse(context):
        asked.append(context)
        return False

    register(InterceptionPoint.EXECUTION_START, asked.append)
    register_before_llm_call_hook(refuse)
    try:
        warm_up()
        assert get_hooks(InterceptionPoint.EXECUTION_START) == [asked.append]
        assert get_before_llm_call_hooks() == [refuse]
    finally:
        unregister_before_llm_call_hook(refuse)
        unregister(InterceptionPoint.EXECUTION_START, asked.append)
    assert asked == []


def test_a_worker_starts_even_if_it_fails(monkeypatch, caplog):
    def fail():
        raise LookupError

    monkeypatch.setattr("flask_crewexec.runtime.warm_up.warm_up", fail)
    preload_runtime.__wrapped__()
    assert "The warm-up crew failed." in caplog.text
