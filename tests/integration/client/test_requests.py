"""The Python client queues, reads, cancels and answers, with a real web server."""

from __future__ import annotations

import asyncio
import uuid

import httpx
import pytest
import sqlalchemy as sa

from flask_crewexec.app_state import current_app_state
from flask_crewexec.client import ApiError
from flask_crewexec.client import AsyncClient
from flask_crewexec.client import Client
from flask_crewexec.client import operations
from support.graphs import documents
from support.host_app import host
from support.in_process import insert_worker
from support.in_process import run
from support.input_requests import ask
from support.input_requests import parallel
from support.input_requests import reviewed
from support.python_clients import each_client

pytestmark = pytest.mark.sqlite_enough


def rename(table: str, name: str) -> None:
    with current_app_state().database.write_transaction() as session:
        session.execute(sa.text(f"alter table {table} rename to {name}"))


def listed(api) -> list[str]:
    return [each["id"] for each in api("GET", "/executions").json["executions"]]


class TestExecutions:
    @each_client
    def test_a_worker_runs_what_is_queued_and_everything_can_be_read(
        self, crews, api, model, start_worker
    ):
        start_worker()
        model.on("Do a", "An answer")
        graph = api.graph(documents.chain("a"))
        id = crews.queue(graph_id=uuid.UUID(graph), thread_id="t", inputs={}, priority=3)["id"]
        ended = crews.wait(id, timeout=60)
        assert (ended["status"], ended["priority"]) == ("completed", 3)
        assert crews.get(uuid.UUID(id)) == ended
        assert crews.result(id)["raw"] == crews.step(id, 0)["output"] == "An answer"
        (call,) = crews.calls(id, step=0, content=False)
        assert (call["kind"], call["request"]) == ("model", None)
        assert "Do a" in str(crews.call(id, call["number"])["messages"])
        assert [each["id"] for each in crews.list(thread_id="t", status="completed")] == [id]

    @each_client
    def test_a_submission_whose_answer_is_lost_is_queued_once(self, connect, proxy, api):
        proxy.cuts.append(0)
        queued = connect(proxy.url).queue(graph_id=api.graph(documents.chain("a")))
        assert not proxy.cuts
        assert listed(api) == [queued["id"]]

    def test_each_submission_is_another_unless_it_has_a_key(self, crews, api):
        graph = api.graph(documents.chain("a"))
        once = [crews.queue(graph_id=graph, idempotency_key="one")["id"] for _ in range(2)]
        twice = [crews.queue(graph_id=graph)["id"] for _ in range(2)]
        assert len({*once}) == 1
        assert {*listed(api)} == {*once, *twice}
        assert len(listed(api)) == 3

    def test_a_retry_whose_answer_is_lost_is_not_sent_again(self, connect, proxy, api):
        id = api.queue(documents.chain("a"))
        api("POST", f"/executions/{id}/cancel")
        proxy.cuts.append(0)
        with pytest.raises(ApiError) as failed:
            connect(proxy.url).retry(id, max_tokens=7)
        assert (failed.value.code, failed.value.status) == ("unreachable", None)
        assert api.event_types(id).count("queued") == 2
        assert api.status(id)["limits"]["max_tokens"] == 7

    def test_a_cancellation_whose_answer_is_lost_is_sent_again(self, connect, proxy, api):
        id = api.queue(documents.chain("a"))
        proxy.cuts.append(0)
        cancelled = connect(proxy.url).cancel(id, reason="enough")
        assert (cancelled["status"], cancelled["cancellation"]["reason"]) == ("cancelled", "enough")

    @each_client
    def test_several_are_cancelled_and_retried_each_by_itself(self, crews, api):
        ids = [api.queue(documents.chain("a")) for _ in range(2)]
        unknown = str(uuid.uuid4())
        outcomes = crews.cancel_several([*map(uuid.UUID, ids), unknown], reason="enough")
        assert [one["id"] for one in outcomes] == [*ids, unknown]
        assert [one["status"] for one in outcomes] == ["cancelled", "cancelled", None]
        assert [one["error"] and one["error"]["code"] for one in outcomes] == [
            None,
            None,
            "not-found",
        ]
        outcomes = crews.retry_several(ids, max_tokens=7)
        assert [(one["status"], one["error"]) for one in outcomes] == [("queued", None)] * 2
        assert {api.status(id)["limits"]["max_tokens"] for id in ids} == {7}

    def test_several_whose_answer_is_lost_are_cancelled_again_and_not_retried_again(
        self, connect, proxy, api
    ):
        ids = [api.queue(documents.chain("a")) for _ in range(2)]
        proxy.cuts.append(0)
        outcomes = connect(proxy.url).cancel_several(ids)
        assert [one["status"] for one in outcomes] == ["cancelled"] * 2
        proxy.cuts.append(0)
        with pytest.raises(ApiError) as failed:
            connect(proxy.url).retry_several(ids)
        assert failed.value.code == "unreachable"
        assert [api.event_types(id).count("queued") for id in ids] == [2, 2]

    def test_lists_are_read_page_by_page_up_to_the_limit(self, crews, api, monkeypatch):
        monkeypatch.setattr(operations, "PAGE", 2)
        graph = api.graph(documents.chain("a"))
        ids = [crews.queue(graph_id=graph)["id"] for _ in range(5)]
        for limit, expected in ((3, 3), (4, 4), (9, 5)):
            found = [each["id"] for each in crews.list(limit=limit, graph_id=graph)]
            assert found == ids[::-1][:expected]
        assert [each["id"] for each in crews.list()] == ids[::-1]

    @pytest.mark.settings(MAX_STATUS_CHARS=1)
    def test_lists_of_large_contents_are_read_to_their_end(self, crews, api, model):
        id = api.queue(documents.chain(*"abc"))
        run(id)
        assert [call["number"] for call in crews.calls(id)] == [1, 2, 3]
        ids = [ask(id, round=at, message="x") for at in range(3)]
        assert [each["id"] for each in crews.input_requests()] == ids[::-1]
        assert [each["id"] for each in crews.input_requests(limit=2)] == [ids[2], ids[1]]

    def test_calls_are_read_page_by_page(self, crews, api, model, monkeypatch):
        monkeypatch.setattr(operations, "PAGE", 2)
        id = api.queue(documents.chain(*"abcde"))
        run(id)
        assert [call["number"] for call in crews.calls(id)] == [1, 2, 3, 4, 5]
        assert [call["number"] for call in crews.calls(id, limit=3, after=1)] == [2, 3, 4]


class TestForks:
    def test_a_fork_whose_answer_is_lost_is_queued_once(self, connect, proxy, api, model):
        id = api.queue(documents.chain("a", "b"))
        run(id)
        proxy.cuts.append(0)
        forked = connect(proxy.url).fork(id, outputs={"a": "Another answer"})
        assert not proxy.cuts
        assert [step["origin"] for step in forked["steps"]] == ["edited", None]
        assert {*listed(api)} == {id, forked["execution"]["id"]}

    def test_two_executions_are_compared(self, crews, api, model):
        model.on("Do a", "One answer", times=1).on("Do a", "Another answer")
        ids = [api.queue(documents.chain("a")) for _ in range(2)]
        for id in ids:
            run(id)
        compared = crews.compare(*ids)
        assert [compared["a"]["id"], compared["b"]["id"]] == ids
        assert compared["result"]["same"] is False


class TestWaiting:
    def test_it_returns_what_has_not_ended_after_the_timeout(self, crews, api):
        id = api.queue(documents.chain("a"))
        assert crews.wait(id, timeout=0)["status"] == "queued"
        assert crews.get(id, wait=1)["status"] == "queued"

    def test_it_ends_when_people_are_asked(self, crews, api, model):
        id = api.queue(reviewed())
        run(id)
        assert crews.wait(id)["status"] == "waiting_input"

    @each_client
    def test_it_goes_on_when_the_connection_is_cut(self, connect, proxy, api, model):
        id = api.queue(documents.chain("a"))
        run(id)
        proxy.cuts += [0, 100]
        assert connect(proxy.url).wait(id)["status"] == "completed"
        assert not proxy.cuts

    def test_it_ends_at_once_if_there_is_no_such_execution(self, crews):
        with pytest.raises(ApiError) as failed:
            crews.wait(uuid.uuid4())
        assert (failed.value.code, failed.value.status) == ("not-found", 404)


class TestInputRequests:
    def test_one_is_answered_also_if_the_answer_is_lost(self, connect, proxy, api, model):
        id = api.queue(reviewed())
        run(id)
        crews = connect(proxy.url)
        (asked,) = crews.input_requests(status="open", execution_id=id)
        proxy.cuts.append(0)
        answered = connect(proxy.url).answer(asked["id"], decision="approve")
        assert not proxy.cuts
        assert (answered["id"], answered["decision"]) == (asked["id"], "approve")
        assert run(id) == "completed"

    def test_several_are_answered_at_once(self, crews, api, model):
        id = api.queue(parallel("a", "b"))
        run(id)
        asked = [*crews.input_requests(execution_id=id)]
        assert [crews.input_request(each) for each in crews.get(id)["input_requests"]] == asked[
            ::-1
        ]
        answers = [{"id": each["id"], "decision": "approve"} for each in asked]
        assert len(answers) == 2
        answered = crews.answer_all(id, answers)
        assert [each["id"] for each in answered] == [each["id"] for each in asked]
        assert run(id) == "completed"


class TestErrors:
    def test_they_have_code_status_and_pointers(self, crews, api):
        with pytest.raises(ApiError) as failed:
            crews.queue(graph_id=api.graph(documents.chain("a")), priority=11, max_tokens=0)
        error = failed.value
        assert (error.code, error.status) == ("invalid-request", 422)
        assert sorted(error.pointers) == ["/max_tokens", "/priority"]
        assert not error.is_transient
        assert error.request_id
        assert "/priority: " in str(error)

    def test_unexpected_ones_have_the_correlation_id_of_the_log(self, crews, server):
        table = current_app_state().models.input_request.__tablename__
        rename(table, "gone")
        try:
            with pytest.raises(ApiError) as failed:
                [*crews.input_requests()]
        finally:
            rename("gone", table)
        assert (failed.value.code, failed.value.status) == ("internal-error", 500)
        assert failed.value.correlation_id in server.log_text()

    @each_client
    def test_a_server_that_does_not_answer_is_a_timeout(self, connect, server, api):
        id = api.queue(documents.chain("a"))
        crews = connect(server.url, timeout=0.2)
        server.suspend()
        try:
            with pytest.raises(ApiError) as failed:
                crews.get(id)
        finally:
            server.resume()
        assert (failed.value.code, failed.value.status) == ("timeout", None)
        assert failed.value.is_transient
        assert crews.get(id, wait=1)["id"] == id

    @each_client
    def test_a_server_that_is_not_there_is_unreachable(self, connect, server):
        server.stop()
        with pytest.raises(ApiError) as failed:
            connect(server.url).cancel(uuid.uuid4())
        assert (failed.value.code, failed.value.status) == ("unreachable", None)

    def test_a_page_that_is_not_of_the_api_is_unexpected(self, connect, server):
        crews = connect(f"{server.url}/elsewhere")
        with pytest.raises(ApiError) as failed:
            crews.get(uuid.uuid4())
        assert (failed.value.code, failed.value.status) == ("unexpected-response", 404)

    @pytest.mark.settings(MAX_QUEUED_PER_USER=1)
    def test_a_limit_says_when_to_try_again(self, crews, api):
        graph = api.graph(documents.chain("a"))
        crews.queue(graph_id=graph)
        with pytest.raises(ApiError) as failed:
            crews.queue(graph_id=graph)
        assert (failed.value.code, failed.value.status) == ("queue-quota-exceeded", 429)
        assert failed.value.retry_after
        assert failed.value.is_transient


class TestIdentity:
    @each_client
    def test_headers_may_come_from_a_function(self, connect, server, api):
        users = iter(["ada", "mallory"])
        crews = connect(server.url, headers=lambda: {"X-User": next(users)})
        id = crews.queue(graph_id=api.graph(documents.chain("a")))["id"]
        with pytest.raises(ApiError) as failed:
            crews.get(id)
        assert failed.value.code == "not-found"

    @pytest.mark.parametrize("kind", ["async"])
    def test_the_function_may_be_async(self, connect, server, api):
        async def read_headers():
            return {"X-User": "ada"}

        assert [*connect(server.url, headers=read_headers).list()] == []

    def test_without_one_the_request_is_refused(self, connect, server):
        with pytest.raises(ApiError) as failed:
            [*connect(server.url, headers=None).list()]
        assert (failed.value.code, failed.value.status) == ("unauthorized", 401)

    def test_a_client_of_httpx_may_be_passed_and_stays_open(self, server):
        url, headers = f"{server.url}/crewexec", {"X-User": "ada"}
        with httpx.Client(headers=headers) as http:
            with Client(url, http=http) as crews:
                assert [*crews.list()] == []
            assert not http.is_closed

        async def use_async_client():
            async with httpx.AsyncClient(headers=headers) as http:
                async with AsyncClient(url, http=http) as crews:
                    assert [each async for each in crews.list()] == []
                assert not http.is_closed

        asyncio.run(use_async_client())


def test_an_address_without_a_scheme_is_refused(connect):
    with pytest.raises(ValueError, match="with its scheme"):
        connect("example.com")


class TestManagers:
    @each_client
    def test_pause_the_queue_and_resume_it(self, connect, server, api):
        managers = connect(server.url, headers={"X-User": host.ADMIN})
        paused = managers.pause_queue(reason="A new server.")
        assert (paused["changed"], paused["pause"]["reason"]) == (True, "A new server.")
        id = api.queue(documents.chain("a"))
        assert managers.get(id)["progress"]["waiting_for"] == "paused_queue"
        assert managers.resume_queue() == {"pause": None, "changed": True}

    def test_are_needed_for_that(self, crews):
        with pytest.raises(ApiError) as refused:
            crews.pause_queue()
        assert refused.value.code == "forbidden"

    def test_see_and_drain_workers(self, connect, server, app):
        insert_worker(app)
        managers = connect(server.url, headers={"X-User": host.ADMIN})
        (found,) = managers.workers()
        assert (found["name"], found["state"], found["runs"]) == ("w@host", "running", [])
        drained = managers.drain_worker(found["id"], then="stop")
        assert drained["drain"] is not None
        assert drained["drain"]["then"] == "stop"
        assert managers.resume_worker(found["id"])["drain"] is None
        with pytest.raises(ApiError) as unknown:
            managers.drain_worker(uuid.uuid4())
        assert unknown.value.code == "not-found"
