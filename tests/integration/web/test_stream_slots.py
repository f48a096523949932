"""Requests that wait, beyond what the web server has threads for."""

from __future__ import annotations

import contextlib
import typing as t
from concurrent.futures import Future
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from flask_crewexec.app_state import current_app_state
from flask_crewexec.web.stream_slots import limiters
from support.graphs import documents
from support.host_app import host
from support.in_process import run
from support.servers.gunicorn import Gunicorn
from support.servers.processes import wait_until

THREADS = 4
OPTIONS: dict[str, t.Any] = {"timeout": 60, "trust_env": False}
WAIT = {"Prefer": "wait=30"}


@pytest.mark.sqlite_enough
class TestThreadedServer:
    @pytest.fixture
    def server(self, start_server) -> Gunicorn:
        options = (f"--threads={THREADS}", "--graceful-timeout=300")
        return start_server("--worker-class=gthread", *options)

    def test_it_answers_others_however_many_wait(self, server, api):
        id = api.queue(documents.chain("a"))
        body = {"graph_id": api.status(id)["graph_id"]}
        url = f"{server.url}/crewexec/executions"
        with ThreadPoolExecutor(2 * THREADS) as pool, client() as http:
            users = ("ada", host.ADMIN) * THREADS
            waits = [
                pool.submit(http.get, f"{url}/{id}", headers={**WAIT, "X-User": user})
                for user in users
            ]
            wait_until(lambda: pending(waits) == THREADS - 1, what="those that cannot wait")
            answers = [
                http.post(url, json=body, headers=WAIT),
                http.get(f"{url}/{id}", headers=WAIT),
                http.get(f"{url}/{id}/events?after=1&wait=30"),
            ]
            assert http.get(f"{server.url}/crewexec/health/live").status_code == 200
            assert pending(waits) == THREADS - 1
            server.stop()  # which ends those that wait
        assert [answer.status_code for answer in answers] == [202, 200, 200]
        assert all(answer.headers["Retry-After"] for answer in answers)
        assert [wait.result().status_code for wait in waits] == [200] * len(waits)
        assert sum("Retry-After" in wait.result().headers for wait in waits) == THREADS + 1


@pytest.mark.sqlite_enough
def test_a_server_with_one_thread_lets_nothing_wait(start_server, api):
    id = api.queue(documents.chain("a"))
    url = f"{start_server().url}/crewexec/executions/{id}"
    with client() as http:
        answer = http.get(url, headers=WAIT)
        refused = http.get(f"{url}/events", headers={"Accept": "text/event-stream"})
    assert (answer.json()["status"], answer.headers["Retry-After"]) == ("queued", "2")
    assert (refused.status_code, refused.json()["code"]) == (503, "too-many-streams")
    assert "'--threads'" in refused.json()["detail"]


def client() -> httpx.Client:
    return httpx.Client(headers={"X-User": "ada"}, **OPTIONS)


def pending(waits: list[Future[httpx.Response]]) -> int:
    return sum(not wait.done() for wait in waits)


@pytest.mark.sqlite_enough
@pytest.mark.libraries
class TestLimits:
    @pytest.mark.parametrize(
        "most",
        [
            pytest.param(1, marks=pytest.mark.settings(MAX_STREAMS_PER_USER=1)),
            pytest.param(2, marks=pytest.mark.settings(MAX_STREAMS=4), id="half"),
        ],
    )
    def test_those_of_one_user_cost_others_nothing(self, most, app, api, stranger, model):
        id, other = api.queue(documents.chain("a")), stranger.queue(documents.chain("a"))
        run(other)
        with contextlib.ExitStack() as stack:
            for _ in range(most):
                stack.enter_context(limiters.current().acquire("ada", current_app_state().settings))
            assert api("GET", f"/executions/{id}", headers=WAIT).headers["Retry-After"]
            answer = stranger("GET", f"/executions/{other}", headers=WAIT)
        assert "Retry-After" not in answer.headers
        assert answer.json["status"] == "completed"

    @pytest.mark.settings(MAX_STREAMS_PER_USER=1)
    def test_a_wait_that_ends_frees_its_slot(self, api, model):
        id = api.queue(documents.chain("a"))
        run(id)
        answers = [api("GET", f"/executions/{id}", headers=WAIT) for _ in range(2)]
        assert not any("Retry-After" in answer.headers for answer in answers)
