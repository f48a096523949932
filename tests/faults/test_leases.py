"""Leases that expire, are renewed or taken over, or meet wrong clocks."""

from __future__ import annotations

import datetime as dt
import threading
import uuid

import pytest

from flask_crewexec import clock
from flask_crewexec.app_state import current_app_state
from flask_crewexec.errors import LeaseLost
from flask_crewexec.statuses import ExecutionStatus
from flask_crewexec.storage import database_clock
from flask_crewexec.storage import fencing
from flask_crewexec.storage import leases
from flask_crewexec.storage.fencing import Lease
from flask_crewexec.storage.leases import LeaseRequest
from flask_crewexec.tasks import cleanup
from support.graphs import documents
from support.in_process import ask
from support.in_process import change
from support.in_process import column
from support.in_process import run
from support.in_process import running
from support.servers.processes import wait_until


def acquire(id, lease_seconds=100.0):
    """Acquire the lease of the current attempt for a worker that does nothing."""
    app_state = current_app_state()
    with app_state.database.write_transaction() as session:
        attempt = column(id, "attempt")
        request = LeaseRequest(uuid.UUID(id), attempt, "gone", lease_seconds)
        claimed = leases.acquire(session, app_state.models, request)
    assert claimed is not None
    return claimed.lease


def expire(id):
    change(id, lease_expires_at=database_clock.seconds_from_now(-1))


def lose(id):
    """Acquire the lease of an attempt, and let it expire."""
    lease = acquire(id)
    expire(id)
    return lease


def write(lease, **values):
    app_state = current_app_state()
    with app_state.database.write_transaction() as session:
        fencing.fenced_update(session, app_state.models, lease, **values)


def renew(lease):
    app_state = current_app_state()
    with app_state.database.write_transaction() as session:
        leases.renew(session, app_state.models, [lease], 100)


def lease_ends_within(id, seconds):
    execution = current_app_state().models.execution
    return ask(id, execution.lease_expires_at < database_clock.seconds_from_now(seconds))


class TestTakingOver:
    def test_the_next_attempt_is_queued(self, api, reconcile):
        id = api.queue(documents.chain("a"))
        lose(id)
        assert reconcile()["taken_over"] == 1
        status = api.status(id)
        assert (status["status"], status["attempt"]) == ("queued", 2)
        assert (status["lost_attempts"], status["retries"]) == (1, 0)
        assert api.event_types(id) == ["queued", "worker_lost"]
        assert reconcile()["taken_over"] == 0
        assert run(id) == "completed"

    def test_a_valid_lease_is_not_taken_over(self, api, reconcile):
        id = api.queue(documents.chain("a"))
        acquire(id)
        assert reconcile()["taken_over"] == 0
        assert api.status(id)["status"] == "running"

    @pytest.mark.settings(MAX_WORKER_LOSSES=1)
    def test_the_execution_fails_after_too_many_lost_workers(self, api, reconcile):
        id = api.queue(documents.chain("a"))
        for _ in range(2):
            lose(id)
            assert reconcile()["taken_over"] == 1
        status = api.status(id)
        assert (status["status"], status["error"]["code"]) == ("failed", "worker-lost")
        assert (status["attempt"], status["lost_attempts"]) == (2, 1)
        assert status["finished_at"]
        assert reconcile()["taken_over"] == 0

    @pytest.mark.settings(MAX_WORKER_LOSSES=0)
    def test_a_requested_retry_resets_the_count_of_lost_workers(self, api, reconcile):
        id = api.queue(documents.chain("a"))
        lose(id)
        reconcile()
        assert api.status(id)["status"] == "failed"
        assert api("POST", f"/executions/{id}/retry").status_code == 202
        assert run(id) == "completed"
        assert api.status(id)["lost_attempts"] == 0

    def test_an_execution_whose_cancellation_was_requested_is_cancelled(self, api, reconcile):
        id = api.queue(documents.chain("a"))
        acquire(id)
        assert api("POST", f"/executions/{id}/cancel").status_code == 202
        expire(id)
        assert reconcile()["taken_over"] == 1
        status = api.status(id)
        assert (status["status"], status["attempt"]) == ("cancelled", 1)
        assert status["finished_at"]

    def test_an_execution_past_its_deadline_is_timed_out(self, api, reconcile):
        id = api.queue(documents.chain("a"), timeout=100)
        lose(id)
        change(id, deadline=database_clock.seconds_from_now(-1))
        assert reconcile()["taken_over"] == 1
        status = api.status(id)
        assert (status["status"], status["error"]["code"]) == ("timed_out", "deadline-exceeded")

    @pytest.mark.settings(RECONCILE_BATCH_SIZE=2)
    def test_one_round_takes_over_no_more_than_a_batch(self, api, reconcile):
        ids = [api.queue(documents.chain("a")) for _ in range(3)]
        for id in ids:
            lose(id)
        assert [reconcile()["taken_over"] for _ in range(3)] == [2, 1, 0]
        assert {api.status(id)["status"] for id in ids} == {"queued"}

    def test_only_one_of_several_concurrent_reconcilers_takes_it_over(self, app, api):
        id = api.queue(documents.chain("a"))
        lose(id)
        assert sum(at_once(app, 4)) == 1
        status = api.status(id)
        assert (status["attempt"], status["lost_attempts"]) == (2, 1)
        assert api.event_types(id) == ["queued", "worker_lost"]


def at_once(app, count):
    """Reconcile in several threads that start together; return how many each has taken over."""

    def work():
        with app.app_context():
            start.wait(30)
            taken.append(cleanup.handle({"action": "reconcile"})["taken_over"])

    taken: list[int] = []
    start = threading.Barrier(count)
    threads = [threading.Thread(target=work) for _ in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert len(taken) == count
    return taken


class TestFormerHolder:
    def test_it_cannot_write_after_the_lease_was_taken_over(self, api, reconcile):
        id = api.queue(documents.chain("a"))
        former = lose(id)
        reconcile()
        with pytest.raises(LeaseLost):
            write(former, current_step="stolen")
        acquire(id)
        with pytest.raises(LeaseLost):
            write(former, current_step="stolen")
        assert column(id, "current_step") is None

    def test_it_cannot_renew_its_lease(self, api, reconcile):
        id = api.queue(documents.chain("a"))
        former = lose(id)
        reconcile()
        renew(former)
        assert (column(id, "status"), column(id, "lease_expires_at")) == ("queued", None)
        acquire(id, lease_seconds=10)
        renew(former)
        assert lease_ends_within(id, 20)

    def test_an_expired_lease_that_nobody_took_over_can_be_renewed(self, api, reconcile):
        id = api.queue(documents.chain("a"))
        lease = lose(id)
        renew(lease)
        assert reconcile()["taken_over"] == 0
        write(lease, current_step="a")

    @pytest.mark.parametrize(
        "change", ["finish", "release", "release_after_loss", "schedule_retry"]
    )
    def test_it_cannot_change_the_status(self, api, reconcile, change):
        id = api.queue(documents.chain("a"))
        former = lose(id)
        reconcile()
        acquire(id)
        assert not leave(former, change)
        assert (column(id, "status"), column(id, "attempt")) == ("running", 2)

    @pytest.mark.settings(LEASE_SECONDS=100, POLL_INTERVAL=20)
    def test_its_run_stops_and_the_result_of_its_successor_is_kept(
        self, app, api, model, reconcile
    ):
        gate = threading.Event()
        model.on("Do a", "FORMER", hold=gate, times=1)
        model.on("Do a", "LATTER").on("Do b", "BETA")
        id = api.queue(documents.chain("a", "b"))
        with running(app, id) as outcomes:
            model.wait_for_calls(1)
            expire(id)
            assert reconcile()["taken_over"] == 1
            assert run(id) == "completed"
            gate.set()
        assert outcomes == ["lease-lost"]
        status = api.status(id)
        assert [step["output"] for step in status["steps"]] == ["LATTER", "BETA"]
        assert (status["status"], status["attempt"]) == ("completed", 2)
        assert status["usage"]["llm_calls"] == len(model.calls) == 3  # each is paid for
        assert api.event_types(id)[-1] == "completed"


def leave(lease: Lease, how: str) -> bool:
    """Try one of the transitions that end an attempt; return False if it is refused."""
    app_state = current_app_state()
    retry = {"error": {"code": "crew-failed"}, "seconds": 1.0}
    arguments = {
        "finish": ((ExecutionStatus.COMPLETED,), {}),
        "release": ((), {}),
        "release_after_loss": ((), {}),
        "schedule_retry": ((), retry),
    }
    args, options = arguments[how]
    try:
        with app_state.database.write_transaction() as session:
            done = getattr(leases, how)(session, app_state.models, lease, *args, **options)
            return done is not False
    except LeaseLost:
        return False


class TestClocks:
    @pytest.mark.settings(LEASE_SECONDS=10)
    def test_leases_are_capped_after_the_clock_of_the_database_was_set_back(self, api, reconcile):
        id = api.queue(documents.chain("a"))
        acquire(id)
        change(id, lease_expires_at=database_clock.seconds_from_now(100_000))
        assert reconcile()["taken_over"] == 0
        assert lease_ends_within(id, 11)

    @pytest.mark.parametrize("hours", [-1, 1])
    def test_a_wrong_clock_of_a_reconciler_does_not_expire_leases(
        self, api, reconcile, wrong_clock, hours
    ):
        id = api.queue(documents.chain("a"))
        lease = acquire(id, lease_seconds=1)
        renew(lease)
        wrong_clock(hours)
        assert reconcile()["taken_over"] == 0
        expire(id)
        assert reconcile()["taken_over"] == 1

    @pytest.mark.parametrize("hours", [-1, 1])
    @pytest.mark.settings(RETRY_DELAY=100)
    def test_a_wrong_clock_of_a_worker_does_not_change_due_times(
        self, api, model, reconcile, wrong_clock, hours
    ):
        model.on("Do a", status=500, times=1)
        id = api.queue(documents.chain("a"), timeout=1000)
        wrong_clock(hours)
        assert run(id) == "retrying"
        due = current_app_state().models.execution.available_at
        assert ask(id, due > database_clock.seconds_from_now(50))
        assert ask(id, due < database_clock.seconds_from_now(101))
        done = reconcile()
        assert (done["retried"], done["timed_out"]) == (0, 0)
        change(id, available_at=database_clock.seconds_from_now(-1))
        assert reconcile()["retried"] == 1
        assert run(id) == "completed"


@pytest.fixture
def wrong_clock(monkeypatch):
    """A function that sets the clock of this process."""

    def set_by(hours):
        right = clock.now
        monkeypatch.setattr(clock, "now", lambda: right() + dt.timedelta(hours=hours))

    return set_by


class TestWatch:
    @pytest.mark.settings(LEASE_SECONDS=1.0, POLL_INTERVAL=0.1)
    def test_it_renews_the_lease_of_a_long_run(self, app, api, model, reconcile):
        gate = threading.Event()
        model.on("Do a", "ALPHA", hold=gate)
        id = api.queue(documents.chain("a"))
        with running(app, id) as outcomes:
            model.wait_for_calls(1)
            first = column(id, "lease_expires_at")
            later = first + dt.timedelta(seconds=1.5)
            wait_until(lambda: column(id, "lease_expires_at") > later, what="renewals")
            assert reconcile()["taken_over"] == 0
            gate.set()
        assert outcomes == ["completed"]
        assert api.status(id)["lost_attempts"] == 0
