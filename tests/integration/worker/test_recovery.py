"""Whose leases expire when a process of the machine has died."""

from __future__ import annotations

import logging
import subprocess
import sys
import uuid

import pytest

from flask_crewexec.app_state import current_app_state
from flask_crewexec.process import incarnation
from flask_crewexec.process.incarnation import Incarnation
from flask_crewexec.storage import lease_holders
from flask_crewexec.storage import leases
from flask_crewexec.storage import workers
from flask_crewexec.storage.leases import LeaseRequest
from flask_crewexec.worker.recovery import try_to_recover
from support.graphs import documents
from support.in_process import change
from support.in_process import run

ANOTHER = "host_/0b3b1c1e-6a0c-4d53-9b5c-0c4f5c2d7f10/4026531836"
SIMILAR = ANOTHER.replace("_", "x")


@pytest.fixture
def this() -> Incarnation:
    found = incarnation.current()
    assert found is not None
    return found


@pytest.fixture
def dead(this: Incarnation) -> Incarnation:
    """A process of this machine that has ended."""
    with subprocess.Popen([sys.executable, "-c", ""]) as process:
        process.wait(30)
    return this._replace(pid=process.pid)


def run_as(api, holder):
    """Queue an execution whose lease a process holds, and return its id."""
    id = api.queue(documents.chain("a"))
    app_state = current_app_state()
    text = None if holder is None else str(holder)
    with app_state.database.write_transaction() as session:
        request = LeaseRequest(uuid.UUID(id), 1, "crews", 3600.0, incarnation=text)
        assert leases.acquire(session, app_state.models, request)
    return id


def recover():
    try_to_recover(current_app_state())


def test_the_runs_of_a_dead_process_are_queued_again(api, dead):
    id = run_as(api, dead)
    recover()
    status = api.status(id)
    assert (status["status"], status["attempt"], status["lost_attempts"]) == ("queued", 2, 1)
    assert api.event_types(id) == ["queued", "worker_lost"]
    recover()
    assert api.status(id)["attempt"] == 2
    assert run(id) == "completed"


@pytest.mark.settings(RECONCILE_BATCH_SIZE=2)
def test_more_runs_than_a_round_takes_are_queued_again(api, dead):
    ids = [run_as(api, dead) for _ in range(5)]
    recover()
    assert [api.status(id)["status"] for id in ids] == ["queued"] * 5


def test_all_others_keep_their_runs(api, this, dead):
    ids = [run_as(api, holder) for holder in (this, dead._replace(machine=ANOTHER), None)]
    lost = run_as(api, dead)
    recover()
    assert [api.status(id)["status"] for id in ids] == ["running"] * 3
    assert api.status(lost)["status"] == "queued"


def test_the_name_of_a_machine_is_no_pattern(api, dead):
    holder, similar = (dead._replace(machine=name) for name in (ANOTHER, SIMILAR))
    for each in (holder, holder, similar):
        run_as(api, each)
    app_state = current_app_state()
    with app_state.database.read_session() as session:
        assert lease_holders.read_holders(session, app_state.models, ANOTHER) == [str(holder)]


def test_what_a_dead_process_has_ended_stays_as_it_is(api, dead):
    id = api.queue(documents.chain("a"))
    assert run(id) == "completed"
    change(id, incarnation=str(dead))
    recover()
    assert api.event_types(id)[-1] == "completed"


def test_a_database_that_fails_leaves_the_decision_to_the_leases(app, caplog):
    app.extensions["sqlalchemy"].drop_all()
    with caplog.at_level(logging.WARNING):
        recover()
    assert "Could not look for executions of dead processes." in caplog.text


def test_a_worker_that_stops_keeps_the_row_of_its_successor(app, this, dead):
    app_state = current_app_state()
    former, successor = (
        workers.WorkerProcess("crews@host", each.pid, str(each), ["cleanup"], "solo", 1)
        for each in (dead, this)
    )
    with app_state.database.write_transaction() as session:
        for process in (former, successor):
            workers.record_heartbeat(session, app_state.models, process, 1.0)
        workers.delete_worker(session, app_state.models, former)
    assert [worker.pid for worker in workers.live_workers(app_state)] == [this.pid]
    with app_state.database.write_transaction() as session:
        workers.delete_worker(session, app_state.models, successor)
    assert not workers.live_workers(app_state)
