"""``flask crewexec …`` and ``celery …`` as an operator types them."""

from __future__ import annotations

import json
import os
import signal
import sys

import pytest

from support.graphs import documents
from support.paths import ROOT
from support.paths import TESTS
from support.servers.processes import ServerProcess
from support.servers.processes import wait_until

pytestmark = [pytest.mark.sqlite_enough, pytest.mark.libraries, pytest.mark.redis]


@pytest.fixture
def variables(environment):
    return {**os.environ, **environment, "PYTHONPATH": str(TESTS), "PYTHONUNBUFFERED": "1"}


@pytest.fixture
def flask(app, variables, fork_server):
    """Run a ``flask`` command of the host and return how it ended."""

    def run(*arguments):
        command = [sys.executable, "-m", "flask", "--app", "support.host_app.host", *arguments]
        return fork_server.run(command, environment=variables, timeout=120)

    return run


class TestInvoke:
    def test_runs_an_execution_without_celery(self, flask, api, model):
        model.on("Do a", "ALPHA")
        id = api.queue(documents.chain("a"))
        ended = flask("crewexec", "invoke", "execution", json.dumps({"execution_id": id}))
        assert ended.returncode == 0, ended.stderr
        answer = json.loads(ended.stdout)
        assert answer == {"execution_id": id, "attempt": 1, "outcome": "completed"}
        assert api.status(id)["result"]["raw"] == "ALPHA"

    def test_runs_the_cleanup(self, flask, api):
        id = api.queue(documents.chain("a"))
        api("POST", f"/executions/{id}/cancel")
        kept = api.queue(documents.chain("a"))
        event = {"action": "purge", "older_than_seconds": 0}
        ended = flask("crewexec", "invoke", "cleanup", json.dumps(event))
        assert json.loads(ended.stdout) == {"purged": 1}
        assert [e["id"] for e in api("GET", "/executions").json["executions"]] == [kept]
        assert api("GET", f"/executions/{id}/events").status_code == 404

    @pytest.mark.parametrize(
        ("task", "event"),
        [
            ("execution", "{"),
            ("execution", "[]"),
            ("execution", "{}"),
            ("execution", '{"execution_id": "x"}'),
            ("execution", '{"execution_id": "00000000-0000-7000-8000-000000000000"}'),
            ("cleanup", '{"action": "explode"}'),
            ("cleanup", '{"action": "purge", "older_than_seconds": "old"}'),
            ("cleanup", '{"action": "purge", "older_than_seconds": -1}'),
        ],
    )
    def test_bad_events_get_a_sentence_and_no_traceback(self, flask, task, event):
        ended = flask("crewexec", "invoke", task, event)
        assert ended.returncode == 1
        assert ended.stderr.startswith("Error: The event does not fit")
        assert "Traceback" not in ended.stderr


class Command(ServerProcess):
    """A command that goes on until it is stopped."""

    start_seconds = 60.0

    def __init__(self, *command, ready, **options):
        self.ready = ready
        super().__init__([sys.executable, "-m", *command], cwd=ROOT, **options)

    def is_ready(self):
        return self.ready in self.log_text()


class TestWorkerAndBeat:
    def test_flask_starts_both(self, app, api, model, variables, tmp_path):
        host = ("flask", "--app", "support.host_app.host", "crewexec")
        worker = Command(
            *(*host, "worker", "--loglevel=info", "--pool=threads"),
            ready=" ready.",
            log=tmp_path / "worker.log",
            environment=variables,
        )
        beat = Command(
            *(*host, "beat", "--loglevel=debug", f"--schedule={tmp_path}/beat"),
            ready="crewexec-purge",
            log=tmp_path / "beat.log",
            environment=variables,
        )
        with worker, beat:
            id = api.queue(documents.chain("a"))
            assert api.ended(id)["status"] == "completed"
            wait_until(lambda: "crewexec-purge" in beat.log_text(), what="the schedule")
            worker.kill(signal.SIGINT)
            assert worker.ended() == 1  # as with 'celery worker'

    def test_help_tells_our_options_and_celerys(self, flask):
        ended = flask("crewexec", "worker", "--help")
        assert ended.returncode == 0, ended.stderr
        for option in ("--processes N", "--pin", "--concurrency"):
            assert option in ended.stdout
        assert ended.stdout.count("flask crewexec worker [OPTIONS]") == 2

    @pytest.mark.parametrize("option", ["--pidfile=w.pid", "--detach", "--nonsense"])
    def test_what_several_workers_cannot_do_is_refused_before_anything_starts(self, flask, option):
        ended = flask("crewexec", "worker", "--processes=2", option)
        assert ended.returncode == 2
        assert f"'{option.partition('=')[0]}'" in ended.stderr
        assert "Traceback" not in ended.stderr
        assert "celery@" not in ended.stdout

    @pytest.mark.parametrize(
        ("options", "why"),
        [
            (["--pin"], "requires '--pool threads': the processes of 'prefork'"),
            (["--pin", "--pool=threads", "--processes=10000"], "needs 10000 CPUs, but only"),
        ],
    )
    def test_workers_that_cannot_be_pinned_are_refused(self, flask, options, why):
        ended = flask("crewexec", "worker", *options)
        assert ended.returncode == 2
        assert f"'--pin' {why}" in ended.stderr

    @pytest.mark.settings(RECONCILE_INTERVAL=0.2, RETRY_DELAY=0.2)
    @pytest.mark.parametrize("pool", ["prefork", "threads"])
    def test_one_worker_with_beat_inside_is_enough(
        self, app, api, model, variables, tmp_path, fork_server, pool
    ):
        """A retry is started by the reconciler, which only beat wakes up."""
        model.on("Do a", status=500, times=1)
        model.on("Do a", "ALPHA")
        options = ("--loglevel=info", f"--pool={pool}", "--concurrency=1", "--beat")
        worker = Command(
            *("flask", "--app", "support.host_app.host", "crewexec", "worker", *options),
            f"--schedule={tmp_path}/beat",
            ready=" ready.",
            log=tmp_path / "worker.log",
            environment=variables,
            fork_server=fork_server,
        )
        with worker:
            status = api.ended(api.queue(documents.chain("a")))
        assert (status["status"], status["retries"]) == ("completed", 1)

    @pytest.mark.parametrize("what", ["active", "registered"])
    def test_celery_inspects(self, start_worker, variables, fork_server, what):
        start_worker(pool="threads")
        command = [sys.executable, "-m", "celery", "-A", "support.host_app.worker", "inspect", what]
        ended = fork_server.run(command, environment=variables)
        assert ended.returncode == 0, ended.stderr
        assert "1 node online" in ended.stdout
        assert what == "active" or "crewexec.execution" in ended.stdout
