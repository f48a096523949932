"""Machines whose clocks are wrong: only the database's clock counts."""

from __future__ import annotations

import datetime as dt
import threading
import typing as t

import pytest

from flask_crewexec.app_state import current_app_state
from flask_crewexec.clock import as_utc
from flask_crewexec.services.worker_control import list_workers
from flask_crewexec.services.worker_control import WorkerStatus
from flask_crewexec.storage import counters
from flask_crewexec.storage import database_clock
from flask_crewexec.storage.counters import read_totals
from flask_crewexec.storage.retention import retention_cutoff
from flask_crewexec.storage.workers import live_workers
from support import shifted_clock
from support.graphs import documents
from support.in_process import change
from support.in_process import column
from support.servers.processes import wait_until

BEHIND, AHEAD = -120.0, 300.0
BEGIN_AND_END = ("started_at", "finished_at")


def database_time() -> dt.datetime:
    with current_app_state().database.read_session() as session:
        return database_clock.read(session)


def moment(text: str) -> dt.datetime:
    return dt.datetime.fromisoformat(text)


def names_of_live_workers() -> list[str]:
    return [worker.name for worker in live_workers(current_app_state())]


@pytest.fixture(params=[BEHIND, AHEAD])
def start_wrong_worker(request, start_worker):
    """A function that starts a worker on a machine whose clock is wrong."""

    def start(**options: t.Any):
        return start_worker({shifted_clock.SECONDS: str(request.param)}, **options)

    return start


class TestWorker:
    def test_its_runs_are_dated_and_measured_by_the_database(self, start_wrong_worker, api, model):
        gate = threading.Event()
        model.on("Do a", "ALPHA").on("Do b", "BETA", hold=gate)
        before = database_time()
        id = api.queue(documents.chain("a", "b"))
        start_wrong_worker(pool="threads")
        model.wait_for_calls(2)
        elapsed = api.status(id)["progress"]["elapsed_seconds"]
        gate.set()
        wait_until(lambda: api.status(id)["status"] == "completed", what="the end of the run")
        after = database_time()
        status = api.status(id)
        first, second = status["steps"]
        path = [
            before,
            *(moment(status[name]) for name in ("created_at", "started_at")),
            *(
                moment(step[name])
                for step in (first, second)
                for name in ("started_at", "finished_at")
            ),
            moment(status["finished_at"]),
            after,
        ]
        assert path == sorted(path)
        events = times_of_events(api, id)
        assert [before, *events, after] == sorted([before, *events, after])
        whole = (after - before).total_seconds()
        assert 0.0 < elapsed < whole
        waited = (moment(status["started_at"]) - moment(status["queued_at"])).total_seconds()
        assert totals(counters.WAITING) == pytest.approx(waited, abs=0.002)
        assert 0.0 < totals(counters.RUN) < whole

    def test_it_counts_while_it_beats_and_does_not_when_it_is_dead(self, start_wrong_worker, api):
        worker = start_wrong_worker(pool="threads", concurrency=3)
        wait_until(lambda: worker.hostname in names_of_live_workers(), what="the heartbeat")
        assert seen_worker().is_alive
        assert seen_worker().silent < current_app_state().settings.stale_worker_after
        ids = queue_three(api)
        assert [column(id, "on_hold") for id in ids] == [False, False, False]
        wait_until(lambda: {api.status(id)["status"] for id in ids} == {"completed"}, what="runs")
        worker.kill()
        wait_until(lambda: worker.hostname not in names_of_live_workers(), what="its death")
        assert not seen_worker().is_alive
        lease_seconds = current_app_state().settings.lease_seconds
        wait_until(lambda: seen_worker().silent > lease_seconds, what="the end of its leases")
        assert [column(id, "on_hold") for id in queue_three(api)] == [False, True, True]


def queue_three(api) -> list[str]:
    return [api.queue(documents.chain("a")) for _ in range(3)]


def times_of_events(api, id) -> list[dt.datetime]:
    return [
        moment(event["created_at"])
        for event in api("GET", f"/executions/{id}/events").json["events"]
    ]


def seen_worker() -> WorkerStatus:
    """The worker as the dashboard shows it."""
    (shown,) = list_workers(current_app_state())
    return shown


def totals(name: str) -> float:
    """The sum of the measurements of a histogram."""
    return sum(each.total for each in read_totals(current_app_state()) if each.name == name)


@pytest.fixture
def set_ahead():
    """Sets the clock of this process, as if requests were served by different machines."""
    yield shifted_clock.set_ahead
    shifted_clock.set_right()


class TestWebServers:
    def test_who_waited_longest_comes_first(self, set_ahead, api, client):
        api.queue(documents.chain("a"))  # has the only message
        waiting = []
        for ahead in (AHEAD, BEHIND, 0.0, AHEAD, BEHIND):
            set_ahead(ahead)
            waiting.append(api.queue(documents.chain("a")))
        places = [api.status(id)["progress"]["queue_position"] for id in waiting]
        assert places == [2, 3, 4, 5, 6]

    def test_a_retry_queues_up_at_the_end(self, set_ahead, api):
        retried = api.queue(documents.chain("a"))
        api("POST", f"/executions/{retried}/cancel")
        api.queue(documents.chain("a"))
        other = api.queue(documents.chain("a"))
        set_ahead(BEHIND)
        api("POST", f"/executions/{retried}/retry")
        assert as_utc(column(other, "queued_at")) < as_utc(column(retried, "queued_at"))

    @pytest.mark.parametrize("ahead", [BEHIND, AHEAD])
    def test_times_are_those_of_the_database(self, set_ahead, api, ahead):
        set_ahead(ahead)
        before = database_time()
        id = api.queue(documents.chain("a"))
        change(id, started_at=database_clock.now())
        assert 0.0 <= api.status(id)["progress"]["elapsed_seconds"] < 60.0
        api("POST", f"/executions/{id}/cancel")
        status = api.status(id)
        moments = [moment(status[name]) for name in ("created_at", "queued_at", "finished_at")]
        events = times_of_events(api, id)
        after = database_time()
        assert before <= min(*moments, *events)
        assert max(*moments, *events) <= after
        assert after <= retention_cutoff(current_app_state(), dt.timedelta()) <= database_time()
