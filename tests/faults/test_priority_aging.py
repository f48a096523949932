"""Aging: what waits becomes more urgent, so that nobody waits forever for urgent work."""

from __future__ import annotations

import datetime as dt
import threading
from collections.abc import Iterator

import pytest
import sqlalchemy as sa

from flask_crewexec import clock
from flask_crewexec.app_state import current_app_state
from flask_crewexec.messaging.broker import queue_depths
from support.graphs import documents
from support.in_process import change
from support.in_process import column
from support.in_process import run
from support.servers.processes import wait_until


@pytest.fixture
def gate() -> Iterator[threading.Event]:
    """A gate for model calls, which is open at the latest when the test ends."""
    gate = threading.Event()
    yield gate
    gate.set()


def queue(api, count, name="a", **order):
    body = {"graph_id": api.graph(documents.chain(name)), **order}
    return [api("POST", "/executions", json=body).json["id"] for _ in range(count)]


def wait_since(id, seconds):
    """Let the execution have waited for so long."""
    change(id, queued_at=clock.now() - dt.timedelta(seconds=seconds))


def messages():
    """The number of messages in each list that has any."""
    depths = queue_depths(current_app_state())["crew_execution"]
    return {urgency: count for urgency, count in depths.items() if count}


@pytest.mark.settings(PRIORITY_AGING=0.1)
def test_the_least_urgent_starts_although_more_urgent_ones_never_end(
    start_worker, api, stranger, model, gate, reconcile
):
    model.on("Do a", hold=gate)
    start_worker(pool="threads", concurrency=2)
    queue(api, 2)
    model.wait_for_calls(2)
    queue(api, 40, priority=1)
    (id,) = queue(stranger, 1, "b", priority=10)
    wait_until(lambda: reconcile() and column(id, "urgency") == 1, what="nine levels")
    gate.set()
    wait_until(lambda: stranger.status(id)["status"] == "completed", what="its end")
    execution = current_app_state().models.execution
    query = sa.select(sa.func.count()).where(
        execution.started_at > column(id, "created_at"),
        execution.started_at < column(id, "started_at"),
    )
    with current_app_state().database.read_session() as session:
        assert session.scalars(query).one() <= 2  # one per place of the worker


@pytest.mark.settings(PRIORITY_AGING=100.0)
class TestRaising:
    def test_it_gets_a_second_message_and_keeps_its_priority(self, api, reconcile, model):
        (id,) = queue(api, 1)
        assert (reconcile()["raised"], messages()) == (0, {5: 1})
        wait_since(id, 250)
        assert [reconcile()["raised"] for _ in range(2)] == [1, 0]
        assert (messages(), column(id, "urgency")) == ({3: 1, 5: 1}, 3)
        assert api.status(id)["priority"] == 5
        assert [run(id, attempt=1) for _ in range(2)] == ["completed", "not-claimed"]
        assert len(model.calls) == 1

    @pytest.mark.parametrize("priority", [2, 5, 10])
    def test_the_highest_urgency_is_reached_after_one_span_for_each_level(
        self, api, reconcile, priority
    ):
        (id,) = queue(api, 1, priority=priority)
        wait_since(id, (priority - 1) * 100 - 50)
        reconcile()
        assert column(id, "urgency") == 2
        wait_since(id, (priority - 1) * 100)
        reconcile()
        assert column(id, "urgency") == 1

    def test_nothing_is_more_urgent_than_the_first_priority(self, api, reconcile):
        (id,) = queue(api, 1)
        wait_since(id, 86_400)
        assert [reconcile()["raised"] for _ in range(2)] == [1, 0]
        assert column(id, "urgency") == 1

    def test_it_takes_no_place_from_others_of_its_user(self, api, reconcile):
        first, second, third = [queue(api, 1, priority=number)[0] for number in (4, 5, 6)]
        wait_since(second, 150)
        wait_since(third, 250)
        reconcile()
        assert [column(id, "urgency") for id in (first, second, third)] == [4, 4, 4]
        assert [column(id, "on_hold") for id in (first, second, third)] == [False, True, True]
        assert messages() == {4: 1, 5: 1, 6: 1}
        assert run(third, attempt=1) == "completed"  # by its former message

    def test_it_comes_before_what_is_less_urgent_now(self, api, stranger, reconcile):
        (mine,), (theirs,) = queue(api, 1, priority=6), queue(stranger, 1, "b", priority=5)
        assert api.status(mine)["progress"]["queue_position"] == 2
        wait_since(mine, 250)
        reconcile()
        assert api.status(mine)["progress"]["queue_position"] == 1
        wait_until(
            lambda: stranger.status(theirs)["progress"]["queue_position"] == 2,
            what="a new snapshot of the queue",
        )

    def test_a_crash_before_the_message_loses_nothing(self, api, reconcile):
        (id,) = queue(api, 1)
        wait_since(id, 150)
        engine = current_app_state().database.engine
        since: list[str] = []

        def die(connection, cursor, statement, *rest):
            if since or "SET urgency" in statement:
                since.append(statement)
            if len(since) == 2:
                raise RuntimeError("The process dies here.")

        sa.event.listen(engine, "before_cursor_execute", die)
        assert reconcile()["raised"] == 1
        sa.event.remove(engine, "before_cursor_execute", die)
        reconcile()
        assert (len(since) > 1, messages()) == (True, {4: 1, 5: 1})

    @pytest.mark.settings(REPUBLISH_AFTER=0.001)
    def test_a_lost_message_of_the_new_urgency_is_sent_again(self, api, reconcile, redis_process):
        (id,) = queue(api, 1)
        wait_since(id, 150)
        reconcile()
        with redis_process.client() as client:
            client.delete(*client.keys("crew_execution*"))
        assert [reconcile()["republished"] for _ in range(2)] == [1, 0]
        assert messages() == {4: 1}

    def test_a_retry_waits_from_the_beginning(self, api, reconcile):
        again, due = queue(api, 2)
        change(again, status="failed", urgency=1, finished_at=clock.now())
        change(due, status="retrying", urgency=1, available_at=clock.now(), attempt=2)
        assert api("POST", f"/executions/{again}/retry").status_code == 202
        wait_until(lambda: reconcile() and column(due, "status") == "queued", what="the retry")
        assert [column(id, "urgency") for id in (again, due)] == [5, 5]

    @pytest.mark.settings(RECONCILE_BATCH_SIZE=1)
    def test_one_user_s_backlog_does_not_delay_another_user(self, api, stranger, reconcile):
        first, held = queue(api, 2)
        change(first, status="cancelled", finished_at=clock.now())
        wait_since(held, 1_000)
        (theirs,) = queue(stranger, 1, "b")
        wait_since(theirs, 150)
        assert reconcile()["raised"] == 1
        assert [column(id, "urgency") for id in (held, theirs)] == [5, 4]


@pytest.mark.sqlite_enough
@pytest.mark.settings(PRIORITY_AGING=None)
def test_it_can_be_switched_off(api, reconcile):
    (id,) = queue(api, 1)
    wait_since(id, 86_400)
    assert (reconcile()["raised"], messages()) == (0, {5: 1})
