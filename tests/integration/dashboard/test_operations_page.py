"""The page "Operations", and what managers are told on every page."""

from __future__ import annotations

import datetime as dt
import uuid

import pytest
from flask import Flask

from flask_crewexec.app_state import current_app_state
from flask_crewexec.dashboard import service_notice
from flask_crewexec.services import service_problems
from flask_crewexec.storage.workers import record_heartbeat
from flask_crewexec.storage.workers import WorkerProcess
from support.api_client import Api
from support.dashboard_pages import dangers
from support.dashboard_pages import is_problem
from support.dashboard_pages import Pages
from support.dashboard_pages import section
from support.dashboard_pages import text_of
from support.graphs import documents
from support.in_process import change
from support.in_process import column
from support.servers.processes import wait_until
from support.servers.redis_process import RedisProcess

pytestmark = [pytest.mark.usefixtures("registered"), pytest.mark.settings(LEASE_SECONDS=60.0)]

HOSTILE = "<script>alert(1)</script>"


def beat(name: str = "w@vm1", **reported: object) -> uuid.UUID:
    """Store the heartbeat of a worker, and return its id."""
    app_state, id = current_app_state(), uuid.uuid4()
    described = {"version": "1.2.3", "crewai_version": "4.5.6", "busy": 1, **reported}
    queues = ["crew_execution", "cleanup"]
    process = WorkerProcess(name, 77, None, queues, "threads", 4, id=id, **described)  # type: ignore[arg-type]
    with app_state.database.write_transaction() as session:
        record_heartbeat(session, app_state.models, process, uptime=60.0)
    return id


def waiting(admins: Pages) -> str:
    return text_of(section(admins.read("/operations"), "waiting"))


class TestRights:
    def test_only_managers_see_the_page_and_the_way_there(
        self, pages: Pages, admins: Pages
    ) -> None:
        is_problem(pages.get("/operations"), 403, "forbidden")
        assert "/operations" not in pages.read("/executions")
        assert "/operations" in admins.read("/executions")

    def test_the_former_address_of_the_queues_leads_there(
        self, pages: Pages, admins: Pages
    ) -> None:
        moved = admins.get("/queues")
        assert (moved.status_code, moved.headers["Location"]) == (
            301,
            "/crewexec-dashboard/operations",
        )
        is_problem(pages.get("/queues"), 403, "forbidden")

    @pytest.mark.parametrize("action", ["pause", "resume", "workers/{}/drain", "workers/{}/resume"])
    def test_only_managers_act(self, pages: Pages, admins: Pages, action: str) -> None:
        id = beat()
        is_problem(pages.post(f"/operations/{action.format(id)}"), 403, "forbidden")
        other_site = {"Sec-Fetch-Site": "cross-site"}
        assert admins.post(f"/operations/{action.format(id)}", other_site).status_code == 403
        page = admins.read("/operations")
        assert "Pause the queue" in page
        assert "Told to take nothing new" not in page


class TestPause:
    def test_is_told_on_every_page_of_managers_only(self, pages: Pages, admins: Pages) -> None:
        assert admins.post("/operations/pause", reason=HOSTILE).status_code == 303
        for path in ("/executions", "/graphs", "/usage", "/operations"):
            page = admins.read(path)
            assert "The queue is paused since" in text_of(page)
            assert f"by admin : {HOSTILE}" in text_of(page).replace("admin:", "admin :")
            assert dangers(page) == []
        assert "The queue is paused" not in pages.read("/executions")
        assert admins.post("/operations/resume").status_code == 303
        assert "The queue is paused" not in admins.read("/executions")

    def test_executions_tell_their_users(self, api: Api, admins: Pages, pages: Pages) -> None:
        id = api.queue(documents.chain("a"))
        admins.post("/operations/pause")
        assert "waits until the queue is resumed" in pages.read(f"/executions/{id}")


class TestWithoutWorkers:
    MISSING = "next in the queue: no worker takes executions now"

    def test_an_execution_tells_its_user(self, api: Api, admins: Pages, pages: Pages) -> None:
        path = f"/executions/{api.queue(documents.chain('a'))}"
        assert self.MISSING in pages.read(path)
        worker = beat()
        page = pages.read(path)
        assert "next in the queue" in page
        assert self.MISSING not in page
        admins.post(f"/operations/workers/{worker}/drain")
        assert self.MISSING in pages.read(path)

    def test_what_does_not_wait_for_one_tells_nothing(
        self, api: Api, admins: Pages, pages: Pages
    ) -> None:
        id = api.queue(documents.chain("a"))
        admins.post("/operations/pause")
        assert "no worker takes" not in pages.read(f"/executions/{id}")


class TestWorkers:
    def test_are_shown_with_what_they_run(self, api: Api, admins: Pages) -> None:
        id, execution = beat(), api.queue(documents.chain("a"))
        now = column(execution, "queued_at")
        change(execution, status="running", worker_id=id, current_step="write", started_at=now)
        told = section(admins.read("/operations"), f"worker-{id}")
        assert f"/crewexec-dashboard/executions/{execution}" in told
        for text in ("running", "1 taken, 3 free", "77 on vm1", "1.2.3", "of ada , step write"):
            assert text in text_of(told).replace("ada,", "ada ,")

    def test_places_are_taken_by_what_has_started_since_the_heartbeat(
        self, api: Api, admins: Pages
    ) -> None:
        id = beat(busy=0)
        change(api.queue(documents.chain("a")), status="running", worker_id=id)
        assert "1 taken, 3 free" in text_of(section(admins.read("/operations"), f"worker-{id}"))

    def test_says_when_all_is_well(self, admins: Pages, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(service_notice, "service_problems", lambda app_state: [])
        assert "all is well" in text_of(admins.read("/operations"))
        admins.post("/operations/pause")
        assert "all is well" not in text_of(admins.read("/operations"))

    def test_are_drained_and_resumed(self, admins: Pages) -> None:
        id = beat()
        admins.post(f"/operations/workers/{id}/drain", then="stop")
        told = text_of(section(admins.read("/operations"), f"worker-{id}"))
        assert "draining" in told
        assert "by admin, and then to stop." in told
        admins.post(f"/operations/workers/{id}/resume")
        assert "Told to" not in admins.read("/operations")
        is_problem(admins.post(f"/operations/workers/{uuid.uuid4()}/drain"), 404, "not-found")
        refused = admins.post(f"/operations/workers/{id}/drain", then="explode")
        is_problem(refused, 422, "invalid-request")


class TestReasons:
    def test_each_is_counted(self, api: Api, admins: Pages) -> None:
        assert "Nothing waits." in waiting(admins)
        ids = [api.queue(documents.chain("a")) for _ in range(4)]
        assert "No worker takes executions 1 queued" in waiting(admins)
        assert "On hold behind other executions of its user 3 queued" in waiting(admins)
        beat()
        assert "About to start 1 queued" in waiting(admins)
        soon = column(ids[1], "queued_at") + dt.timedelta(hours=1)
        change(ids[1], status="retrying", on_hold=False, available_at=soon)
        change(ids[2], status="waiting_input", on_hold=False, waiting_since=soon)
        told = waiting(admins)
        assert "Its next attempt is due later 1 retrying the first in" in told
        assert "People are asked 1 waiting for people the oldest for" in told
        admins.post("/operations/pause")
        assert "The queue is paused 2 queued" in waiting(admins)

    def test_all_places_may_be_taken(self, api: Api, admins: Pages) -> None:
        beat()
        for _ in range(4):
            change(api.queue(documents.chain("a")), status="running")
        api.queue(documents.chain("a"))
        assert "All places of the workers are taken 1 queued" in waiting(admins)

    @pytest.mark.settings(MAX_RUNNING_PER_USER=1)
    def test_users_may_have_reached_their_limit(self, api: Api, admins: Pages) -> None:
        beat()
        change(api.queue(documents.chain("a")), status="running")
        api.queue(documents.chain("a"))
        assert "Its user runs as many executions as allowed 1 queued" in waiting(admins)


@pytest.mark.usefixtures("checked_for_each_page")
class TestNotice:
    def test_tells_that_workers_and_beat_are_missing(self, admins: Pages, pages: Pages) -> None:
        for each in ("No live worker consumes the queue", "There was no reconcile round yet"):
            assert each in admins.read("/executions")
            assert each not in pages.read("/executions")

    def test_tells_of_different_versions(self, admins: Pages) -> None:
        beat("a@vm1")
        beat("b@vm1", crewai_version="7.8.9")
        page = text_of(admins.read("/executions"))
        assert "Processes run different versions of CrewAI: 4.5.6, 7.8.9." in page
        assert "Processes run different versions of Flask-CrewExec: " in page

    @pytest.mark.sqlite_enough
    def test_tells_of_a_broker_that_hangs(self, admins: Pages, redis_process: RedisProcess) -> None:
        redis_process.suspend()
        try:
            page = admins.read("/executions")
        finally:
            redis_process.resume()
        assert "The message broker did not answer in time." in page


@pytest.mark.sqlite_enough
@pytest.mark.settings(HEALTH_TIMEOUT=30.0)
def test_a_server_that_hangs_makes_no_page_wait(
    app: Flask, admins: Pages, redis_process: RedisProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(service_problems, "PATIENCE_SECONDS", 0.0)
    monkeypatch.setattr(service_problems, "MAX_AGE_SECONDS", 0.0)
    redis_process.suspend()
    try:
        assert "message broker" not in admins.read("/executions")
    finally:
        redis_process.resume()
    wait_until(
        lambda: "No live worker" in admins.read("/executions"), what="the results of the checks"
    )
