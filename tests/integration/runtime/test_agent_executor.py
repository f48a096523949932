"""The agent executor, compared with CrewAI's own."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from crewai.agent.core import AgentExecutor  # type: ignore[attr-defined]  # it has moved
from crewai.events import crewai_event_bus
from crewai.events import LLMCallCompletedEvent
from crewai.flow.types import FlowMethodName

from flask_crewexec.runtime.crewai_shims import agent_executor
from flask_crewexec.runtime.crewai_shims.agent_executor import SingleThreadExecutor
from support.graphs import documents
from support.in_process import run
from support.in_process import running
from support.paths import ROOT

pytestmark = [pytest.mark.sqlite_enough, pytest.mark.libraries]


IMPORT_CREWAI_FIRST = """
import pathlib
from crewai_core.paths import db_storage_path
pathlib.Path(db_storage_path(), ".crewai_user.json").write_text('{"first_execution_done": true}')
from crewai.events import crewai_event_bus
from flask_crewexec.runtime.crewai_shims.agent_executor import SingleThreadExecutor
SingleThreadExecutor()
print(*crewai_event_bus._sync_handlers)
"""


def triggers() -> list[str]:
    """Names of the methods and of what they may return."""
    methods = AgentExecutor.flow_definition().methods
    known = agent_executor._listeners_by_event()
    assert known is not None
    return sorted({*methods, *known, "something else"})


def test_every_event_triggers_the_same_methods_as_in_crewai(database_url):
    for trigger in triggers():
        for routers in (True, False):
            ours, theirs = SingleThreadExecutor(), AgentExecutor()
            for _ in range(2):  # what fires once does not fire again
                found = ours._find_triggered_methods(trigger, router_only=routers)
                known = theirs._find_triggered_methods(FlowMethodName(trigger), router_only=routers)
                assert found == known
            assert ours._fired_or_listeners == theirs._fired_or_listeners


def test_its_initial_state_is_that_of_crewai(database_url):
    ours, theirs = SingleThreadExecutor().state, AgentExecutor().state
    assert ours.model_dump(exclude={"id"}) == theirs.model_dump(exclude={"id"})


def test_a_crew_that_waits_for_its_model_occupies_one_thread(app, api, model):
    gate = threading.Event()
    model.on("Do a", hold=gate)
    ids = [api.queue(documents.chain("a")) for _ in range(3)]
    before = set(threading.enumerate())
    with contextlib.ExitStack() as stack:
        for id in ids:
            stack.enter_context(running(app, id))
        model.wait_for_calls(3)
        names = [each.name for each in threading.enumerate() if each not in before]
        gate.set()
    of_process = {"crewexec-watchdog", "crewexec-event-publisher"}
    of_crews = [name for name in names if name not in of_process]
    of_model = [name for name in names if name.endswith("(process_request_thread)")]
    assert len(of_crews) - len(of_model) == 3, names


def test_steps_do_not_wait_for_event_listeners(app, api, model):
    """They may be told of other runs, and CrewAI's own executor waits for 30 s."""
    gate = threading.Event()
    id = api.queue(documents.chain("a", "b"))
    with crewai_event_bus.scoped_handlers():
        crewai_event_bus.on(LLMCallCompletedEvent)(lambda source, event: gate.wait(60))
        with running(app, id) as outcomes:
            try:
                model.wait_for_calls(2, timeout=20)
            finally:
                gate.set()
    assert outcomes == ["completed"]


def test_the_host_may_listen_to_crewais_events(api, model):
    heard = []
    with crewai_event_bus.scoped_handlers():

        @crewai_event_bus.on(LLMCallCompletedEvent)
        def listen(source: object, event: LLMCallCompletedEvent) -> None:
            heard.append(event.agent_role)

        assert run(api.queue(documents.chain("a"))) == "completed"
        crewai_event_bus.flush()
    assert heard == ["Writer"]


def test_crewai_traces_nothing_even_if_the_host_has_imported_it_before(
    database_url, tmp_path: Path
):
    """It then knows the user, but finds a stranger in the folder that we give it."""
    folder = {"XDG_DATA_HOME": str(tmp_path), "TMPDIR": str(tmp_path)}
    clean = {name: value for name, value in os.environ.items() if not name.startswith("CREWAI_")}
    ended = subprocess.run(
        [sys.executable, "-c", IMPORT_CREWAI_FIRST],
        env={**clean, **folder},
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert ended.stdout == "\n", ended.stdout
