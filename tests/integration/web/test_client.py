"""The client for JavaScript in a real browser, with a real web server."""

from __future__ import annotations

import signal
import threading
import typing as t
import uuid
from collections.abc import Iterator

import httpx
import pytest
import sqlalchemy as sa

from flask_crewexec.app_state import current_app_state
from support.client_page import ClientPage
from support.graphs import documents
from support.host_app import host
from support.in_process import run
from support.in_process import running
from support.input_requests import parallel
from support.input_requests import reviewed
from support.servers.gunicorn import Gunicorn
from support.servers.processes import wait_until

pytestmark = [pytest.mark.browser, pytest.mark.sqlite_enough]


@pytest.fixture
def server(start_server) -> Gunicorn:
    return start_server("--worker-class=gthread", "--threads=8")


@pytest.fixture
def page(browser, server) -> ClientPage:
    return ClientPage(browser, server.url)


@pytest.fixture
def gate(model) -> Iterator[threading.Event]:
    """Holds the first answer of task 'a' back until it is set."""
    gate = threading.Event()
    model.on("Do a", hold=gate)
    yield gate
    gate.set()


def stored(api, id):
    return api("GET", f"/executions/{id}/events").json["events"]


def followed(page: ClientPage, id: str) -> list[dict[str, t.Any]]:
    """Return the events of an execution that have come, without the ends."""
    messages = [each for each in page.messages() if each["execution_id"] == id]
    events = [each for each in messages if each["type"] not in ("token", "end")]
    return [{key: event[key] for key in event if key != "execution_id"} for event in events]


def open_streams(server: Gunicorn) -> float:
    headers = {"X-User": host.ADMIN}
    found = httpx.get(f"{server.url}/crewexec/metrics", headers=headers, trust_env=False).text
    (line,) = (each for each in found.splitlines() if each.startswith("crewexec_open_streams "))
    return float(line.split()[1])


def rename(table: str, name: str) -> None:
    with current_app_state().database.write_transaction() as session:
        session.execute(sa.text(f"alter table {table} rename to {name}"))


class TestRequests:
    def test_it_queues_waits_lists_and_cancels(self, page, api, model):
        graph = api.graph(documents.chain("a"))
        done = page.call(
            "const { id } = await crews.queue({ graph_id: given }, { idempotencyKey: 'one' });"
            "const same = await crews.queue({ graph_id: given }, { idempotencyKey: 'one' });"
            "await crews.cancel(id, { reason: 'enough' });"
            "const { executions } = await crews.list({ status: 'cancelled', limit: 5 });"
            "return [id, same.id, await crews.get(id, { wait: 5 }), executions.map(e => e.id)];",
            graph,
        )
        id, same, status, cancelled = done
        assert id == same
        assert (status["status"], status["cancellation"]["reason"]) == ("cancelled", "enough")
        assert cancelled == [id]

    def test_it_retries_with_other_limits(self, page, api, model):
        id = api.queue(documents.chain("a"))
        api("POST", f"/executions/{id}/cancel")
        status = page.call("return crews.retry(given, { max_tokens: 7 })", id)
        assert (status["status"], status["limits"]["max_tokens"]) == ("queued", 7)

    def test_it_cancels_and_retries_several(self, page, api, model):
        ids = [api.queue(documents.chain("a")) for _ in range(2)]
        cancelled, queued = page.call(
            "const cancelled = await crews.cancelSeveral(given, { reason: 'enough' });"
            "return [cancelled, await crews.retrySeveral(given, { max_tokens: 7 })];",
            ids,
        )
        for done, status in ((cancelled, "cancelled"), (queued, "queued")):
            assert [(one["id"], one["status"]) for one in done["executions"]] == [
                (id, status) for id in ids
            ]
        assert {api.status(id)["limits"]["max_tokens"] for id in ids} == {7}

    def test_it_answers_what_people_are_asked(self, app, page, api, model):
        id = api.queue(reviewed())
        page.start("await follow(given); return crews.get(given)", id)
        run(id)
        (asked,) = page.wait_for("input_requested")
        answered = api("GET", f"/input-requests/{asked['data']['request']}").json
        page.start(
            "const page = await crews.inputRequests({ status: 'open', execution_id: given });"
            "const [asked] = page.input_requests;"
            "return crews.answer(asked.id, { decision: 'approve' })",
            id,
        )
        assert page.outcome()["value"]["id"] == answered["id"]
        assert run(id) == "completed"

    def test_it_answers_several_requests_at_once(self, page, api, model):
        id = api.queue(parallel("a", "b"))
        run(id)
        answered = page.call(
            "const { input_requests } = await crews.get(given);"
            "const asked = await Promise.all(input_requests.map((one) => crews.inputRequest(one)));"
            "const answers = asked.map(({ id }) => ({ id, decision: 'approve' }));"
            "return (await crews.answerAll(given, answers)).input_requests;",
            id,
        )
        assert sorted(each["step_name"] for each in answered) == ["a", "b"]
        assert run(id) == "completed"

    def test_headers_may_come_from_a_function(self, page, api):
        id = api.queue(documents.chain("a"))
        options = "{ getHeaders: async () => ({ 'X-User': 'ada' }) }"
        assert page.call("return (await crews.get(given)).id", id, options=options) == id

    def test_headers_against_forgery_go_only_with_what_changes_something(self, page, api):
        id = api.queue(documents.chain("a"))
        options = "{ csrfHeaders: () => ({ 'X-User': 'ada' }) }"
        status = page.call("return crews.cancel(given)", id, options=options)
        assert status["status"] == "cancelled"
        assert page.refused("return crews.get(given)", id, options=options)["status"] == 401


class TestErrors:
    def test_they_have_code_and_pointers(self, page, api):
        graph = api.graph(documents.chain("a"))
        error = page.refused("return crews.queue({ graph_id: given, priority: 11 })", graph)
        assert (error["code"], error["status"]) == ("invalid-request", 422)
        assert [each["pointer"] for each in error["problems"]] == ["/priority"]
        assert error["requestId"]

    def test_unexpected_ones_have_the_correlation_id_of_the_log(self, page, server):
        table = current_app_state().models.input_request.__tablename__
        rename(table, "gone")
        try:
            error = page.refused("return crews.inputRequests()")
        finally:
            rename("gone", table)
        assert error["status"] == 500
        assert error["correlationId"] in server.log_text()

    def test_a_server_that_does_not_answer_is_unreachable(self, page):
        options = "{ url: 'http://127.0.0.1:9/crewexec' }"
        error = page.refused("return crews.list()", options=options)
        assert (error["code"], error["status"]) == ("unreachable", 0)

    def test_the_reason_of_an_abort_is_passed_on(self, page, api):
        reason = "const signal = AbortSignal.abort(new Error('not now'));"
        for call in ("crews.list({}, { signal })", "crews.follow(given, { signal }).next()"):
            error = page.refused(f"{reason} return {call}", str(uuid.uuid4()))
            assert error["message"] == "Error: not now"


class TestFollowing:
    def test_tokens_come_one_by_one_and_events_to_the_end(
        self, app, page, api, model, redis_process
    ):
        gate = threading.Event()
        model.on("Do a", "Words that come one by one", chunk_delay=0.06)
        model.on("Do b", hold=gate)
        id = api.queue(documents.chain("a", "b", model="streaming"))
        page.start("await follow(given)", id)
        redis_process.wait_for_subscriber(id)
        with running(app, id):
            tokens = page.wait_for("token", 2)
            gate.set()
        assert page.outcome() == {"value": None}
        assert "".join(each["text"] for each in tokens) in "Words that come one by one"
        assert followed(page, id) == stored(api, id)
        end = {"type": "end", "execution_id": id, "status": "completed"}
        assert page.messages()[-1] == end

    def test_many_share_one_connection_also_those_that_come_later(
        self, page, browser, server, api, model
    ):
        ids = [api.queue(documents.chain("a")) for _ in range(4)]
        page.start(
            "const others = new Promise((resolve) => { window.addOthers = resolve; });"
            "const first = given.slice(0, 2).map((id) => follow(id));"
            "await others;"
            "await Promise.all([...first, ...given.slice(2).map((id) => follow(id))]);",
            ids,
        )
        page.wait_for("queued", 2)
        browser.run("window.addOthers()")
        page.wait_for("queued", 4)
        wait_until(lambda: open_streams(server) == 1, what="one stream")
        for id in ids:
            run(id)
        assert page.outcome() == {"value": None}
        assert [followed(page, id) for id in ids] == [stored(api, id) for id in ids]

    def test_who_comes_later_gets_all_and_the_others_nothing_twice(
        self, app, page, browser, api, gate
    ):
        id = api.queue(documents.chain("a"))
        page.start(
            "const later = new Promise((resolve) => { window.addAnother = resolve; });"
            "await Promise.all([follow(given), later.then(() => follow(given))]);",
            id,
        )
        with running(app, id):
            page.wait_for("model_call_started")
            browser.run("window.addAnother()")
            page.wait_for("queued", 2)
            gate.set()
        assert page.outcome() == {"value": None}
        twice = [event for event in stored(api, id) for _ in range(2)]
        assert sorted(followed(page, id), key=lambda event: event["seq"]) == twice

    def test_more_than_a_stream_takes_are_followed_all_the_same(self, page, server, api, model):
        graph = api.graph(documents.chain("a"))
        ids = [api("POST", "/executions", json={"graph_id": graph}).json["id"] for _ in range(53)]
        page.start("await Promise.all(given.map((id) => follow(id)))", ids)
        page.wait_for("queued", 53)
        assert open_streams(server) == 2
        for id in ids:
            api("POST", f"/executions/{id}/cancel")
        assert page.outcome() == {"value": None}
        assert len(page.messages("end")) == 53

    def test_more_than_the_streams_take_are_refused(self, page, server, api, model):
        ids = [api.queue(documents.chain("a")) for _ in range(51)]
        page.start(
            "const all = given.map((id) => follow(id).catch(({ code }) => `${id} ${code}`));"
            "return await Promise.race(all);",
            ids,
            '{ headers: { "X-User": "ada" }, maxStreams: 1 }',
        )
        assert page.outcome()["value"] == f"{ids[-1]} too-many-followed"
        wait_until(lambda: open_streams(server) == 1, what="one stream")
        page.wait_for("queued", 50)

    def test_it_continues_after_what_the_caller_has(self, page, api, model):
        id = api.queue(documents.chain("a"))
        run(id)
        page.start("await follow(given, { after: 3 })", id)
        assert page.outcome() == {"value": None}
        assert followed(page, id) == stored(api, id)[3:]

    def test_it_goes_on_where_it_was_when_the_server_comes_back(self, app, page, server, api, gate):
        id = api.queue(documents.chain("a"))
        page.start("await follow(given)", id)
        with running(app, id):
            page.wait_for("model_call_started")
            server.kill(signal.SIGHUP)  # new worker processes
            wait_until(lambda: page.states().count("open") > 1, what="another connection")
            gate.set()
        assert page.outcome() == {"value": None}
        assert followed(page, id) == stored(api, id)

    @pytest.mark.parametrize(
        ("unknown", "code", "said"),
        [
            (str(uuid.UUID(int=1)), "not-found", "There is no execution '{}'."),
            ("x", "invalid-request", "Not a valid UUID."),
        ],
    )
    def test_one_that_does_not_exist_fails_alone(self, page, api, model, unknown, code, said):
        id = api.queue(documents.chain("a"))
        run(id)
        outcomes = page.call(
            "const outcomes = await Promise.allSettled(given.map((id) => follow(id)));"
            "return outcomes.map(({ status, reason }) => [status, reason?.code, reason?.message])",
            [unknown, id],
        )
        assert outcomes == [["rejected", code, said.format(unknown)], ["fulfilled", None, None]]
        assert followed(page, id) == stored(api, id)

    def test_who_is_unknown_is_told_so(self, page, api):
        id = api.queue(documents.chain("a"))
        error = page.refused("await follow(given)", id, options="{}")
        assert (error["code"], error["status"]) == ("unauthorized", 401)

    def test_an_abort_hangs_up(self, page, server, api):
        id = api.queue(documents.chain("a"))
        page.start("await follow(given)", id)
        page.wait_for("queued")
        assert open_streams(server) == 1
        page.abort()
        assert "AbortError" in page.outcome()["error"]["message"]
        wait_until(lambda: open_streams(server) == 0, what="the end of the stream")

    @pytest.mark.settings(MAX_STREAMS_PER_USER=1)
    def test_without_a_free_stream_it_reads_pages(self, page, server, api, model):
        id = api.queue(documents.chain("a"))
        url = f"{server.url}/crewexec/executions/{id}/events"
        headers = {"X-User": "ada", "Accept": "text/event-stream"}
        with httpx.stream("GET", url, headers=headers, trust_env=False):
            page.start("await follow(given)", id)
            page.wait_for("queued")
        assert page.states()[:2] == ["connecting", "waiting"]


class TestTabs:
    @pytest.mark.parametrize(("other", "streams"), [("ada", 1), ("bob", 2)])
    def test_those_of_one_user_share_a_stream(self, browser, server, api, other, streams):
        id = api.queue(documents.chain("a"))
        windows = []
        for name in ("ada", other):
            browser.driver.switch_to.new_window("window")
            windows.append(browser.driver.current_window_handle)
            options = f'{{ headers: {{ "X-User": "ada" }}, shareTabs: "{name}" }}'
            page = ClientPage(browser, server.url)
            page.start("await follow(given)", id, options=options)
            page.wait_for("queued")
        wait_until(lambda: open_streams(server) == streams, what=f"{streams} streams")
        api("POST", f"/executions/{id}/cancel")
        for window in windows:
            browser.driver.switch_to.window(window)
            assert page.outcome() == {"value": None}
            assert followed(page, id) == stored(api, id)
