"""``celery -A … monitor``: the page printed once, and live on a terminal."""

from __future__ import annotations

import contextlib
import datetime as dt
import os
import re
import signal
import sys
import threading

import psutil
import pytest

from flask_crewexec import clock
from flask_crewexec.app_state import current_app_state
from support import in_process
from support.graphs import documents
from support.in_process import change
from support.paths import ROOT
from support.paths import TESTS
from support.servers.broker_faults import empty
from support.servers.broker_faults import fill
from support.servers.postgres import postgres_server
from support.servers.processes import free_port
from support.servers.processes import wait_until
from support.servers.redis_process import RedisProcess
from support.servers.redis_servers import chosen_redis
from support.servers.terminal import TerminalProcess

CELERY = [sys.executable, "-m", "celery"]
MONITOR = [*CELERY, "-A", "support.host_app.worker", "monitor"]

OWN_OPTION = """
import click
from support.host_app.worker import celery_app
celery_app.user_options["preload"].add(click.Option(["--environment"]))
"""
"""A module with a Celery app that adds an option to every command."""


@pytest.fixture
def variables(environment):
    # What the one who runs the tests has set for colours and sizes is left out.
    ignored = {"COLUMNS", "LINES", "NO_COLOR", "FORCE_COLOR", "TTY_COMPATIBLE"}
    kept = {name: value for name, value in os.environ.items() if name not in ignored}
    return {**kept, **environment, "PYTHONPATH": str(TESTS), "TERM": "xterm-256color"}


@pytest.fixture
def run(variables, fork_server):
    """Run a command without a terminal and return how it ended."""

    def run(*command, **changed):
        return fork_server.run(command, environment={**variables, **changed}, timeout=120)

    return run


@pytest.fixture
def live(app, variables):
    """Start the monitor on a terminal; to be used as a context."""

    def start(**options):
        command = [*MONITOR, "--interval=0.2"]
        return TerminalProcess(command, cwd=ROOT, environment=variables, **options)

    return start


def row(page, word):
    """Return the cells of the one line that begins with a word."""
    (line,) = [line for line in page.splitlines() if line.startswith(word)]
    return line.split()


@pytest.mark.sqlite_enough
@pytest.mark.settings(BROKER_TIMEOUT=10.0)  # there is no second look
class TestOnce:
    def test_shows_what_waits_works_runs_and_has_ended(self, app, api, model, start_worker, run):
        gate = threading.Event()
        model.on("Do b", "BETA", hold=gate)
        ended = api.queue(documents.chain("a"))
        api("POST", f"/executions/{ended}/cancel")
        running = api.queue(documents.chain("a", "b"))
        worker = start_worker(pool="threads", queues=["crew_execution"])
        wait_until(lambda: api.status(running)["progress"]["current_step"] == "b", what="step b")
        for priority in (10, 2, 2):
            api.queue(documents.chain("a"), priority=priority)
        try:
            shown = run(*MONITOR)
        finally:
            gate.set()
        assert shown.returncode == 0, shown.stderr
        page = shown.stdout
        assert re.match(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\dZ   3 queued   1 running\n", page)
        assert row(page, "crew_execution")[1:] == list("20100000001")
        assert row(page, "on_hold")[1:] == list("10100000000")
        assert row(page, "cleanup")[1:] == list("00000000000")
        assert row(page, worker.hostname)[1:4] == ["thread", "1", "crew_execution"]
        assert re.search(r"━.* 1/2 +\d+ s +b$", " ".join(row(page, running)))
        assert row(page, running)[1] == "ada"
        assert row(page, ended)[1:3] == ["ada", "cancelled"]
        assert "\x1b" not in page

    def test_tells_of_silent_workers_and_failures(self, app, api, model, run):
        failed = api.queue(documents.chain("a"))
        silent_worker()
        model.on("Do a", status=401)
        in_process.run(failed)
        page = run(*MONITOR, "--once").stdout
        assert row(page, "gone@host")[-3:] == ["2", "h", "ago"]
        assert row(page, failed)[-1] == api.status(failed)["error"]["code"]

    def test_names_do_not_command_the_terminal(self, app, api, run):
        id = api.queue(documents.chain("a"))
        evil = {"owner_id": "[red]eve\x1b[2J", "current_step": "[/]a\x9b2J\nb"}
        change(id, status="running", total_steps=4, **evil)
        page = run(*MONITOR, "--once").stdout
        assert row(page, id)[1] == "[red]eve\\x1b[2J"
        assert page.count("[/]a\\x9b2J b") == 1

    def test_a_broker_that_is_away(self, app, api, run):
        api.queue(documents.chain("a"))
        away = f"redis://:sesame@127.0.0.1:{free_port()}/0"
        shown = run(*MONITOR, "--once", CELERY_BROKER_URL=away)
        assert shown.returncode == 1
        assert "The message broker did not answer in time.\n" in shown.stdout
        assert "1 queued" in shown.stdout
        assert "sesame" not in shown.stdout + shown.stderr

    def test_a_database_that_is_away(self, app, api, run, tmp_path):
        api.queue(documents.chain("a"))
        away = f"sqlite:///{tmp_path}/empty.sqlite"
        shown = run(*MONITOR, "--once", DATABASE_URL=away)
        assert shown.returncode == 1
        assert "The database has no table 'crewexec_" in shown.stdout
        assert row(shown.stdout, "crew_execution")[1] == "1"

    def test_a_broker_that_is_full(self, app, api, run, redis_process):
        api.queue(documents.chain("a"))
        fill(redis_process)
        try:
            shown = run(*MONITOR, "--once")
        finally:
            empty(redis_process)
        assert shown.returncode == 1
        assert "The message broker is full" in shown.stdout
        assert row(shown.stdout, "crew_execution")[1] == "1"

    def test_a_database_that_is_read_only(self, app, api, run, sqlite_url):
        api.queue(documents.chain("a"))
        read_only = f"{sqlite_url.replace('///', '///file:')}?mode=ro&uri=true"
        shown = run(*MONITOR, "--once", DATABASE_URL=read_only)
        assert shown.returncode == 1
        assert "The database is read-only." in shown.stdout
        assert "1 queued" in shown.stdout

    def test_an_app_that_is_not_ours(self, run):
        shown = run(*CELERY, "monitor")
        assert shown.returncode == 1
        assert "does not belong to a Flask application with 'CrewExec'" in shown.stderr
        assert "Traceback" not in shown.stderr

    def test_an_app_with_options_of_its_own(self, app, run, tmp_path):
        (tmp_path / "optional.py").write_text(OWN_OPTION)
        command = [*CELERY, "-A", "optional", "monitor", "--once", "--environment=test"]
        shown = run(*command, PYTHONPATH=f"{TESTS}{os.pathsep}{tmp_path}")
        assert shown.returncode == 0, shown.stderr

    @pytest.mark.parametrize("interval", ["0", "often"])
    def test_an_interval_that_cannot_be(self, run, interval):
        assert run(*MONITOR, "--interval", interval).returncode == 2


def silent_worker():
    """Store a worker that was last heard of two hours ago."""
    app_state = current_app_state()
    seen = clock.now() - dt.timedelta(hours=2)
    row = {"pid": 1, "queues": ["cleanup"], "pool": "prefork", "concurrency": 1}
    with app_state.database.write_transaction() as session:
        session.add(app_state.models.worker(name="gone@host", started_at=seen, seen_at=seen, **row))


@pytest.mark.sqlite_enough
class TestLive:
    @pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
    def test_redraws_until_it_is_stopped(self, api, live, number):
        with live() as terminal:
            terminal.wait_for("Running (0)", "Recently ended")
            id = api.queue(documents.chain("a"))
            terminal.wait_for("1 queued")
            change(id, status="running", total_steps=2, finished_steps=1)
            terminal.wait_for("Running (1)", id, "1/2")
            api("POST", f"/executions/{id}/cancel")
            terminal.wait_for("cancelling")
            assert terminal.end(number) == 0
            printed = terminal.printed()
        # The screen that was there before is back, with its cursor.
        assert printed.rindex("\x1b[?1049l") > printed.rindex("\x1b[?1049h")
        assert printed.rindex("\x1b[?25h") > printed.rindex("\x1b[?25l")
        assert "Traceback" not in printed

    def test_fits_on_a_small_terminal(self, api, live):
        for _ in range(8):
            id = api.queue(documents.chain("a"))
            api("POST", f"/executions/{id}/cancel")
        with live(size=(24, 80)) as terminal:
            terminal.wait_for("Recently ended", id)
            lines = terminal.page().splitlines()
        assert len(lines) <= 24
        assert sum("cancelled" in line for line in lines) == 8

    def test_once_prints_once_on_a_terminal_too(self, app, variables):
        command = [*MONITOR, "--once"]
        with TerminalProcess(command, cwd=ROOT, environment=variables) as terminal:
            wait_until(lambda: terminal.printed() and terminal.child.poll() is not None)
            assert terminal.child.wait() == 0
            printed = terminal.printed()
        assert "Recently ended" in printed
        assert "\x1b[?1049h" not in printed


@pytest.mark.sqlite_enough
class TestBrokerAway:
    @pytest.fixture
    def redis_process(self, tmp_path):
        """A server of our own, since we stop it."""
        with RedisProcess(tmp_path / "redis", chosen_redis()) as process:
            yield process

    def test_the_monitor_goes_on(self, redis_process, live):
        with live() as terminal:
            terminal.wait_for("crew_execution")
            redis_process.stop()
            terminal.wait_for("The message broker did not answer", "Running (0)")
            redis_process.start()
            terminal.wait_for("crew_execution", "Running (0)")
            assert terminal.end(signal.SIGINT) == 0


@pytest.mark.postgresql
class TestDatabaseAway:
    @pytest.fixture
    def postgres(self):
        """A server of our own, since we stop it."""
        with postgres_server() as process:
            yield process

    def test_the_monitor_goes_on(self, app, postgres, live):
        with live() as terminal:
            terminal.wait_for("crew_execution", "Running (0)")
            app.extensions["sqlalchemy"].engine.dispose()
            postgres.stop()
            terminal.wait_for("crew_execution", "The database did not answer")
            postgres.start()
            terminal.wait_for("crew_execution", "Running (0)")
            with frozen(postgres):
                terminal.wait_for("crew_execution", "The database has not answered yet.")
            terminal.wait_for("crew_execution", "Running (0)")
            with frozen(postgres):
                terminal.wait_for("The database has not answered yet.")
                assert terminal.end(signal.SIGINT) == 0


@contextlib.contextmanager
def frozen(server):
    """Freeze the processes that serve clients; each has left the server's process group."""
    children = server.children()
    for child in children:
        with contextlib.suppress(psutil.NoSuchProcess):
            child.suspend()
    try:
        yield
    finally:
        for child in children:
            with contextlib.suppress(psutil.NoSuchProcess):
                child.resume()
