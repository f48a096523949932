"""The pages of the dashboard, with real executions, and without a browser."""

from __future__ import annotations

import datetime as dt
import html
import re
import typing as t
import uuid

import pytest
import sqlalchemy as sa
from flask import Flask
from flask.testing import FlaskClient
from flask_wtf import CSRFProtect
from sqlalchemy.orm import Session

from flask_crewexec import clock
from flask_crewexec.app_state import current_app_state
from flask_crewexec.dashboard import create_dashboard
from flask_crewexec.dashboard import list_views
from flask_crewexec.testing import ScriptedModel
from support.api_client import Api
from support.dashboard_pages import dangers
from support.dashboard_pages import is_problem
from support.dashboard_pages import Pages
from support.dashboard_pages import section
from support.dashboard_pages import text_of
from support.graphs import documents
from support.in_process import change
from support.in_process import column
from support.in_process import run
from support.servers.broker_faults import empty
from support.servers.broker_faults import fill
from support.servers.processes import wait_until
from support.servers.redis_process import RedisProcess

HOSTILE = "<script>alert(1)</script>\"><img src=x onerror='alert(1)'>"
UNKNOWN = "00000000-0000-7000-8000-000000000000"

pytestmark = pytest.mark.usefixtures("registered")


def listed(page: str) -> list[str]:
    """Ids of the executions on a page, in their order."""
    return re.findall(r'<a id="to-([^"]+)"', page)


class TestWhoSees:
    @pytest.mark.parametrize("path", ["/", "/executions", f"/executions/{UNKNOWN}", "/queues"])
    def test_anonymous_users_see_nothing(self, client: FlaskClient, path: str) -> None:
        assert "Sign in first" in is_problem(Pages(client, None).get(path), 401, "unauthorized")

    def test_style_and_script_are_for_everybody(self, client: FlaskClient) -> None:
        for name in ("dashboard.css", "live.js", "icon.svg"):
            with Pages(client, None).get(f"/static/{name}") as answer:
                assert answer.status_code == 200
                assert answer.headers["X-Content-Type-Options"] == "nosniff"
                assert answer.headers["Cache-Control"] == "no-cache"

    def test_the_start_leads_to_the_list(self, pages: Pages) -> None:
        assert pages.get("/").headers["Location"] == "/crewexec-dashboard/executions"

    @pytest.mark.parametrize("path", ["", "/live"])
    def test_a_strangers_execution_does_not_exist(
        self, api: Api, pages: Pages, strangers: Pages, admins: Pages, path: str
    ) -> None:
        id = api.queue(documents.chain("a"))
        assert pages.get(f"/executions/{id}{path}").status_code == 200
        assert admins.get(f"/executions/{id}{path}").status_code == 200
        refused = is_problem(strangers.get(f"/executions/{id}{path}"), 404, "not-found")
        assert id in refused
        assert "test crew" not in refused

    @pytest.mark.parametrize("action", ["cancel", "retry"])
    def test_a_strangers_buttons_do_nothing(self, api: Api, strangers: Pages, action: str) -> None:
        id = api.queue(documents.chain("a"))
        answer = strangers.post(f"/executions/{id}/{action}")
        is_problem(answer, 404, "not-found")
        assert column(id, "status") == "queued"

    @pytest.mark.parametrize("id", ["nonsense", UNKNOWN, "<script>"])
    def test_what_does_not_exist_gets_an_error_page(self, pages: Pages, id: str) -> None:
        is_problem(pages.get(f"/executions/{id}"), 404, "not-found")

    def test_the_list_has_only_what_is_ones_own(
        self, api: Api, stranger: Api, pages: Pages, admins: Pages
    ) -> None:
        mine, other = api.queue(documents.chain("a")), stranger.queue(documents.chain("a"))
        assert listed(pages.read("/executions")) == [mine]
        assert listed(admins.read("/executions")) == [other, mine]


class TestList:
    def test_each_line_tells_graph_state_and_usage(self, api: Api, pages: Pages) -> None:
        id = api.queue(documents.chain("a", "b"))
        run(id)
        tokens = api.status(id)["usage"]["total_tokens"]
        line = text_of(section(pages.read("/executions"), "list"))
        assert "test crew completed 2 of 2" in line
        assert f" {tokens:,} " in line

    def test_filters_narrow_and_keep_what_was_chosen(self, api: Api, pages: Pages) -> None:
        waiting, done = api.queue(documents.chain("a")), api.queue(documents.chain("b"))
        run(done)
        page = pages.read("/executions", status="completed", graph_id="")
        assert listed(page) == [done]
        assert re.search(r'id="status-completed" [^>]*aria-current="page"', page)
        graph = api.status(waiting)["graph_id"]
        page = pages.read("/executions", status="", graph_id=graph)
        assert listed(page) == [waiting]
        assert f'<option value="{graph}" selected>' in page
        assert listed(pages.read("/executions", graph_id=graph, status="completed")) == []

    def test_further_filters(self, api: Api, pages: Pages, admins: Pages, model: t.Any) -> None:
        model.on("Do a", status=401)
        failed = api.queue(documents.chain("a"), thread_id="tea")
        run(failed)
        other = api.queue(documents.chain("b"))
        code = api.status(failed)["error"]["code"]
        page = pages.read("/executions", code=code)
        assert listed(page) == [failed]
        assert f'<option value="{code}" selected>' in page
        assert "<details open>" in page
        page = pages.read("/executions", thread_id="tea")
        assert listed(page) == [failed]
        assert 'value="tea"' in page
        assert 'name="user_id"' not in page
        assert 'name="user_id"' in admins.read("/executions")
        assert listed(admins.read("/executions", user_id=api.user)) == [other, failed]
        assert listed(admins.read("/executions", user_id="nobody")) == []

    def test_filters_by_time(self, api: Api, pages: Pages) -> None:
        id = api.queue(documents.chain("a"))
        page = pages.read("/executions", created_after="2026-01-01T10:00")
        assert listed(page) == [id]
        assert 'name="created_after" value="2026-01-01T10:00:00"' in page
        assert listed(pages.read("/executions", created_before="2026-01-01T10:00")) == []
        page = pages.read("/executions", created_after="2026-01-01T12:00+02:00")
        assert 'name="created_after" value="2026-01-01T10:00:00"' in page

    def test_a_graph_out_of_use_keeps_its_name(self, api: Api, pages: Pages) -> None:
        id = api.queue(documents.chain("a"))
        api("DELETE", f"/graphs/{api.status(id)['graph_id']}")
        assert "test crew" in section(pages.read("/executions"), "list")
        assert "test crew" in pages.read(f"/executions/{id}")

    def test_pages_follow_one_another_without_gap(self, api: Api, pages: Pages) -> None:
        ids = [api.queue(documents.chain("a"), inputs={}) for _ in range(5)]
        run(ids[2])
        seen: list[str] = []
        address = "/executions?limit=2&status=queued"
        while address:
            page = pages.read(address)
            seen += listed(page)
            link = re.search(r'id="older" rel="next" href="/crewexec-dashboard([^"]+)"', page)
            address = html.unescape(link[1]) if link else ""
        assert seen == [id for id in reversed(ids) if id != ids[2]]
        assert 'id="newest"' in page

    @pytest.mark.parametrize(
        "query",
        [
            {"status": "odd"},
            {"graph_id": "x"},
            {"before": "x"},
            {"limit": "0"},
            {"created_after": "yesterday"},
        ],
    )
    def test_filters_that_cannot_be_are_refused(self, pages: Pages, query: dict[str, str]) -> None:
        said = is_problem(pages.get("/executions", **query), 422, "invalid-request")
        assert f"/{next(iter(query))}" in said


class TestExecution:
    def test_before_it_starts_the_plan_is_shown(self, api: Api, pages: Pages) -> None:
        page = pages.read(f"/executions/{api.queue(documents.chain('first', 'second'))}")
        assert re.findall(r'data-state="(\w+)"', page) == ["pending", "pending"]
        assert "waits for a worker" in page
        assert "waits for first" in section(page, "steps")
        assert 'data-active="yes"' in page

    def test_afterwards_result_steps_usage_and_events(
        self, api: Api, pages: Pages, model: ScriptedModel
    ) -> None:
        model.on("Do first", "ALPHA").on("Do second", "BETA")
        id = api.queue(documents.chain("first", "second", tools=("count_words",)))
        run(id)
        page = pages.read(f"/executions/{id}")
        assert re.findall(r'data-state="(\w+)"', page) == ["completed", "completed"]
        assert "BETA" in section(page, "result")
        steps = text_of(section(page, "steps"))
        assert "ALPHA" in steps
        assert "reads first" in steps
        assert "count_words" in section(page, "graph")
        status = api.status(id)
        calls, tokens = status["limits"]["max_llm_calls"], status["usage"]["total_tokens"]
        assert f"Model calls 2 of {calls} Tokens {tokens}" in text_of(section(page, "facts"))
        assert section(page, "history").count("<li") == len(api.event_types(id))
        assert 'data-active="no"' in page

    def test_an_error_is_shown_with_its_code(
        self, api: Api, pages: Pages, model: ScriptedModel
    ) -> None:
        model.on(status=401, reply="no")
        id = api.queue(documents.chain("a"))
        run(id)
        error = api.status(id)["error"]
        shown = text_of(section(pages.read(f"/executions/{id}"), "summary"))
        assert all(error[name] in shown for name in ("code", "message", "correlation_id"))

    def test_the_live_part_is_what_the_page_contains(self, api: Api, pages: Pages) -> None:
        id = api.queue(documents.chain("a"))
        run(id)
        part = pages.read(f"/executions/{id}/live")
        assert part.strip().startswith("<div id")
        assert part.strip() in pages.read(f"/executions/{id}")

    def test_the_script_learns_where_events_come_from(self, api: Api, pages: Pages) -> None:
        id = api.queue(documents.chain("a"))
        page = pages.read(f"/executions/{id}")
        assert 'data-client="/crewexec/client.js"' in page
        assert f'data-execution="{id}"' in page
        assert f'data-after="{len(api.event_types(id))}"' in page

    def test_a_tool_call_is_on_the_timeline(
        self, api: Api, pages: Pages, model: ScriptedModel
    ) -> None:
        model.on("Do a", tool=("count_words", {"text": "x y"}), times=1)
        id = api.queue(documents.chain("a", tools=("count_words",)))
        run(id)
        page = pages.read(f"/executions/{id}")
        assert "bar-tool" in section(page, "timeline")
        assert "Tool returned count_words" in text_of(section(page, "history"))

    def test_only_the_newest_events_are_shown(self, api: Api, pages: Pages) -> None:
        id = api.queue(documents.chain("a"))
        add_events(id, 400)
        page = section(pages.read(f"/executions/{id}"), "history")
        assert page.count("<li") == 100
        assert "The newest 100 of 401" in page

    def test_long_outputs_are_cut_with_a_word_about_it(
        self, api: Api, pages: Pages, model: ScriptedModel
    ) -> None:
        model.on("Do a", "long " * 10_000)
        id = api.queue(documents.chain("a"))
        run(id)
        page = pages.read(f"/executions/{id}")
        assert "Only the beginning is shown" in section(page, "result")
        assert len(page) < 100_000

    def test_a_document_that_is_no_longer_valid_is_reported(
        self, app: Flask, api: Api, pages: Pages
    ) -> None:
        id = api.queue(documents.chain("a"))
        run(id)
        version = current_app_state().models.graph_version
        with current_app_state().database.write_transaction() as session:
            session.execute(sa.update(version).values(document={"version": 0}))
        page = pages.read(f"/executions/{id}")
        assert "cannot be drawn" in section(page, "graph")
        assert "completed" in section(page, "steps")

    def test_a_managed_crew_names_its_manager(self, api: Api, pages: Pages) -> None:
        nodes = [documents.agent("boss"), documents.agent("w"), documents.task("a")]
        document = documents.crew(nodes, ["boss w manager", "w a"], process="hierarchical")
        page = pages.read(f"/executions/{api.queue(document)}")
        assert "Managed by Boss" in section(page, "graph")

    def test_coworkers_without_a_task_are_named(self, api: Api, pages: Pages) -> None:
        nodes = [documents.agent("w", allow_delegation=True), documents.agent("painter")]
        document = documents.crew([*nodes, documents.task("a")], ["w a", "w painter coworker"])
        page = pages.read(f"/executions/{api.queue(document)}")
        assert "can be asked: Painter" in section(page, "graph")


def add_events(id: str, count: int) -> None:
    models = current_app_state().models
    rows = [
        {"execution_id": uuid.UUID(id), "seq": 2 + number, "type": "noted", "data": {}}
        for number in range(count)
    ]
    with current_app_state().database.write_transaction() as session:
        session.execute(sa.insert(models.event), rows)
    change(id, last_event=1 + count)


class TestButtons:
    def test_cancelling_leads_back_and_keeps_the_reason(self, api: Api, pages: Pages) -> None:
        id = api.queue(documents.chain("a"))
        assert f"/executions/{id}/cancel" in pages.read(f"/executions/{id}")
        answer = pages.post(f"/executions/{id}/cancel", reason="not needed")
        assert answer.status_code == 303
        assert answer.headers["Location"] == f"/crewexec-dashboard/executions/{id}"
        status = api.status(id)
        assert status["status"] == "cancelled"
        assert status["cancellation"]["reason"] == "not needed"
        assert status["cancellation"]["by"] == "ada"
        page = pages.read(f"/executions/{id}")
        assert "not needed" in section(page, "summary")
        assert f"/executions/{id}/cancel" not in page

    def test_trying_again_queues_it(self, api: Api, pages: Pages) -> None:
        id = api.queue(documents.chain("a"))
        api("POST", f"/executions/{id}/cancel")
        assert f"/executions/{id}/retry" in pages.read(f"/executions/{id}")
        assert pages.post(f"/executions/{id}/retry").status_code == 303
        assert api.status(id)["status"] == "queued"
        assert api.status(id)["attempt"] == 2
        assert f"/executions/{id}/retry" not in pages.read(f"/executions/{id}")

    def test_an_action_that_the_status_forbids_is_explained(self, api: Api, pages: Pages) -> None:
        id = api.queue(documents.chain("a"))
        run(id)
        is_problem(pages.post(f"/executions/{id}/cancel"), 409, "wrong-state")
        is_problem(pages.post(f"/executions/{id}/retry"), 409, "wrong-state")

    def test_a_reason_that_is_too_long_is_refused(self, api: Api, pages: Pages) -> None:
        id = api.queue(documents.chain("a"))
        answer = pages.post(f"/executions/{id}/cancel", reason="x" * 501)
        is_problem(answer, 422, "invalid-request")
        answer = pages.post(f"/executions/{id}/cancel", reason="x" * 100_000)
        is_problem(answer, 413, "request-entity-too-large")
        assert column(id, "status") == "queued"

    @pytest.mark.parametrize("action", ["cancel", "retry"])
    @pytest.mark.parametrize(
        "headers",
        [
            {"Sec-Fetch-Site": "cross-site"},
            {"Sec-Fetch-Site": "same-site"},
            {"Origin": "https://evil.test"},
            {"Referer": "https://evil.test/page"},
            {"Origin": "null"},
        ],
    )
    def test_other_sites_cannot_press_them(
        self, api: Api, pages: Pages, action: str, headers: dict[str, str]
    ) -> None:
        id = api.queue(documents.chain("a"))
        if action == "retry":
            api("POST", f"/executions/{id}/cancel")
        before = api.status(id)
        is_problem(pages.post(f"/executions/{id}/{action}", headers), 403, "forbidden")
        assert api.status(id) == before

    @pytest.mark.parametrize("action", ["cancel", "retry"])
    def test_looking_at_their_address_changes_nothing(
        self, api: Api, pages: Pages, action: str
    ) -> None:
        id = api.queue(documents.chain("a"))
        assert pages.get(f"/executions/{id}/{action}").status_code == 405
        assert column(id, "status") == "queued"

    def test_an_unavailable_broker_is_reported(
        self, api: Api, pages: Pages, redis_process: RedisProcess
    ) -> None:
        id = api.queue(documents.chain("a"))
        api("POST", f"/executions/{id}/cancel")
        redis_process.suspend()
        try:
            answer = pages.post(f"/executions/{id}/retry")
        finally:
            redis_process.resume()
        is_problem(answer, 503, "broker-unavailable")
        assert answer.headers["Retry-After"]
        assert column(id, "status") == "cancelled"


class TestCsrf:
    @pytest.fixture
    def _protected(self, app: Flask) -> None:
        app.config["SECRET_KEY"] = "secret"
        CSRFProtect(app).exempt(app.blueprints["crewexec.api"])

    @pytest.mark.usefixtures("_protected")
    def test_the_forms_carry_the_hosts_token(self, api: Api, pages: Pages) -> None:
        id = api.queue(documents.chain("a"))
        page = pages.read(f"/executions/{id}")
        is_problem(pages.post(f"/executions/{id}/cancel"), 400, "bad-request")
        assert column(id, "status") == "queued"
        (token,) = re.findall(r'name="csrf_token" value="([^"]+)"', page)
        assert pages.post(f"/executions/{id}/cancel", csrf_token=token).status_code == 303
        assert column(id, "status") == "cancelled"

    def test_without_protection_there_is_no_field(self, api: Api, pages: Pages) -> None:
        assert "csrf_token" not in pages.read(f"/executions/{api.queue(documents.chain('a'))}")


class TestSafety:
    def test_pages_forbid_what_they_do_not_do(self, api: Api, pages: Pages) -> None:
        id = api.queue(documents.chain("a"))
        paths = ["/executions", f"/executions/{id}", f"/executions/{id}/live", "/executions/x"]
        for path in paths:
            headers = pages.get(path).headers
            policy = headers["Content-Security-Policy"]
            assert "default-src 'none'" in policy
            assert "script-src 'self'" in policy
            assert "unsafe" not in policy
            assert headers["X-Content-Type-Options"] == "nosniff"
            assert headers["Referrer-Policy"] == "same-origin"
            assert headers["Cache-Control"] == "no-store"

    def test_nothing_is_inline(self, api: Api, pages: Pages, admins: Pages) -> None:
        id = api.queue(documents.chain("a", "b"))
        run(id)
        for page in (
            pages.read("/executions"),
            pages.read(f"/executions/{id}"),
            admins.read("/operations"),
        ):
            assert dangers(page) == []

    def test_strange_texts_come_out_escaped(
        self, api: Api, pages: Pages, admins: Pages, model: ScriptedModel
    ) -> None:
        model.on(reply=HOSTILE)
        agent = documents.agent("w", role=f"R {HOSTILE}", goal=HOSTILE)
        task = documents.task("a", f"Do {HOSTILE}")
        task["data"]["name"] = f"T {HOSTILE}"
        nodes = [agent, task, documents.named("write_note", "tool")]
        document = documents.crew(nodes, ["w a", "write_note w"], name=f"G {HOSTILE}")
        id = api.queue(document, thread_id=HOSTILE, inputs={HOSTILE: HOSTILE})
        change(id, cancel_reason=HOSTILE, cancelled_by=HOSTILE, cancel_requested_at=None)
        run(id)
        error = {"code": HOSTILE, "message": HOSTILE, "correlation_id": HOSTILE, "step": HOSTILE}
        change(id, error=error, cancel_requested_at=clock.now(), current_step=HOSTILE)
        add_tool_output(id)
        for page in (
            pages.read(f"/executions/{id}"),
            pages.read(f"/executions/{id}/live"),
            pages.read("/executions"),
            admins.read("/executions"),
        ):
            assert "alert(1)" in text_of(page)
            assert dangers(page) == []

    def test_a_host_without_autoescaping_changes_nothing(
        self, app: Flask, api: Api, pages: Pages
    ) -> None:
        app.jinja_env.autoescape = False
        id = api.queue(
            documents.crew([documents.agent("w"), documents.task("a")], ["w a"], name=HOSTILE)
        )
        assert dangers(pages.read(f"/executions/{id}")) == []

    def test_an_error_within_is_a_page_without_details(
        self, pages: Pages, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
    ) -> None:
        def fail(*args: object, **options: object) -> None:
            raise RuntimeError("the secret is sesame")

        monkeypatch.setattr(list_views, "read_list", fail)
        said = is_problem(pages.get("/executions"), 500, "internal-error")
        assert "sesame" not in said
        number = said.partition("Correlation id for the operator: ")[2].split()[0]
        assert number in caplog.text

    def test_the_hosts_own_errors_stay_its_own(self, app: Flask, client: FlaskClient) -> None:
        answer = client.get("/nowhere")
        assert "crewexec" not in answer.text
        assert "Content-Security-Policy" not in answer.headers


def add_tool_output(id: str) -> None:
    seq = column(id, "last_event") + 1
    row = {"execution_id": uuid.UUID(id), "seq": seq, "type": HOSTILE[:50]}
    data = {"tool": HOSTILE, "output": HOSTILE, HOSTILE: "x\ny"}
    with current_app_state().database.write_transaction() as session:
        session.execute(sa.insert(current_app_state().models.event), [{**row, "data": data}])
    change(id, last_event=seq)


@pytest.mark.usefixtures("checked_for_each_page")
class TestOperations:
    def test_waiting_messages_are_counted_by_priority(self, api: Api, admins: Pages) -> None:
        api.queue(documents.chain("a"), priority=10)
        api.queue(documents.chain("a"), priority=3)
        api.queue(documents.chain("a"), priority=3)
        page = admins.read("/operations")
        depths = text_of(section(page, "depths"))
        assert "crew_execution 0 0 1 0 0 0 0 0 0 1 2" in depths
        assert "on hold 0 0 1 0 0 0 0 0 0 0 1" in depths
        assert "3 queued 0 running" in text_of(section(page, "now"))

    def test_workers_are_alive_until_they_fall_silent(self, app: Flask, admins: Pages) -> None:
        assert "There are no workers" in admins.read("/operations")
        with current_app_state().database.write_transaction() as session:
            add_worker(session, "here@vm", 5)
            add_worker(session, "gone@vm", 600)
        page = text_of(admins.read("/operations"))
        assert re.search(r"here@vm running .*? Last heartbeat 5\.\d s ago", page)
        assert re.search(r"gone@vm silent .*? Last heartbeat 10 min", page)
        assert "1 live worker" in text_of(section(admins.read("/operations"), "now"))

    def test_a_real_worker_shows_up(self, start_worker: t.Any, admins: Pages) -> None:
        worker = start_worker(pool="threads")
        wait_until(lambda: worker.hostname in admins.read("/operations"), what="the heartbeat")

    def test_hours_count_what_ended_in_them_and_how_long_it_had_waited(
        self, api: Api, admins: Pages
    ) -> None:
        this = clock.now().replace(minute=0, second=0, microsecond=0)
        three_ago = this - dt.timedelta(hours=3)
        for hour, status, waited in [
            (three_ago, "completed", 30),
            (three_ago, "completed", 50),
            (three_ago, "failed", 10),
            (this - dt.timedelta(hours=30), "completed", 999),
        ]:
            end(api.queue(documents.chain("a")), hour + dt.timedelta(minutes=59), status, waited)
        figures = text_of(section(admins.read("/operations"), "figures"))
        assert f"{three_ago:%H:%M} 2 1 30.0 s" in figures
        assert len(re.findall(r"\d\d:00 0 0 \S", figures)) == 23

    def test_a_broker_that_is_away_hides_nothing_else(
        self, admins: Pages, redis_process: RedisProcess
    ) -> None:
        redis_process.suspend()
        try:
            page = admins.read("/operations")
        finally:
            redis_process.resume()
        assert "The message broker did not answer in time." in text_of(page)
        assert "does not tell" in section(page, "depths")
        assert "There are no workers" in page

    def test_a_broker_that_is_full_is_told_beside_its_queues(
        self, api: Api, admins: Pages, redis_process: RedisProcess
    ) -> None:
        api.queue(documents.chain("a"))
        fill(redis_process)
        try:
            page = admins.read("/operations")
        finally:
            empty(redis_process)
        assert "The message broker is full" in text_of(page)
        assert "crew_execution" in section(page, "depths")


def add_worker(session: Session, name: str, silent: float) -> None:
    seen = clock.now() - dt.timedelta(seconds=silent)
    session.add(
        current_app_state().models.worker(
            name=name,
            pid=1,
            queues=["crew_execution"],
            pool="prefork",
            concurrency=2,
            started_at=seen,
            seen_at=seen,
        )
    )


def end(id: str, at: dt.datetime, status: str, waited: float) -> None:
    started = at - dt.timedelta(seconds=5)
    created = started - dt.timedelta(seconds=waited)
    change(id, status=status, created_at=created, started_at=started, finished_at=at)


class TestMounting:
    def test_at_another_prefix_and_twice(self, app: Flask, client: FlaskClient) -> None:
        app.register_blueprint(create_dashboard("/ops/crews"), name="second")
        answer = client.get("/ops/crews/", headers={"X-User": "ada"})
        assert answer.headers["Location"] == "/ops/crews/executions"
        page = client.get("/ops/crews/executions", headers={"X-User": "ada"})
        assert 'href="/ops/crews/static/dashboard.css"' in page.text
        with client.get("/ops/crews/static/live.js") as script:
            assert script.status_code == 200
