"""Several executions are cancelled or retried in one request, each by itself."""

from __future__ import annotations

import threading
import typing as t
import uuid

import pytest
import sqlalchemy as sa
from flask import Flask

from flask_crewexec import AsyncExecutionService
from flask_crewexec import Identity
from flask_crewexec.app_state import current_app_state
from flask_crewexec.errors import InvalidRequest
from flask_crewexec.schemas import MAX_SEVERAL
from flask_crewexec.services import several
from flask_crewexec.services.retries import retry
from flask_crewexec.testing import ScriptedModel
from support.api_client import Api
from support.api_client import problem
from support.graphs import documents
from support.in_process import at_once
from support.in_process import run
from support.in_process import running

UNKNOWN = "01a20000-0000-7000-8000-000000000000"

Json = dict[str, t.Any]


@pytest.fixture
def ids(api: Api) -> list[str]:
    """Three executions that wait."""
    graph = api.graph(documents.chain("a"))
    return [
        api("POST", "/executions", json={"graph_id": graph, "inputs": {}}).json["id"]
        for _ in range(3)
    ]


def send(user: Api, action: str, ids: list[str], **body: object) -> list[Json]:
    answer = user("POST", f"/executions/{action}", json={"ids": ids, **body})
    assert answer.status_code == 200, answer.json
    return t.cast("list[Json]", answer.json["executions"])


def told(outcomes: list[Json]) -> list[tuple[str, str | None, str | None]]:
    """The ids, statuses and codes of errors."""
    return [(one["id"], one["status"], (one["error"] or {}).get("code")) for one in outcomes]


class TestCancel:
    def test_each_is_told_what_came_of_it(
        self, app: Flask, api: Api, stranger: Api, model: ScriptedModel, ids: list[str]
    ) -> None:
        waiting, done, active = ids
        gate = threading.Event()
        assert run(done) == "completed"
        model.on("Do a", hold=gate)
        theirs = stranger.queue(documents.chain("a"))
        with running(app, active) as came:
            model.wait_for_calls(2)
            asked = [active, theirs, waiting, done, UNKNOWN]
            outcomes = send(api, "cancel", asked, reason="enough")
        gate.set()
        assert told(outcomes) == [
            (active, "running", None),
            (theirs, None, "not-found"),
            (waiting, "cancelled", None),
            (done, "completed", "wrong-state"),
            (UNKNOWN, None, "not-found"),
        ]
        assert came == ["cancelled"]
        shown = api.status(waiting)["cancellation"]
        assert (shown["by"], shown["reason"]) == ("ada", "enough")
        assert stranger.status(theirs)["status"] == "queued"

    def test_what_belongs_to_others_looks_like_what_does_not_exist(
        self, stranger: Api, ids: list[str]
    ) -> None:
        for action in ("cancel", "retry"):
            theirs, unknown = send(stranger, action, [ids[0], UNKNOWN])
            theirs["error"]["detail"] = theirs["error"]["detail"].replace(ids[0], UNKNOWN)
            assert {**theirs, "id": UNKNOWN} == unknown

    def test_managers_cancel_those_of_others(self, admin: Api, api: Api, ids: list[str]) -> None:
        outcomes = send(admin, "cancel", ids)
        assert told(outcomes) == [(id, "cancelled", None) for id in ids]
        assert {api.status(id)["cancellation"]["by"] for id in ids} == {admin.user}

    def test_the_same_request_twice_changes_nothing_more(self, api: Api, ids: list[str]) -> None:
        first = send(api, "cancel", ids)
        assert send(api, "cancel", ids) == first
        for id in ids:
            assert api.event_types(id) == ["queued", "cancelled"]

    def test_two_at_the_same_time_cancel_each_once(self, app: Flask, ids: list[str]) -> None:
        def cancel(order: list[str]) -> list[Json]:
            return AsyncExecutionService().for_user("ada").cancel_several(order)

        came = at_once(app, lambda: cancel(ids), lambda: cancel(ids[::-1]))
        assert all(one["error"] is None for outcomes in came for one in outcomes)
        events = [AsyncExecutionService().get_events(id) for id in ids]
        assert [[each["type"] for each in one] for one in events] == [["queued", "cancelled"]] * 3

    def test_a_reason_that_cannot_be_stored_cancels_nothing(self, api: Api, ids: list[str]) -> None:
        refused = api("POST", "/executions/cancel", json={"ids": ids, "reason": "\x1b"})
        problem(refused, 422, "invalid-request")
        with pytest.raises(InvalidRequest):
            AsyncExecutionService().cancel_several(ids, by="\x1b")
        assert {api.status(id)["status"] for id in ids} == {"queued"}


class TestRetry:
    def test_each_is_told_what_came_of_it(
        self, api: Api, model: ScriptedModel, ids: list[str]
    ) -> None:
        cancelled, done, waiting = ids
        send(api, "cancel", [cancelled])
        assert run(done) == "completed"
        outcomes = send(api, "retry", [waiting, cancelled, done], max_tokens=700)
        assert told(outcomes) == [
            (waiting, "queued", "wrong-state"),
            (cancelled, "queued", None),
            (done, "completed", "wrong-state"),
        ]
        again = api.status(cancelled)
        assert (again["attempt"], again["limits"]["max_tokens"]) == (2, 700)
        assert api.status(waiting)["limits"]["max_tokens"] != 700
        assert run(cancelled) == "completed"

    def test_two_at_the_same_time_queue_each_once(
        self, app: Flask, api: Api, ids: list[str]
    ) -> None:
        send(api, "cancel", ids)

        def retry(order: list[str]) -> list[Json]:
            return AsyncExecutionService().for_user("ada").retry_several(order)

        first, second = at_once(app, lambda: retry(ids), lambda: retry(ids[::-1]))
        done = [one["id"] for one in (*first, *second) if one["error"] is None]
        assert sorted(done) == sorted(ids)
        assert {api.status(id)["attempt"] for id in ids} == {2}

    @pytest.mark.settings(MAX_QUEUED_PER_USER=3)
    def test_those_beyond_the_quota_are_told_when_to_try_again(
        self, api: Api, ids: list[str]
    ) -> None:
        send(api, "cancel", ids)
        for _ in range(2):
            api.queue(documents.chain("a"))
        first, *others = send(api, "retry", ids)
        assert (first["status"], first["error"], first["retry_after"]) == ("queued", None, None)
        for one in others:
            assert (one["status"], one["error"]["code"]) == ("cancelled", "queue-quota-exceeded")
            assert one["retry_after"] > 0

    @pytest.mark.sqlite_enough
    @pytest.mark.settings(MAX_LLM_CALLS=10)
    def test_limits_above_the_settings_retry_nothing(self, api: Api, ids: list[str]) -> None:
        send(api, "cancel", ids)
        refused = api("POST", "/executions/retry", json={"ids": ids, "max_llm_calls": 11})
        problem(refused, 422, "invalid-request")
        assert {api.status(id)["status"] for id in ids} == {"cancelled"}


@pytest.mark.sqlite_enough
class TestInterruptions:
    def test_the_others_do_not_wait_for_a_broker_that_is_away(
        self, api: Api, redis_process: t.Any, ids: list[str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        send(api, "cancel", ids)
        tried = []

        def try_one(*given: t.Any) -> None:
            tried.append(given)
            retry(*given)

        monkeypatch.setattr(several, "retry", try_one)
        redis_process.stop()
        try:
            outcomes = send(api, "retry", ids)
        finally:
            redis_process.start()
        assert told(outcomes) == [(id, "cancelled", "broker-unavailable") for id in ids]
        assert len(tried) == 1

    def test_those_before_an_unexpected_error_keep_their_outcomes(
        self, api: Api, ids: list[str], caplog: pytest.LogCaptureFixture
    ) -> None:
        forbid_changes_of(ids[1])
        outcomes = send(api, "cancel", ids)
        assert told(outcomes) == [
            (ids[0], "cancelled", None),
            (ids[1], "queued", "interrupted"),
            (ids[2], "queued", "interrupted"),
        ]
        correlation_id = outcomes[1]["error"]["detail"].rpartition(" ")[2].rstrip(".")
        assert correlation_id in caplog.text
        assert "not today" not in str(outcomes)

    def test_an_unexpected_error_before_anything_was_done_is_one(
        self, api: Api, ids: list[str]
    ) -> None:
        forbid_changes_of(ids[0])
        answer = api("POST", "/executions/cancel", json={"ids": ids})
        problem(answer, 500, "internal-error")
        assert {api.status(id)["status"] for id in ids} == {"queued"}

    def test_when_the_time_is_over_the_others_are_not_tried(self, api: Api, ids: list[str]) -> None:
        service = AsyncExecutionService().for_user("ada")
        assert told(service.cancel_several(ids, seconds=0)) == [
            (ids[0], "cancelled", None),
            (ids[1], "queued", "interrupted"),
            (ids[2], "queued", "interrupted"),
        ]
        assert told(service.cancel_several(ids, seconds=60)) == [
            (id, "cancelled", None) for id in ids
        ]


def forbid_changes_of(id: str) -> None:
    """Let the database refuse to change an execution, with an error that nobody expects."""
    raised = "SELECT RAISE(ABORT, 'not today')"
    when = f"new.id = '{uuid.UUID(id).hex}'"
    trigger = f"CREATE TRIGGER refuse BEFORE UPDATE ON crewexec_execution WHEN {when}"
    with current_app_state().database.write_transaction() as session:
        session.execute(sa.text(f"{trigger} BEGIN {raised}; END"))


@pytest.mark.sqlite_enough
class TestRequests:
    @pytest.mark.parametrize("action", ["cancel", "retry"])
    @pytest.mark.parametrize(
        "ids", [None, ["x"], [UNKNOWN, UNKNOWN], [str(uuid.uuid4()) for _ in range(101)]]
    )
    def test_what_cannot_be_is_refused(self, api: Api, action: str, ids: object) -> None:
        answer = api("POST", f"/executions/{action}", json={} if ids is None else {"ids": ids})
        (found,) = problem(answer, 422, "invalid-request")["errors"]
        assert found["pointer"] in ("/ids", "/ids/0")

    def test_none_and_as_many_as_are_allowed(self, api: Api) -> None:
        assert send(api, "retry", []) == []
        ids = [str(uuid.uuid4()) for _ in range(MAX_SEVERAL)]
        assert [one["id"] for one in send(api, "cancel", ids)] == ids

    def test_python_takes_any_ids_each_once(self, app: Flask, ids: list[str]) -> None:
        service = AsyncExecutionService().for_user(Identity("root", may_manage_others=True))
        given: list[str | uuid.UUID] = [
            "no-id",
            uuid.UUID(ids[0]),
            ids[0].upper(),
            ids[0],
            *ids[1:],
        ]
        assert told(service.cancel_several(given)) == [
            ("no-id", None, "not-found"),
            *((id, "cancelled", None) for id in ids),
        ]
