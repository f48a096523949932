"""Fair scheduling: the executions of one user do not hold up those of another."""

from __future__ import annotations

import threading
import uuid
from collections.abc import Callable
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
import sqlalchemy as sa
from flask import Flask

from flask_crewexec import clock
from flask_crewexec.app_state import current_app_state
from flask_crewexec.messaging.broker import queue_depths
from flask_crewexec.scheduling.fair_scheduler import release_next
from flask_crewexec.scheduling.fair_scheduler import release_next_or_raise
from flask_crewexec.statuses import TERMINAL
from flask_crewexec.storage import leases
from flask_crewexec.storage.leases import LeaseRequest
from support.api_client import Api
from support.graphs import documents
from support.in_process import change
from support.in_process import column
from support.in_process import run
from support.message_lists import list_of
from support.servers.processes import wait_until

MANY = 200
CROWD = 8


@pytest.fixture
def gate() -> Iterator[threading.Event]:
    """A gate for model calls, which is open at the latest when the test ends."""
    gate = threading.Event()
    yield gate
    gate.set()


@pytest.fixture
def messages(app: Flask) -> Callable[[], int]:
    """The number of messages that wait for a worker."""
    return lambda: sum(queue_depths(app.extensions["crewexec"])["crew_execution"].values())


def queue(api: Api, count: int, name: str = "a", **order: object) -> list[str]:
    """Queue one graph *count* times."""
    body = {"graph_id": api.graph(documents.chain(name)), **order}
    answers = [api("POST", "/executions", json=body) for _ in range(count)]
    assert {answer.status_code for answer in answers} == {202}, answers[-1].json
    return [answer.json["id"] for answer in answers]


def statuses() -> dict[str, int]:
    execution = current_app_state().models.execution
    query = sa.select(execution.status, sa.func.count()).group_by(execution.status)
    with current_app_state().database.read_session() as session:
        return {status: count for status, count in session.execute(query)}


def started_between(owner: str, id: str) -> int:
    """Count the executions of one owner that started while one of another owner waited."""
    execution = current_app_state().models.execution
    query = sa.select(sa.func.count()).where(
        execution.owner_id == owner,
        execution.started_at > column(id, "created_at"),
        execution.started_at < column(id, "started_at"),
    )
    with current_app_state().database.read_session() as session:
        return session.scalars(query).one()


def add_worker(concurrency: int, queues: tuple[str, ...] = ("crew_execution",)) -> None:
    """Insert the row of a live worker."""
    now = clock.now()
    with current_app_state().database.write_transaction() as session:
        session.add(
            current_app_state().models.worker(
                name=f"w{uuid.uuid4()}",
                pid=1,
                queues=list(queues),
                pool="threads",
                concurrency=concurrency,
                started_at=now,
                seen_at=now,
            )
        )


def at_once(app: Flask, work: Callable[[int], int]) -> list[int]:
    """Do the work in many threads at the same time."""
    start = threading.Barrier(CROWD)

    def one(number: int) -> int:
        with app.app_context():
            start.wait()
            return work(number)

    with ThreadPoolExecutor(CROWD) as pool:
        return list(pool.map(one, range(CROWD)))


@pytest.mark.timeout(400)
@pytest.mark.each_pool
class TestManyOfOneUser:
    # A stall of the machine is no fault here: it takes a while until so many are queued.
    @pytest.mark.settings(STALE_WORKER_AFTER=60.0, LEASE_SECONDS=60.0)
    def test_another_user_starts_next_or_second_next_and_everything_runs_once(
        self, start_worker, api, stranger, model, gate, messages, pool
    ):
        model.on("Do first", hold=gate)
        start_worker(pool=pool, concurrency=1)
        queue(api, 1, "first")
        model.wait_for_calls(1)
        queue(api, MANY)
        (id,) = queue(stranger, 1, "b")
        assert messages() == 2
        gate.set()
        wait_until(lambda: column(id, "started_at"), what="the start of the other user's run")
        assert started_between("ada", id) <= 1
        start_worker(pool=pool, concurrency=4)
        wait_until(lambda: statuses().keys() <= TERMINAL, seconds=300, what="the end of all")
        assert statuses() == {"completed": MANY + 2}
        assert len(model.calls) == MANY + 2

    @pytest.mark.settings(MAX_WORKER_LOSSES=1000)
    def test_killed_workers_and_lost_messages_block_nobody_forever(
        self, start_worker, api, stranger, model, gate, broker_url, reconcile, redis_process, pool
    ):
        model.on("Do first", hold=gate, times=2)
        worker = start_worker(pool=pool, concurrency=2)
        queue(api, 2, "first")
        model.wait_for_calls(2)
        queue(api, 20)
        queue(stranger, 20, "b")
        worker.kill()
        with redis_process.client() as client:
            client.delete(*client.keys("crew_execution*"))
        gate.set()
        start_worker(pool=pool, concurrency=2)
        wait_until(
            lambda: reconcile() and statuses() == {"completed": 42},
            seconds=100,
            what="the end of all",
        )
        assert len(model.calls_matching("Do a")) == len(model.calls_matching("Do b")) == 20


class TestHolding:
    def test_a_claim_releases_the_next_execution(self, api, model, messages):
        first, second, third = queue(api, 3)
        assert messages() == 1
        assert [column(id, "on_hold") for id in (first, second, third)] == [False, True, True]
        assert run(first) == "completed"
        assert [column(id, "on_hold") for id in (first, second, third)] == [False, False, True]
        assert messages() == 2  # the first one's, too: no worker has read it
        assert [run(second), run(third)] == ["completed"] * 2
        assert messages() == 3
        assert len(model.calls) == 3

    def test_free_slots_are_filled_at_once(self, api, messages):
        add_worker(3)
        add_worker(9, ("cleanup", "crew-execution"))  # '_' stands for nothing else
        queue(api, 5)
        assert messages() == 3

    def test_an_urgent_execution_overtakes_those_on_hold(self, api, messages):
        first, *_ = queue(api, 3, priority=7)
        urgent, second = queue(api, 2, priority=2)
        assert messages() == 2
        assert run(first) == "completed"
        assert not column(urgent, "on_hold")
        assert column(second, "on_hold")
        assert run(urgent) == "completed"
        assert not column(second, "on_hold")

    def test_concurrent_releases_send_one_message(self, app, api, messages):
        first, *_ = queue(api, 5)
        change(first, status="cancelled")
        sent = at_once(app, lambda _: release_next_or_raise(current_app_state(), "ada"))
        assert (sorted(sent), messages()) == ([0] * (CROWD - 1) + [1], 2)

    def test_concurrent_submissions_send_at_least_one_message(self, app, api, messages):
        body = {"graph_id": api.graph(documents.chain("a"))}
        at_once(app, lambda _: Api(app.test_client(), "ada")("POST", "/executions", json=body))
        held = sum(
            column(each["id"], "on_hold") for each in api("GET", "/executions").json["executions"]
        )
        assert messages() == CROWD - held >= 1

    def test_operators_see_how_many_are_on_hold(self, api, admin):
        queue(api, 3)
        shown = admin("GET", "/queues").json
        assert (shown["queues"]["crew_execution"]["5"], shown["on_hold"]["5"]) == (1, 2)
        scraped = admin("GET", "/metrics").text
        assert 'crewexec_executions_on_hold{priority="5"} 2.0' in scraped

    def test_an_execution_on_hold_is_cancelled_at_once(self, api, messages):
        _, second, _ = queue(api, 3)
        assert api("POST", f"/executions/{second}/cancel").json["status"] == "cancelled"
        assert messages() == 1

    def test_cancelling_a_published_execution_releases_the_next_one(self, api, messages):
        first, second = queue(api, 2)
        api("POST", f"/executions/{first}/cancel")
        assert (column(second, "on_hold"), messages()) == (False, 2)

    def test_a_retry_is_put_on_hold(self, api, messages):
        first, second = queue(api, 2)
        api("POST", f"/executions/{first}/cancel")
        answer = api("POST", f"/executions/{first}/retry")
        assert (answer.status_code, answer.json["status"]) == (202, "queued")
        assert (column(first, "on_hold"), column(second, "on_hold")) == (True, False)
        assert run(second) == "completed"
        assert (column(first, "on_hold"), run(first)) == (False, "completed")

    def test_retries_that_are_due_together_are_released_one_by_one(self, api, reconcile, messages):
        ids = queue(api, 4)
        for id in ids:
            change(id, status="retrying", available_at=clock.now(), attempt=2, on_hold=False)
        wait_until(lambda: reconcile()["retried"] == 0, what="the retries")
        assert sum(column(id, "on_hold") for id in ids) == 3
        assert messages() == 2  # with that of the first attempt

    def test_the_reconciler_releases_what_a_dead_process_did_not(self, api, reconcile, messages):
        first, second, _ = queue(api, 3)
        change(first, status="cancelled")
        assert [reconcile()["released"] for _ in range(2)] == [1, 0]
        assert (column(second, "on_hold"), messages()) == (False, 2)

    @pytest.mark.settings(REPUBLISH_AFTER=0.001)
    def test_executions_on_hold_are_not_taken_for_lost_messages(
        self, api, reconcile, messages, redis_process
    ):
        _, *held = queue(api, 3)
        assert [reconcile()["republished"] for _ in range(5)] == [0] * 5
        with redis_process.client() as client:
            client.delete(list_of(5))
        assert reconcile()["republished"] == 1
        assert [column(id, "published_at") for id in held] == [None, None]
        assert messages() == 1

    @pytest.mark.settings(REPUBLISH_AFTER=0.001)
    def test_messages_of_cancelled_executions_do_not_hide_a_lost_message(
        self, api, stranger, admin, reconcile, messages, redis_process
    ):
        (lost,) = queue(api, 1)
        with redis_process.client() as client:
            client.delete(list_of(5))
        (later,) = queue(stranger, 1, "b")
        for id in queue(admin, 2):
            admin("POST", f"/executions/{id}/cancel")
        assert messages() == 3
        assert reconcile()["republished"] == 0
        change(later, status="running")
        assert [reconcile()["republished"] for _ in range(3)] == [1, 0, 0]
        assert column(lost, "published_at") > column(later, "published_at")
        assert messages() == 4


@pytest.mark.sqlite_enough
class TestPlaceInTheQueue:
    def test_users_take_turns(self, api, stranger):
        mine = queue(api, 3)
        (theirs,) = queue(stranger, 1)
        places = [api.status(id)["progress"]["queue_position"] for id in mine]
        assert places == [1, 3, 4]
        assert stranger.status(theirs)["progress"]["queue_position"] == 2


@pytest.mark.settings(MAX_RUNNING_PER_USER=1)
class TestRunningAtOnce:
    @pytest.mark.each_pool
    def test_executions_beyond_the_limit_wait_until_one_ends(
        self, start_worker, api, stranger, model, gate, pool
    ):
        model.on("Do a", hold=gate)
        start_worker(pool=pool, concurrency=3)
        mine = queue(api, 2) + queue(api, 1, priority=1)
        (theirs,) = queue(stranger, 1, "b")
        wait_until(lambda: stranger.status(theirs)["status"] == "completed", what="the other run")
        assert statuses() == {"completed": 1, "queued": 2, "running": 1}
        gate.set()
        wait_until(lambda: statuses() == {"completed": 4}, what="the end of all")
        starts, ends = (
            sorted(column(id, name) for id in mine) for name in ("started_at", "finished_at")
        )
        assert all(start >= end for start, end in zip(starts[1:], ends, strict=False))

    def test_concurrent_claims_never_exceed_the_limit(self, app, api, messages):
        ids = [queue(api, 1, priority=number + 1)[0] for number in range(CROWD)]

        def claim(number: int) -> bool:
            app_state = current_app_state()
            with app_state.database.write_transaction() as session:
                request = LeaseRequest(uuid.UUID(ids[number]), 1, "w", 60.0, max_running=1)
                return leases.acquire(session, app_state.models, request) is not None

        assert sorted(at_once(app, claim)) == [False] * (CROWD - 1) + [True]
        assert sum(column(id, "on_hold") for id in ids) == CROWD - 1

    def test_the_end_of_an_execution_releases_the_next_one(self, api, messages):
        first, second = queue(api, 2)
        change(first, status="running", lease_expires_at=None)
        release_next(current_app_state(), "ada")
        assert (column(second, "on_hold"), messages()) == (True, 1)
        change(first, status="completed", finished_at=clock.now())
        release_next(current_app_state(), "ada")
        assert (column(second, "on_hold"), messages()) == (False, 2)
