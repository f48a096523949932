"""Submissions that are sent more than once."""

from __future__ import annotations

import threading
import typing as t
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest
import sqlalchemy as sa

from flask_crewexec.messaging.broker import queue_depths
from flask_crewexec.tasks import execution
from support.api_client import Api
from support.graphs import documents
from support.message_lists import list_of
from support.servers.redis_process import RedisProcess
from support.servers.redis_servers import chosen_redis

KEY = "order-1"
CROWD = 8


@pytest.fixture
def redis_process(tmp_path):
    """A server of our own, since we stop it."""
    with RedisProcess(tmp_path / "redis", chosen_redis()) as process:
        yield process


@pytest.fixture
def graph(api):
    return api.graph(documents.chain("a"))


@pytest.fixture
def app_state(app):
    return app.extensions["crewexec"]


@pytest.fixture
def stored(app):
    """The stored executions, as the database has them now."""
    model = app.extensions["crewexec"].models.execution

    def stored():
        with app.extensions["sqlalchemy"].engine.connect() as connection:
            return connection.execute(sa.select(model.id, model.published_at)).all()

    return stored


@pytest.fixture
def messages(app_state):
    """The number of messages that wait for a worker."""
    return lambda: sum(queue_depths(app_state)["crew_execution"].values())


@pytest.fixture
def forget_publishing(app):
    """Make the rows look as if the web server had died before it sent their messages."""
    model = app.extensions["crewexec"].models.execution

    def forget():
        with app.extensions["sqlalchemy"].engine.begin() as connection:
            connection.execute(sa.update(model).values(published_at=None))

    return forget


def order(api, graph, key=KEY, **more):
    headers = {} if key is None else {"Idempotency-Key": key}
    return api("POST", "/executions", json={"graph_id": graph, **more}, headers=headers)


def at_once(app, work: Callable[[Api], t.Any]) -> list[t.Any]:
    """Do the work in many threads at the same time, as a web server does."""
    start = threading.Barrier(CROWD)

    def one(_: int) -> t.Any:
        start.wait()
        return work(Api(app.test_client(), "ada"))

    with ThreadPoolExecutor(CROWD) as pool:
        return list(pool.map(one, range(CROWD)))


class TestCrowd:
    def test_concurrent_requests_with_one_key_queue_one_execution(
        self, app, api, graph, stored, messages
    ):
        answers = at_once(app, lambda api: order(api, graph))
        accepted = [answer for answer in answers if answer.status_code == 202]
        others = [answer for answer in answers if answer.status_code != 202]
        assert len({answer.json["id"] for answer in accepted}) == 1
        assert [answer.json["code"] for answer in others] == ["idempotency-key-in-use"] * len(
            others
        ), [answer.json for answer in others]
        assert (len(stored()), messages()) == (1, 1)
        assert order(api, graph).json["id"] == accepted[0].json["id"]

    def test_while_the_broker_is_down_nobody_receives_an_execution_that_is_deleted(
        self, app, api, graph, redis_process, stored
    ):
        redis_process.stop()
        answers = at_once(app, lambda api: order(api, graph))
        codes = {answer.json["code"] for answer in answers}
        assert codes <= {"broker-unavailable", "idempotency-key-in-use"}
        assert stored() == []
        redis_process.start()
        assert order(api, graph).status_code == 202


@pytest.mark.sqlite_enough
class TestKey:
    def test_the_same_submission_returns_the_first_execution(self, api, graph, stored, messages):
        first, second = order(api, graph), order(api, graph)
        assert (first.status_code, second.status_code) == (202, 202)
        assert first.json["id"] == second.json["id"]
        assert first.headers["Location"] == second.headers["Location"]
        assert (len(stored()), messages()) == (1, 1)

    def test_an_execution_that_has_ended_is_returned_as_well(self, api, model, graph, messages):
        id = order(api, graph).json["id"]
        execution.handle({"execution_id": id})
        again = order(api, graph)
        assert (again.status_code, again.json["id"]) == (202, id)
        assert again.json["status"] == "completed"
        assert (len(model.calls), messages()) == (1, 1)

    @pytest.mark.parametrize(
        "change",
        [
            {"priority": 1},
            {"inputs": {"topic": "bees"}},
            {"thread_id": "talk"},
            {"max_llm_calls": 3},
        ],
        ids=lambda change: next(iter(change)),
    )
    def test_a_different_submission_with_the_same_key_is_refused(
        self, api, graph, stored, messages, change
    ):
        order(api, graph)
        answer = order(api, graph, **change)
        assert (answer.status_code, answer.json["code"]) == (422, "idempotency-key-reused")
        assert (len(stored()), messages()) == (1, 1)

    def test_another_graph_with_the_same_key_is_refused(self, api, graph, stored):
        order(api, graph)
        answer = order(api, api.graph(documents.chain("b")))
        assert (answer.status_code, answer.json["code"]) == (422, "idempotency-key-reused")
        assert len(stored()) == 1

    def test_keys_of_different_users_are_independent(self, api, stranger, graph, stored, messages):
        mine = order(api, graph)
        theirs = order(stranger, stranger.graph(documents.chain("a")))
        assert (mine.status_code, theirs.status_code) == (202, 202)
        assert mine.json["id"] != theirs.json["id"]
        assert (len(stored()), messages()) == (2, 2)

    def test_without_a_key_each_request_queues_an_execution(self, api, graph, stored, messages):
        first, second = order(api, graph, key=None), order(api, graph, key=None)
        assert first.json["id"] != second.json["id"]
        assert (len(stored()), messages()) == (2, 1)  # the second waits for the user's turn

    def test_an_execution_on_hold_is_returned_as_well(self, api, graph, stored, messages):
        order(api, graph, "first")
        first, second = order(api, graph), order(api, graph)
        assert (first.status_code, second.status_code) == (202, 202)
        assert first.json["id"] == second.json["id"]
        assert (len(stored()), messages()) == (2, 1)

    @pytest.mark.parametrize("key", ["", "k" * 256], ids=["empty", "too long"])
    def test_a_key_that_cannot_be_stored_is_refused(self, api, graph, stored, key):
        answer = order(api, graph, key)
        assert answer.status_code == 422, answer.json
        assert stored() == []

    def test_the_longest_key_is_stored_completely(self, api, graph, stored):
        first, second = order(api, graph, "k" * 255), order(api, graph, "k" * 254 + "l")
        assert (first.status_code, second.status_code) == (202, 202)
        assert len(stored()) == 2

    def test_a_key_is_free_again_after_its_submission_was_refused(
        self, api, graph, redis_process, stored, messages
    ):
        redis_process.stop()
        assert order(api, graph).json["code"] == "broker-unavailable"
        assert stored() == []
        redis_process.start()
        first, second = order(api, graph), order(api, graph)
        assert (first.status_code, second.status_code) == (202, 202)
        assert first.json["id"] == second.json["id"]
        assert (len(stored()), messages()) == (1, 1)

    def test_an_execution_is_returned_once_the_reconciler_has_sent_its_message(
        self, api, graph, broker_url, redis_process, reconcile, stored, messages, forget_publishing
    ):
        id = order(api, graph).json["id"]
        with redis_process.client() as client:
            client.delete(list_of(5))
        forget_publishing()
        for _ in range(2):
            answer = order(api, graph)
            assert (answer.status_code, answer.json["code"]) == (409, "idempotency-key-in-use")
        assert messages() == 0
        assert reconcile()["republished"] == 1
        answer = order(api, graph)
        assert (answer.status_code, answer.json["id"]) == (202, id)
        assert (len(stored()), messages()) == (1, 1)
