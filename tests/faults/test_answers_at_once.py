"""Several answers in one request, while other things happen to the same execution."""

from __future__ import annotations

import json
import os
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest

from support.in_process import at_once
from support.in_process import run
from support.input_requests import change_requests
from support.input_requests import LONG_AGO
from support.input_requests import parallel
from support.input_requests import requests_of
from support.input_requests import send_answer
from support.input_requests import send_answers
from support.paths import TESTS

ANSWER_ALL = [sys.executable, "-m", "flask", "--app", "support.host_app.host", "crewexec"]


@pytest.fixture
def asked(api):
    """An execution that waits for two answers."""
    id = api.queue(parallel("a", "b"))
    assert run(id) == "waiting_input"
    return id


def decide(api, id, decision):
    """Return the answers that decide in the same way about everything."""
    return [{"id": each["id"], "decision": decision} for each in requests_of(api, id)]


def decided(api, id):
    return {(each["status"], each["decision"]) for each in requests_of(api, id)}


class TestTwoAtOnce:
    @pytest.fixture
    def answer_in_process(self, environment, fork_server, tmp_path):
        """Answer by a command of another process, once ``go`` is called."""

        def start(pool, id, answers, by):
            pipe = tmp_path / by
            os.mkfifo(pipe)
            command = [*ANSWER_ALL, "answer-all", id, str(pipe), "--by", by]
            variables = {**os.environ, **environment, "PYTHONPATH": str(TESTS)}
            ended = pool.submit(fork_server.run, command, environment=variables, timeout=120)
            opened = pipe.open("w")  # waits until the command reads it
            opened.write(json.dumps({"answers": answers}))
            return ended, opened.close

        return start

    def test_one_of_two_processes_wins(self, app, api, asked, answer_in_process):
        with ThreadPoolExecutor(2) as pool:
            approve, reject = decide(api, asked, "approve"), decide(api, asked, "reject")
            first, go = answer_in_process(pool, asked, approve, "ann")
            second, go_too = answer_in_process(pool, asked, reject[::-1], "bob")
            go()
            go_too()
            codes = [each.result(120).returncode for each in (first, second)]
        assert sorted(codes) == [0, 1]
        decision = "approve" if codes[0] == 0 else "reject"
        assert decided(api, asked) == {("answered", decision)}
        assert len(api.events_of(asked, "input_answered")) == 2
        assert api.event_types(asked).count("queued") == 2
        assert run(asked) == ("completed" if codes[0] == 0 else "failed")

    def test_one_answer_and_all(self, app, api, admin, asked):
        last = requests_of(api, asked)[0]["id"]
        one, all_of_them = at_once(
            app,
            lambda: send_answer(admin, last, "reject").status_code,
            lambda: send_answers(api, asked, decide(api, asked, "approve")).status_code,
        )
        assert sorted([one, all_of_them]) == [202, 409]
        others = "open" if one == 202 else "answered"
        states = {each["id"]: each["status"] for each in requests_of(api, asked)}
        assert states.pop(last) == "answered"
        assert {*states.values()} == {others}


class TestEndsAtOnce:
    def test_all_answers_and_a_cancellation(self, app, api, asked):
        answers = decide(api, asked, "approve")
        answered, cancelled = at_once(
            app,
            lambda: send_answers(api, asked, answers).status_code,
            lambda: api("POST", f"/executions/{asked}/cancel").status_code,
        )
        assert cancelled == 202
        assert answered in (202, 410)
        assert api.status(asked)["status"] == "cancelled"
        stored = ("answered", "approve") if answered == 202 else ("withdrawn", None)
        assert decided(api, asked) == {stored}
        assert run(asked) == "not-claimed"

    def test_all_answers_and_the_expiry(self, app, api, reconcile):
        id = api.queue(parallel("a", "b", review={"expires_in": 1000}))
        run(id)
        answers = decide(api, id, "approve")
        first = answers[0]["id"]
        change_requests(id, only=first, expires_at=LONG_AGO)
        answered, _ = at_once(app, lambda: send_answers(api, id, answers).status_code, reconcile)
        reconcile()
        assert answered == 410
        states = {each["id"]: each["status"] for each in requests_of(api, id)}
        assert states == {first: "expired", answers[1]["id"]: "open"}
        assert len(api.events_of(id, "input_expired")) == 1


class TestBroker:
    @pytest.fixture
    def redis_process(self, tmp_path):
        """A server of our own, since we stop it."""
        from support.servers.redis_process import RedisProcess
        from support.servers.redis_servers import chosen_redis

        with RedisProcess(tmp_path, chosen_redis()) as process:
            yield process

    def test_all_answers_count_while_it_is_away(
        self, redis_process, api, model, asked, start_worker, settle
    ):
        redis_process.stop()
        assert send_answers(api, asked, decide(api, asked, "approve")).status_code == 202
        assert api.status(asked)["status"] == "queued"
        redis_process.start()
        start_worker(pool="threads")
        settle(asked)
        assert len(model.calls) == 3
