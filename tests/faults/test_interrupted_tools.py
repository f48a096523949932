"""Workers that freeze, and databases that go away, while the tools of an answer are called.

The effects of a tool are in a table or file of its own.
"""

from __future__ import annotations

import typing as t
from pathlib import Path

import pytest

from support.freezing import freeze
from support.graphs import documents
from support.in_process import close_connections
from support.in_process import run
from support.in_process import running
from support.in_process import stored_calls
from support.scripted_turns import Call
from support.scripted_turns import tool_calls
from support.scripted_turns import Turn
from support.servers.postgres import postgres_server
from support.servers.processes import wait_until

AT_ONCE: t.Final = 8
"""How many tool calls of an answer CrewAI makes at the same time."""


def note(text: str) -> Call:
    return "write_note", {"text": text}


def wait(gate: Path) -> Call:
    return "wait_for_file", {"path": str(gate)}


def is_waiting(gate: Path) -> bool:
    return Path(f"{gate}.waiting").exists()


def is_done(id: str, *numbers: int) -> bool:
    done = {call.number for call in stored_calls(id) if call.status == "done"}
    return done.issuperset(numbers)


@pytest.mark.python
class TestFrozenWorker:
    """All but the last of the tool calls of an answer are under way when the worker freezes."""

    @pytest.fixture
    def gates(self, tmp_path: Path):
        """Files for which tools wait; there at the latest when the test ends."""
        gates = [tmp_path / f"gate{number}" for number in range(AT_ONCE)]
        yield gates
        for gate in gates:
            gate.touch()

    @pytest.fixture
    def frozen(self, start_worker, gates, pool, api, model):
        """A function that freezes a worker, and opens the gates; it returns worker and run."""

        def frozen(document):
            calls = [note("first"), *map(wait, gates), note("last")]
            model.add(Turn(raw=tool_calls(*calls), results=0))
            model.add(Turn(reply="DONE", results=len(calls)))
            worker = start_worker(pool=pool)
            id = api.queue(document)
            wait_until(lambda: is_done(id, 1, 2), what="the first note")
            wait_until(lambda: all(map(is_waiting, gates)), what="the other tools")
            freeze(worker)
            for gate in gates:
                Path(f"{gate}.waiting").unlink()
                gate.touch()
            return id, worker

        return frozen

    @pytest.fixture
    def comes_back(self, api, model, notes):
        """A function that lets the frozen worker go on, which must have no effect at all."""

        def comes_back(id, worker):
            before = (api.status(id), api.event_types(id), len(model.calls))
            notes()
            worker.resume()
            told = "has lost the lease"
            wait_until(lambda: told in worker.log_text(), what="the end of the old run")
            assert (api.status(id), api.event_types(id), len(model.calls)) == before
            assert notes() == {}

        return comes_back

    def document(self):
        return documents.chain("a", tools=("write_note", "wait_for_file"))

    @pytest.mark.each_pool
    def test_another_continues_after_the_finished_calls(
        self, start_worker, model, settle, notes, gates, frozen, comes_back, pool
    ):
        id, worker = frozen(self.document())
        other = start_worker(pool=pool)
        settle(id)
        assert all(map(is_waiting, gates))  # what was under way is made again
        assert (len(model.calls), notes()) == (2, {"first": 1, "last": 1})
        other.stop()
        comes_back(id, worker)

    @pytest.mark.each_pool
    def test_nobody_repeats_what_must_not_be_repeated(
        self, start_worker, model, settle, notes, gates, frozen, comes_back, pool
    ):
        document = documents.with_data(self.document(), "wait_for_file", on_unknown="fail")
        id, worker = frozen(document)
        other = start_worker(pool=pool)
        assert settle(id, "failed")["error"]["code"] == "tool-outcome-unknown"
        assert not any(map(is_waiting, gates))
        assert (len(model.calls), notes()) == (1, {"first": 1})
        other.stop()
        comes_back(id, worker)


@pytest.mark.python
@pytest.mark.sqlite_enough
class TestWorkerFrozenBeforeTheTool:
    """It has looked whether it may make the call, and has begun to check the arguments."""

    def test_it_does_not_call_a_tool_that_another_has_called(
        self, start_worker, api, model, settle, notes, tmp_path
    ):
        gate = tmp_path / "gate"
        call = "note_once_there", {"path": str(gate)}
        model.add(Turn(raw=tool_calls(call), results=0), Turn(reply="DONE", results=1))
        frozen = start_worker(pool="threads")
        id = api.queue(documents.chain("a", tools=("note_once_there",)))
        wait_until(lambda: is_waiting(gate), what="the arguments")
        freeze(frozen)
        gate.touch()
        other = start_worker(pool="threads")
        before = settle(id)
        assert notes() == {str(gate): 1}
        other.stop()
        frozen.resume()
        told = "has lost the lease"
        wait_until(lambda: told in frozen.log_text(), what="the end of the old run")
        assert (api.status(id), notes()) == (before, {})


@pytest.fixture
def postgres():
    """A server of our own, since others use the one of the session."""
    with postgres_server() as process:
        yield process


@pytest.mark.postgresql
class TestDatabaseAway:
    """The database stops while a tool works, after another call of the same answer has ended."""

    @pytest.fixture
    def gate(self, tmp_path: Path):
        """A file for which a tool waits; there at the latest when the test ends."""
        gate = tmp_path / "gate"
        yield gate
        gate.touch()

    @pytest.fixture
    def file(self, tmp_path: Path) -> Path:
        """Where the tools leave their effects."""
        return tmp_path / "effects"

    @pytest.fixture
    def queued(self, api, model, gate, file):
        """An execution whose first answer appends a line and waits, and whose second appends."""

        def append(line: str) -> Call:
            return "append_line", {"path": str(file), "line": line}

        model.add(
            Turn(raw=tool_calls(append("one"), wait(gate)), results=0),
            Turn(raw=tool_calls(append("two")), results=2),
            Turn(reply="DONE", results=3),
        )
        return api.queue(documents.chain("a", tools=("append_line", "wait_for_file")))

    @pytest.fixture
    def stop_within_tool(self, app, postgres, gate, queued):
        """A function that stops the server while the second tool works, and lets it end."""

        def stop_within_tool():
            wait_until(lambda: is_done(queued, 1, 2), what="the first tool")
            wait_until(lambda: is_waiting(gate), what="the second tool")
            postgres.stop()
            gate.touch()

        return stop_within_tool

    @pytest.fixture
    def start_again(self, app, postgres):
        def start_again():
            postgres.start()
            close_connections(app.extensions["crewexec"].database.engine)

        return start_again

    @pytest.mark.settings(LEASE_SECONDS=100.0, DATABASE_RETRY_SECONDS=60.0)
    def test_the_run_waits_for_it(
        self, app, api, model, file, queued, stop_within_tool, start_again, caplog
    ):
        with running(app, queued) as outcomes:
            stop_within_tool()
            wait_until(lambda: "unavailable; retrying" in caplog.text, what="a retry")
            start_again()
        assert outcomes == ["completed"]
        assert (api.status(queued)["attempt"], len(model.calls)) == (1, 3)
        assert file.read_text().split() == ["one", "two"]
        assert [call.status for call in stored_calls(queued)] == ["done"] * 6

    @pytest.mark.settings(LEASE_SECONDS=1.0, DATABASE_RETRY_SECONDS=0.2)
    def test_a_log_that_cannot_be_written_stops_the_run(
        self, app, api, model, file, gate, queued, stop_within_tool, start_again, settle
    ):
        with running(app, queued) as outcomes:
            stop_within_tool()
        assert outcomes == ["OperationalError"]
        assert (len(model.calls), file.read_text().split()) == (1, ["one"])
        Path(f"{gate}.waiting").unlink()
        start_again()
        assert settle(queued, "queued")["lost_attempts"] == 1
        assert run(queued) == "completed"
        assert is_waiting(gate)  # nobody knows that it had ended
        assert (len(model.calls), file.read_text().split()) == (3, ["one", "two"])
