"""A paused queue: nothing starts, nothing is lost, and everything continues on resumption."""

from __future__ import annotations

import threading

import pytest

from flask_crewexec.app_state import current_app_state
from flask_crewexec.messaging.broker import queue_depths
from flask_crewexec.scheduling.fair_scheduler import release_all_users
from flask_crewexec.services.queue_pauses import pause_queue
from flask_crewexec.services.queue_pauses import resume_queue
from support.graphs import documents
from support.in_process import at_once
from support.in_process import change
from support.in_process import column
from support.in_process import insert_worker
from support.in_process import run
from support.servers.processes import wait_until


def pause(admin):
    answer = admin("POST", "/queues/pause", json={"reason": "The database moves."})
    assert answer.status_code == 200
    return answer.json


def resume(admin):
    return admin("POST", "/queues/resume").json


def messages():
    return sum(queue_depths(current_app_state())["crew_execution"].values())


def waiting_for(api, id):
    return api.status(id)["progress"]["waiting_for"]


@pytest.mark.python
class TestWorkers:
    def test_a_worker_that_starts_with_messages_waiting_starts_none(
        self, start_worker, api, admin, model, settle
    ):
        model.on("Do a", "done")
        id = api.queue(documents.chain("a"))
        assert messages() == 1
        pause(admin)
        start_worker()
        wait_until(lambda: column(id, "on_hold"), what="the message to be taken")
        later = api.queue(documents.chain("a"))
        assert (messages(), model.calls) == (0, ())
        assert [waiting_for(api, each) for each in (id, later)] == ["paused_queue"] * 2
        resume(admin)
        assert [settle(each)["attempt"] for each in (id, later)] == [1, 1]

    @pytest.mark.settings(LEASE_SECONDS=60.0)
    def test_what_runs_goes_on(self, start_worker, api, admin, model, settle):
        gate = threading.Event()
        model.on("Do a", "done", hold=gate).on("Do b", "done")
        start_worker()
        id = api.queue(documents.chain("a", "b"))
        model.wait_for_calls(1)
        pause(admin)
        gate.set()
        assert settle(id)["attempt"] == 1


class TestStart:
    def test_a_late_message_starts_nothing_and_is_not_lost(self, app, api, admin, model):
        model.on("Do a", "done")
        insert_worker(app)
        id = api.queue(documents.chain("a"))
        pause(admin)
        assert run(id, attempt=1) == "not-claimed"
        assert (column(id, "status"), column(id, "on_hold")) == ("queued", True)
        before = messages()
        resume(admin)
        assert (messages(), column(id, "on_hold")) == (before + 1, False)
        assert run(id, attempt=1) == "completed"

    def test_a_message_after_the_resumption_starts(self, api, admin, model):
        model.on("Do a", "done")
        pause(admin)
        id = api.queue(documents.chain("a"))
        assert column(id, "on_hold")
        resume(admin)
        assert run(id) == "completed"

    @pytest.mark.settings(MAX_RUNNING_PER_USER=1)
    def test_a_limit_of_the_user_changes_nothing(self, api, admin, model):
        model.on("Do a", "done")
        id = api.queue(documents.chain("a"))
        pause(admin)
        assert run(id, attempt=1) == "not-claimed"
        resume(admin)
        assert run(id, attempt=1) == "completed"


class TestReconciler:
    def test_releases_nothing(self, app, api, admin, reconcile):
        insert_worker(app)
        pause(admin)
        ids = [api.queue(documents.chain("a")) for _ in range(3)]
        assert reconcile()["released"] == release_all_users(current_app_state()) == 0
        assert messages() == 0
        assert all(column(id, "on_hold") for id in ids)
        resume(admin)
        assert messages() == 3

    def test_queues_due_retries_and_starts_them_after_the_pause(self, app, api, admin, reconcile):
        id = api.queue(documents.chain("a"))
        pause(admin)
        now = api.status(id)["queued_at"]
        change(id, status="retrying", available_at=column(id, "queued_at"), published_at=None)
        assert waiting_for(api, id) == "retry"
        assert reconcile()["retried"] == 1
        assert api.status(id)["queued_at"] >= now
        assert (waiting_for(api, id), column(id, "on_hold")) == ("paused_queue", True)

    def test_everything_continues_after_the_broker_has_lost_all(
        self, api, admin, redis_process, reconcile, model
    ):
        model.on("Do a", "done")
        ids = [api.queue(documents.chain("a")) for _ in range(3)]
        pause(admin)
        with redis_process.client() as redis:
            redis.flushall()
        assert pause(admin)["pause"]["reason"] == "The database moves."
        resume(admin)
        wait_until(lambda: reconcile() and messages() > 0, what="the messages")
        assert [run(id) for id in ids] == ["completed"] * 3


class TestPause:
    def test_one_of_two_at_once_is_stored_also_before_the_first_worker(self, app):
        state = current_app_state()
        changes = at_once(
            app,
            lambda: pause_queue(state, "ada", "first"),
            lambda: pause_queue(state, "bob", "second"),
        )
        assert sorted(each.is_changed for each in changes) == [False, True]
        (stored,) = {each.pause for each in changes}
        winner = next(each for each in changes if each.is_changed)
        assert stored == winner.pause

    def test_one_of_two_resumptions_counts(self, app, caplog):
        state = current_app_state()
        pause_queue(state, "ada", None)
        changes = at_once(app, *(lambda: resume_queue(state, "bob"),) * 2)
        assert sorted(each.is_changed for each in changes) == [False, True]
        assert caplog.text.count("bob has resumed the queue.") == 1
