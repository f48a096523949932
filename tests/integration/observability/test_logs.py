"""The context in the logs of workers, and the request id of an execution."""

from __future__ import annotations

import json
import logging
import re

import psutil
import pytest

from flask_crewexec import AsyncExecutionService
from flask_crewexec.observability.logs import ContextFilter
from flask_crewexec.observability.logs import JsonFormatter
from flask_crewexec.testing import Rule
from support.graphs import documents
from support.in_process import run
from support.paths import TESTS
from support.servers.celery_nodes import WorkerProcesses
from support.servers.processes import wait_until

pytestmark = pytest.mark.libraries

SAY = Rule(tool=("say", {"text": "good day"}), after_tool=False, times=1)


@pytest.fixture
def said(api, model):
    """Return the id of an execution whose tool writes to the log."""
    model.add(SAY)
    document = documents.chain("a", tools=("say",))
    graph_id = api.graph(document)
    answer = api(
        "POST", "/executions", json={"graph_id": graph_id}, headers={"X-Request-ID": "web-7"}
    )
    return answer.json["id"]


def line_with(worker, text):
    wait_until(lambda: text in worker.log_text(), what=f"'{text}' in the log")
    return next(line for line in worker.log_text().splitlines() if text in line)


def is_json(line: str) -> bool:
    try:
        return isinstance(json.loads(line), dict)
    except ValueError:
        return False


@pytest.mark.sqlite_enough
class TestWorkersLog:
    @pytest.mark.parametrize("pool", ["prefork", "threads"])
    def test_each_line_of_a_run_has_its_context(self, start_worker, api, said, pool):
        worker = start_worker(pool=pool)
        assert api.ended(said)["status"] == "completed"
        context = f"[execution_id={said} attempt=1 user_id=ada request_id=web-7]"
        for text in ("A tool says: good day", "A tool prints: good day", "HTTP Request: POST"):
            assert line_with(worker, text).endswith(context)
        assert "execution_id" not in line_with(worker, "ready.")

    def test_our_own_lines_and_tracebacks(self, start_worker, api, model):
        model.on("Do a", status=400, reply="no")
        worker = start_worker()
        id = api.queue(documents.chain("a"))
        correlation_id = api.ended(id)["error"]["correlation_id"]
        assert f"[execution_id={id} attempt=1 user_id=ada" in line_with(worker, correlation_id)
        assert "Traceback" in worker.log_text()

    @pytest.mark.settings(LOG_FORMAT="json")
    def test_as_json(self, start_worker, api, said):
        # In a forked process, CrewAI has configured the log before.
        worker = start_worker(fork_server=None)
        assert api.ended(said)["status"] == "completed"
        line = json.loads(line_with(worker, "A tool says"))
        assert line["message"] == "A tool says: good day"
        assert (line["logger"], line["level"]) == ("support.host_app.host", "WARNING")
        assert (line["execution_id"], line["attempt"], line["user_id"]) == (said, 1, "ada")
        assert line["request_id"] == "web-7"
        warnings = [line for line in worker.log_text().splitlines() if "Warning" in line]
        assert [line for line in warnings if not is_json(line)] == []  # one is for root only

    @pytest.mark.settings(LOG_FORMAT="plain")
    def test_as_celery_writes_it(self, start_worker, api, said):
        worker = start_worker()
        assert api.ended(said)["status"] == "completed"
        assert line_with(worker, "A tool says").endswith("good day")


@pytest.mark.sqlite_enough
def test_runs_in_this_process_do_not_mix(api, app, model, caplog):
    caplog.handler.addFilter(ContextFilter())
    caplog.set_level(logging.INFO)
    model.add(SAY, SAY)
    document = documents.chain("a", tools=("say",))
    ids = [api.queue(document), api.queue(document)]
    for id in ids:
        run(id)
    found = [r.execution_id for r in caplog.records if r.getMessage().startswith("A tool says")]
    assert found == ids
    logging.getLogger("host").warning("afterwards")
    assert caplog.records[-1].execution_id is None


@pytest.mark.sqlite_enough
@pytest.mark.settings(LOG_FORMAT="json", RECONCILE_INTERVAL=0.5)
def test_everything_that_several_workers_log_is_json(environment, tmp_path, api, model, said):
    variables = {**environment, "PYTHONPATH": str(TESTS)}
    options = ("--pool=prefork", "--concurrency=1", "--beat")
    with WorkerProcesses(tmp_path, variables, *options) as workers:
        assert api.ended(said)["status"] == "completed"
        line_with(workers, "Sending due task")
        _, worker = sorted(psutil.Process(workers.pid).children(), key=psutil.Process.create_time)
        (child,) = worker.children()
        child.kill()
        line_with(workers, "exited with 'signal 9")
        worker.kill()
        line_with(workers, "ended with signal 9")
    printed = re.compile(r"|worker: Warm shutdown \(MainProcess\)")  # by Celery
    lines = [line for line in workers.log_text().splitlines() if not printed.fullmatch(line)]
    assert [line for line in lines if not is_json(line)] == []


@pytest.mark.sqlite_enough
class TestSubmissions:
    """A web server logs one line for each, with the ids that lead to the worker's lines."""

    @pytest.fixture
    def record(self, api, caplog):
        caplog.handler.addFilter(ContextFilter())
        caplog.set_level(logging.INFO, "flask_crewexec")
        order = {"graph_id": api.graph(documents.chain("a")), "inputs": {"topic": "top secret"}}
        caplog.clear()
        answer = api("POST", "/executions", json=order, headers={"X-Request-ID": "web-7"})
        assert answer.status_code == 202
        (record,) = caplog.records
        self.ids = {"execution_id": answer.json["id"], "graph_id": order["graph_id"]}
        return record

    def test_as_text(self, record):
        text = logging.Formatter("%(message)s%(crewexec)s").format(record)
        execution_id, graph_id = self.ids.values()
        message = f"Execution {execution_id} of graph {graph_id} was queued."
        assert text == f"{message} [execution_id={execution_id} user_id=ada request_id=web-7]"

    def test_as_json(self, record):
        text = JsonFormatter().format(record)
        expected = {**self.ids, "user_id": "ada", "request_id": "web-7"}
        assert expected.items() <= json.loads(text).items()
        assert "secret" not in text


class TestRequestId:
    def test_is_kept_shown_and_answered(self, api, said):
        assert api.status(said)["request_id"] == "web-7"
        answer = api("GET", "/executions", headers={"X-Request-ID": "web-8"})
        assert answer.headers["X-Request-ID"] == "web-8"
        (listed,) = answer.json["executions"]
        assert listed["request_id"] == "web-7"

    def test_one_that_could_forge_a_line_is_replaced(self, api):
        graph_id = api.graph(documents.chain("a"))
        headers = {"X-Request-ID": "x" * 101}
        answer = api("POST", "/executions", json={"graph_id": graph_id}, headers=headers)
        assert len(answer.json["request_id"]) == 32
        assert answer.headers["X-Request-ID"] == answer.json["request_id"]

    def test_trying_again_is_another_request(self, api, model):
        model.on("Do a", status=400, times=1, reply="no")
        id = api.queue(documents.chain("a"))
        run(id)
        answer = api("POST", f"/executions/{id}/retry", headers={"X-Request-ID": "web-9"})
        assert answer.json["request_id"] == "web-9"

    def test_there_is_none_without_a_request(self, api, app):
        graph_id = api.graph(documents.chain("a"))
        id = AsyncExecutionService().queue_execution(graph_id, None, "ada")
        assert api.status(id)["request_id"] is None

    def test_errors_name_it_too(self, client):
        answer = client.get("/crewexec/executions", headers={"X-Request-ID": "web-1"})
        assert answer.status_code == 401
        assert answer.headers["X-Request-ID"] == "web-1"
