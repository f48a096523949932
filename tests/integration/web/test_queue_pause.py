"""Managers pause the queue through the API, the terminal and the Python client."""

from __future__ import annotations

import json
import logging

import pytest

from support.api_client import problem
from support.graphs import documents
from support.host_app import host

pytestmark = pytest.mark.sqlite_enough

ROUTES = ("/queues/pause", "/queues/resume")
REASON = {"reason": "The database moves."}


@pytest.fixture
def command(app):
    """Run a command of the group ``crewexec`` and return what it has printed."""

    def invoke(*arguments):
        result = app.test_cli_runner().invoke(args=["crewexec", *arguments])
        assert result.exit_code == 0, result.output
        return result.stdout

    return invoke


class TestApi:
    @pytest.mark.parametrize("path", ROUTES)
    def test_is_for_managers(self, api, admin, path):
        problem(api("POST", path), 403, "forbidden")
        assert admin("GET", "/queues").json["pause"] is None

    def test_says_who_has_paused_it_and_why(self, admin):
        first = admin("POST", "/queues/pause", json=REASON).json
        assert first["changed"]
        assert first["pause"] == admin("GET", "/queues").json["pause"]
        assert (first["pause"]["by"], first["pause"]["reason"]) == (host.ADMIN, REASON["reason"])
        assert admin("POST", "/queues/pause").json == {**first, "changed": False}
        assert admin("POST", "/queues/resume").json == {"pause": None, "changed": True}
        assert admin("POST", "/queues/resume").json == {"pause": None, "changed": False}

    @pytest.mark.parametrize("reason", ["x" * 501, "two\nlines", 1])
    def test_refuses_what_is_no_reason(self, admin, reason):
        answer = admin("POST", "/queues/pause", json={"reason": reason})
        problem(answer, 422, "invalid-request")
        assert admin("GET", "/queues").json["pause"] is None

    def test_readiness_tells_it_without_names_and_counts_it_with_workers(self, client, admin):
        admin("POST", "/queues/pause", json=REASON)
        answer = client.get("/crewexec/health/ready")
        assert (answer.status_code, answer.json["checks"]["queue"]) == (200, "paused")
        assert REASON["reason"] not in answer.text
        assert host.ADMIN not in answer.text
        assert client.get("/crewexec/health/ready?require=workers").status_code == 503

    def test_users_are_told_what_their_executions_wait_for(self, api, admin):
        id = api.queue(documents.chain("a"))
        admin("POST", "/queues/pause", json=REASON)
        (listed,) = api("GET", "/executions").json["executions"]
        for told in (api.status(id), listed):
            assert told["progress"]["waiting_for"] == "paused_queue"
            assert REASON["reason"] not in json.dumps(told)

    @pytest.mark.parametrize("paused", [False, True])
    def test_metrics_tell_it(self, admin, paused):
        if paused:
            admin("POST", "/queues/pause")
        assert f"crewexec_queue_paused {float(paused)}\n" in admin("GET", "/metrics").text

    def test_the_log_tells_who_did_what(self, admin, caplog):
        caplog.set_level(logging.WARNING)
        admin("POST", "/queues/pause", json=REASON)
        admin("POST", "/queues/resume")
        assert [each for each in caplog.messages if "queue" in each] == [
            "admin has paused the queue: The database moves.",
            "admin has resumed the queue.",
        ]


class TestTerminal:
    def test_pauses_and_resumes(self, command):
        told = command("pause-queue", "--reason=The database moves.", "--by=ops").splitlines()
        assert told[0].startswith("The queue is paused since ")
        assert told[0].endswith(" by ops: no execution starts.")
        assert told[1] == "Reason: The database moves."
        assert command("queue").splitlines()[-2:] == told
        assert json.loads(command("queue", "--json"))["pause"]["by"] == "ops"
        assert command("pause-queue").splitlines() == ["The queue was paused already.", *told]
        assert command("resume-queue") == "Executions start.\n"
        assert command("resume-queue") == "The queue was not paused.\nExecutions start.\n"
        assert json.loads(command("queue", "--json"))["pause"] is None

    def test_the_monitor_and_the_checks_tell_it(self, app, command):
        command("pause-queue")
        checked = app.test_cli_runner().invoke(args=["crewexec", "check"])
        assert "The queue is paused: no execution starts." in checked.output
