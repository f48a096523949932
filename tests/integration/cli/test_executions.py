"""``flask crewexec status``, ``list``, ``tail``, ``cancel`` and ``retry``."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import uuid

import pytest

from flask_crewexec import AsyncExecutionService
from flask_crewexec.app_state import current_app_state
from flask_crewexec.services import event_stream
from flask_crewexec.services.event_pages import read_event_page
from flask_crewexec.services.event_stream import tail
from flask_crewexec.storage import event_log
from flask_crewexec.storage.new_event import NewEvent
from flask_crewexec.text import width_of
from support.graphs import documents
from support.in_process import change
from support.in_process import run
from support.in_process import running
from support.paths import ROOT
from support.paths import TESTS
from support.servers.processes import wait_until

CLEAR_SCREEN = "\x1b[2J"
NOBODY = "00000000-0000-7000-8000-000000000000"


@pytest.fixture
def command(app):
    """Run a command of the group ``crewexec`` and return its result."""
    runner = app.test_cli_runner()
    return lambda *arguments: runner.invoke(args=["crewexec", *arguments])


@pytest.fixture
def done(api, model):
    """A completed execution."""
    model.on("Do a", "ALPHA")
    id = api.queue(documents.chain("a"), priority=3)
    assert run(id) == "completed"
    return id


def failed_with(result, *words):
    """Check that a command ended with one line that says why."""
    assert result.exit_code == 1
    (line,) = result.stderr.splitlines()
    assert line.startswith("Error: ")
    assert all(word in line for word in words), line


class TestStatus:
    def test_shows_steps_and_result(self, command, done):
        result = command("status", done)
        assert result.exit_code == 0, result.output
        lines = result.stdout.splitlines()
        assert lines[0].split() == ["Execution", done]
        assert lines[1].split() == ["Status", "completed"]
        assert "Priority   3" in lines
        assert "Progress   1 of 1 steps" in lines
        assert "Step       1. completed: a, by Writer" in lines
        assert lines[-2:] == ["Result", "    ALPHA"]

    def test_says_why_an_execution_failed(self, command, api, model):
        model.on("Do a", status=401)
        id = api.queue(documents.chain("a"))
        run(id)
        error = api.status(id)["error"]
        (line,) = [x for x in command("status", id).stdout.splitlines() if x.startswith("Error")]
        assert line.split(maxsplit=1)[1].startswith(f"{error['code']}: ")
        assert error["correlation_id"] in line

    def test_says_who_cancelled_and_why(self, command, api):
        id = api.queue(documents.chain("a"))
        api("POST", f"/executions/{id}/cancel", json={"reason": "too\ndear"})
        (line,) = [x for x in command("status", id).stdout.splitlines() if x.startswith("Canc")]
        assert line.endswith("Z by ada: too dear")

    def test_is_json_for_scripts(self, command, api, done):
        status = api.status(done)
        del status["result_url"]  # URLs are for those who use HTTP
        for step in status["steps"]:
            del step["output_url"]
        assert json.loads(command("status", done, "--json").stdout) == status

    def test_a_model_does_not_command_the_terminal(self, command, api, model):
        model.on("Do a", f"one{CLEAR_SCREEN}\rtwo\r\nResult\u202e")
        id = api.queue(documents.chain("a"))
        run(id)
        told = command("status", id).stdout
        assert told.endswith("Result\n    one\\x1b[2J\\rtwo\n    Result\\u202e\n")
        assert CLEAR_SCREEN not in command("status", id, "--json").stdout


class TestList:
    def ids(self, result):
        assert result.exit_code == 0, result.output
        return [line.split()[0] for line in result.stdout.splitlines()[1:]]

    def test_fits_80_columns_with_graph_cost_and_error(self, command, api, app, model):
        model.on("Do a", status=401)
        document = {**documents.chain("a"), "name": "总结今天的新闻 " * 9}
        id = api.queue(document)
        run(id)
        change(id, cost_nanos=82_950)
        header, row, why = command("list").stdout.splitlines()
        assert max(map(width_of, (header, row, why))) <= 80
        assert row.split()[:3] == [id, "failed", "总结今天的新闻"]
        assert row.endswith("0.000083 USD")
        assert why.startswith(f"    {api.status(id)['error']['code']}: ")

    def test_shows_everybodys_newest_first(self, command, api, stranger, monkeypatch):
        monkeypatch.setenv("COLUMNS", "150")
        mine = api.queue(documents.chain("a"))
        theirs = stranger.queue(documents.chain("a"))
        result = command("list")
        assert self.ids(result) == [theirs, mine]
        assert [line.split()[-1] for line in result.stdout.splitlines()[1:]] == ["mallory", "ada"]

    def test_filters(self, command, api, stranger):
        cancelled, queued = (api.queue(documents.chain("a")) for _ in range(2))
        api("POST", f"/executions/{cancelled}/cancel")
        theirs = stranger.queue(documents.chain("a"))
        assert self.ids(command("list", "--status=cancelled")) == [cancelled]
        assert self.ids(command("list", "--user=mallory")) == [theirs]
        assert self.ids(command("list", "--user=ada", "--status=queued")) == [queued]
        assert self.ids(command("list", "--limit=2")) == [theirs, queued]
        assert self.ids(command("list", "--user=nobody")) == []
        graph = api.status(queued)["graph_id"]
        assert self.ids(command("list", "--graph", graph)) == [queued]

    def test_filters_by_thread_code_and_time(self, command, api, model):
        model.on("Do a", status=401)
        failed = api.queue(documents.chain("a"), thread_id="tea")
        run(failed)
        other = api.queue(documents.chain("a"))
        code = api.status(failed)["error"]["code"]
        for option in ("--thread=tea", f"--code={code}"):  # below it, there is why it failed
            assert self.ids(command("list", option)) == [failed, f"{code}:"]
        assert self.ids(command("list", "--code=no-such")) == []
        assert self.ids(command("list", "--created-before=2026-01-01")) == []
        assert self.ids(command("list", "--created-after=2026-01-01", "--limit=1")) == [other]

    def test_refuses_times_that_cannot_be(self, command):
        failed_with(command("list", "--created-after=yesterday"), "created_after")

    def test_is_json_for_scripts(self, command, api, done):
        listed = json.loads(command("list", "--json").stdout)
        assert listed == api("GET", "/executions").json["executions"]

    @pytest.mark.parametrize("option", ["--status=asleep", "--limit=0", "--limit=201"])
    def test_refuses_what_cannot_be(self, command, option):
        assert command("list", option).exit_code == 2

    def test_refuses_users_that_cannot_be(self, command):
        failed_with(command("list", "--user=a\nb"), "user_id")

    def test_a_name_does_not_command_the_terminal(self, command, api, monkeypatch):
        monkeypatch.setenv("COLUMNS", "150")
        change(api.queue(documents.chain("a")), owner_id=f"eve{CLEAR_SCREEN}\nrow")
        assert command("list").stdout.endswith("  eve\\x1b[2J row\n")


class TestCancelAndRetry:
    def test_cancels_what_waits(self, command, api):
        id = api.queue(documents.chain("a"))
        result = command("cancel", id, "--reason", "too dear")
        assert (result.exit_code, result.stdout) == (0, "The execution is cancelled.\n")
        status = api.status(id)
        assert status["status"] == "cancelled"
        assert status["cancellation"]["reason"] == "too dear"

    def test_asks_what_runs_to_stop(self, app, command, api, model):
        gate = threading.Event()
        model.on("Do a", "ALPHA", hold=gate)
        id = api.queue(documents.chain("a"))
        with running(app, id) as outcomes:
            model.wait_for_calls(1)
            assert command("cancel", id).stdout == "The execution will stop before its next call.\n"
        gate.set()
        assert outcomes == ["cancelled"]

    def test_tries_again(self, command, api, model):
        id = api.queue(documents.chain("a"))
        command("cancel", id)
        result = command("retry", id)
        assert (result.exit_code, result.stdout) == (0, "The execution is queued as attempt 2.\n")
        assert run(id) == "completed"

    def test_several_get_a_line_each(self, command, api, done):
        waiting = [api.queue(documents.chain("a")) for _ in range(2)]
        result = command("cancel", waiting[0], done, NOBODY, "--reason", "too dear")
        assert result.exit_code == 1
        header, *lines = result.stdout.splitlines()
        assert header.split() == ["ID", "STATUS"]
        assert lines[0].split() == [waiting[0], "cancelled"]
        assert lines[1].split() == [done, "completed"]
        assert lines[2].startswith("    wrong-state: ")
        assert lines[3].split() == [NOBODY, "-"]
        assert lines[4].startswith("    not-found: ")
        assert api.status(waiting[0])["cancellation"]["reason"] == "too dear"
        assert command("cancel", *waiting).exit_code == 0
        result = command("retry", *waiting, "--max-tokens", "7")
        assert result.exit_code == 0
        assert [line.split() for line in result.stdout.splitlines()[1:]] == [
            [id, "queued"] for id in waiting
        ]
        assert {api.status(id)["limits"]["max_tokens"] for id in waiting} == {7}

    @pytest.mark.parametrize("action", ["cancel", "retry"])
    def test_leave_alone_what_has_completed(self, command, api, done, action):
        failed_with(command(action, done), "'completed'")
        assert api.status(done)["status"] == "completed"

    def test_a_reason_must_be_storable(self, command, api):
        id = api.queue(documents.chain("a"))
        failed_with(command("cancel", id, "--reason", "\x1b"), "control character")
        assert api.status(id)["status"] == "queued"


@pytest.mark.parametrize("action", ["status", "tail", "cancel", "retry"])
@pytest.mark.parametrize("id", [NOBODY, "x", "x\x1b[2J\ny"])
def test_unknown_ids_get_a_sentence(command, action, id):
    failed_with(command(action, id), "There is no execution")


def test_a_database_without_tables_gets_a_sentence(app, command):
    app.extensions["sqlalchemy"].drop_all()
    failed_with(command("list"), "has no table 'crewexec_execution'", "db.create_all()")


class TestTail:
    def test_shows_what_has_happened(self, command, api, done):
        result = command("tail", done)
        assert result.exit_code == 0
        lines = [line.split() for line in result.stdout.splitlines()]
        assert [line[3] for line in lines] == api.event_types(done)
        assert [int(line[0]) for line in lines] == list(range(1, len(lines) + 1))
        assert lines[0][4:] == ["priority=3"]

    def test_continues_behind_a_number(self, command, done):
        everything = command("tail", done).stdout.splitlines()
        assert command("tail", done, "--after=4").stdout.splitlines() == everything[4:]
        assert command("tail", done, "--after=400").stdout == ""

    def test_its_exit_code_tells_of_failures(self, command, api):
        id = api.queue(documents.chain("a"))
        command("cancel", id)
        assert command("tail", id).exit_code == 1

    def test_an_event_does_not_command_the_terminal(self, command, api):
        id = api.queue(documents.chain("a"))
        add_events(id, [{"output": f"a{CLEAR_SCREEN}\n  99  forged", "nested": ["\x9b2J"]}])
        command("cancel", id)
        lines = command("tail", id).stdout.splitlines()
        assert len(lines) == 3
        assert lines[1].endswith('output=a\\x1b[2J 99 forged nested=["\\x9b2J"]')

    @pytest.mark.sqlite_enough
    def test_prints_events_as_they_come(self, app, environment, api, model, tmp_path):
        gate = threading.Event()
        model.on("Do a", "ALPHA", hold=gate)
        id = api.queue(documents.chain("a"))
        printed = tmp_path / "tail.txt"
        with printed.open("wb") as output, Tail(id, environment, output) as tail:
            wait_until(lambda: "queued" in printed.read_text(), what="the first event")
            with running(app, id):
                wait_until(lambda: "model_call_started" in printed.read_text(), what="the call")
                assert tail.poll() is None
                gate.set()
            assert tail.wait(30) == 0
        types = [line.split()[3] for line in printed.read_text().splitlines()]
        assert types == api.event_types(id)


class Tail(subprocess.Popen):
    """The command as a process."""

    def __init__(self, id, environment, output):
        command = [
            sys.executable,
            "-m",
            "flask",
            "--app",
            "support.host_app.host",
            "crewexec",
            "tail",
            id,
        ]
        variables = {**os.environ, **environment, "PYTHONPATH": str(TESTS)}
        super().__init__(command, cwd=ROOT, env=variables, stdout=output)

    def __exit__(self, *_):
        self.kill()
        self.wait(15)


class TestFollow:
    def test_yields_what_comes_until_the_end(self, command, api):
        id = api.queue(documents.chain("a"))
        following = tail(id)
        assert next(following)["type"] == "queued"
        command("cancel", id)
        assert [event["type"] for event in following] == ["cancelled"]

    def test_misses_no_end_between_two_looks(self, api, monkeypatch):
        id = api.queue(documents.chain("a"))

        def end_behind_the_last(*args, **options):
            page = read_event_page(*args, **options)
            if not page.events:
                AsyncExecutionService().cancel_task(id)
            return page

        monkeypatch.setattr(event_stream, "read_event_page", end_behind_the_last)
        assert [event["type"] for event in tail(id)] == ["queued", "cancelled"]

    def test_skips_nothing_between_pages(self, command, api):
        id = api.queue(documents.chain("a"))
        add_events(id, [{"number": number} for number in range(500)])
        command("cancel", id)
        assert [event["seq"] for event in tail(id)] == list(range(1, 503))
        assert [event["seq"] for event in tail(id, after=300)] == list(range(301, 503))

    def test_holds_no_connection_while_it_waits(self, app, api):
        id = api.queue(documents.chain("a"))
        following = tail(id)
        next(following)
        assert app.extensions["sqlalchemy"].engine.pool.checkedout() == 0


def add_events(id, several):
    """Write events as a worker does."""
    app_state = current_app_state()
    entries = [NewEvent("noted", data) for data in several]
    with app_state.database.write_transaction() as session:
        event_log.append(session, app_state, uuid.UUID(id), entries)
