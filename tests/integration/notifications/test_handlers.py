"""What handlers and signals are told, how often, and in which order."""

from __future__ import annotations

import contextlib
import threading

import pytest
import sqlalchemy as sa
from flask import current_app

from flask_crewexec import AsyncExecutionService
from flask_crewexec import clock
from flask_crewexec import Notification
from flask_crewexec import signals
from flask_crewexec.app_state import current_app_state
from flask_crewexec.notifications import dispatcher
from flask_crewexec.notifications import handlers
from flask_crewexec.storage import deliveries as storage
from flask_crewexec.storage import delivery_claims
from flask_crewexec.tasks import notifications
from support.deliveries import deliver
from support.deliveries import deliveries
from support.deliveries import make_due
from support.graphs import documents
from support.in_process import run


@pytest.fixture
def on(app):
    """The decorator of handlers."""
    return app.extensions["crewexec_host"].on


@pytest.fixture
def told(on):
    """Everything that a handler is told."""
    told: list[Notification] = []
    on("*", name="told")(told.append)
    return told


def claim():
    """Claim what is due first, which there is."""
    claim = delivery_claims.claim(current_app_state(), 60.0)
    assert claim is not None
    return claim


def statuses():
    return [(row.status, row.tries) for row in deliveries()]


def complete(api, model, *tasks):
    for task in tasks:
        model.on(f"Do {task}", task.upper())
    id = api.queue(documents.chain(*tasks))
    assert run(id) == "completed"
    return id


class TestNotifications:
    def test_of_a_run(self, api, model, told):
        id = complete(api, model, "a", "b")
        assert deliver() == 5
        assert [each.type for each in told] == [
            "execution.queued",
            "execution.started",
            "step.completed",
            "step.completed",
            "execution.completed",
        ]
        assert [each.status for each in told] == [
            "queued",
            "running",
            "running",
            "running",
            "completed",
        ]
        assert {each.execution_id for each in told} == {id}
        assert {each.user_id for each in told} == {"ada"}
        assert [each.data["step"] for each in told[2:4]] == ["a", "b"]
        assert len({each.id for each in told}) == 5
        assert deliver() == 0

    def test_they_have_the_numbers_and_times_of_the_history(self, api, model, told):
        id = complete(api, model, "a")
        deliver()
        history = {
            f"{id}.{event['seq']}": event["created_at"]
            for event in api("GET", f"/executions/{id}/events").json["events"]
        }
        assert {each.id for each in told} < history.keys()
        for each in told:
            stored = history[each.id]
            assert each.time == clock.as_utc(each.time.fromisoformat(stored))

    def test_of_an_exhausted_budget(self, api, model, told):
        model.on("Do a", "ALPHA")
        id = api.queue(documents.chain("a", "b"), max_llm_calls=1)
        assert run(id) == "failed"
        deliver()
        assert [each.type for each in told[-2:]] == ["budget.exhausted", "execution.failed"]
        assert "1 model calls" in told[-2].data["reason"]

    def test_of_a_cancelled_execution_that_waits(self, api, told):
        id = api.queue(documents.chain("a"))
        api("POST", f"/executions/{id}/cancel")
        deliver()
        assert [each.type for each in told] == ["execution.queued", "execution.cancelled"]

    def test_only_of_what_is_wanted(self, api, model, on):
        told: list[Notification] = []
        on("execution.completed", "step.*", name="some")(told.append)
        complete(api, model, "a")
        assert deliver() == 2
        assert [each.type for each in told] == ["step.completed", "execution.completed"]

    def test_nobody_is_told_that_an_execution_is_queued_which_may_be_undone(self, api, told):
        api.queue(documents.chain("a"))
        assert notifications.handle({}) == {"tried": 0}
        assert deliver() == 1

    def test_its_start_proves_that_it_was_queued(self, api, model, told):
        complete(api, model, "a")
        assert notifications.handle({}) == {"tried": 4}


class TestNothingWithoutReceivers:
    def test_no_row_and_no_query(self, api, app, model):
        statements = []

        def note(connection, cursor, statement, *_):
            statements.append(statement)

        sa.event.listen(app.extensions["sqlalchemy"].engine, "before_cursor_execute", note)
        complete(api, model, "a")
        assert not [each for each in statements if "delivery" in each or "webhook." in each]
        assert deliveries() == []

    def test_no_row_for_events_that_nobody_wants(self, api, model, on):
        on("execution.failed", name="failures")(print)
        complete(api, model, "a")
        assert deliveries() == []


class TestFailures:
    def test_a_handler_that_raises_is_called_again_with_the_same_id(self, api, model, on, caplog):
        ids = []

        @on("execution.completed", name="second")
        def fail_once(notification):
            ids.append(notification.id)
            if len(ids) == 1:
                raise RuntimeError("sk-secret")

        id = complete(api, model, "a")
        assert (deliver(), statuses()) == (1, [("waiting", 1)])
        assert deliveries()[0].answer["text"] == "RuntimeError"
        (record,) = [each for each in caplog.records if "handler:second" in each.message]
        assert (record.execution_id, record.user_id) == (id, "ada")
        assert deliver() == 1
        assert ids == [ids[0]] * 2
        assert statuses() == [("delivered", 2)]

    def test_it_is_given_up_after_ten_tries(self, api, model, on, caplog):
        @on("execution.completed", name="broken")
        def fail(notification):
            raise SystemExit(1)

        complete(api, model, "a")
        for _ in range(10):
            assert deliver() == 1
        assert deliver() == 0
        assert statuses() == [("failed", 10)]
        assert "after 10 tries" in caplog.text

    def test_other_receivers_are_told_in_the_meantime(self, api, model, on, told):
        @on("*", name="broken")
        def fail(notification):
            raise RuntimeError

        complete(api, model, "a")
        deliver()
        assert len(told) == 4

    def test_what_follows_waits_for_what_was_before(self, api, model, on):
        told = []

        @on("*", name="ordered")
        def fail_at_first(notification):
            told.append(notification.type)
            if len(told) < 3:
                raise RuntimeError

        complete(api, model, "a")
        while deliver():
            pass
        assert told == [
            *["execution.queued"] * 3,
            "execution.started",
            "step.completed",
            "execution.completed",
        ]

    def test_what_follows_is_put_off_with_it(self, api, model, on):
        @on("*", name="broken")
        def fail(notification):
            raise RuntimeError

        complete(api, model, "a")
        assert notifications.handle({}) == {"tried": 1}
        assert notifications.handle({}) == {"tried": 0}
        assert not storage.has_due(current_app_state())

    @pytest.mark.settings(NOTIFICATION_TIMEOUT=0.05)
    def test_one_that_hangs_is_given_up(self, api, model, on):
        release = threading.Event()

        @on("execution.completed", name="hangs")
        def hang(notification):
            release.wait(60)

        complete(api, model, "a")
        try:
            assert deliver() == 1
            assert deliveries()[0].answer["code"] == "timeout"
        finally:
            release.set()

    @pytest.mark.settings(NOTIFICATION_TIMEOUT=0.05)
    def test_no_process_collects_calls_that_hang(self, api, model, on, monkeypatch):
        monkeypatch.setattr(handlers, "MAX_HUNG", 1)
        release, begun = threading.Event(), []

        @on("step.completed", "execution.completed", name="hangs")
        def hang(notification):
            begun.append(notification)
            release.wait(60)

        complete(api, model, "a")
        try:
            deliver()
            deliver()
            assert len(begun) == 1
            assert deliveries()[0].answer["code"] == "hung"
        finally:
            release.set()

    def test_one_that_is_not_registered_any_more(self, api, app, model, told):
        complete(api, model, "a")
        del app.extensions["crewexec"].registry.handlers["told"]
        assert deliver() == 1
        assert deliveries()[0].answer["code"] == "not-registered"


class TestThreads:
    def test_where_none_can_be_started_a_run_goes_on(self, app, api, model, told, monkeypatch):
        start = threading.Thread.start

        def refuse(thread):
            if thread.name.startswith("crewexec-notifications"):
                raise RuntimeError("can't start new thread")
            start(thread)

        monkeypatch.setattr(dispatcher, "_delivering", {current_app_state().celery})
        monkeypatch.setattr(threading.Thread, "start", refuse)
        complete(api, model, "a")
        assert deliver() == 4


class TestContext:
    def test_handlers_run_in_a_context_of_their_own(self, api, app, model, on):
        seen = []

        @on("execution.completed", name="context")
        def look(notification):
            seen.append((current_app.name, threading.current_thread()))

        complete(api, model, "a")
        deliver()
        ((name, thread),) = seen
        assert name == app.name
        assert thread is not threading.current_thread()

    def test_a_handler_submits_the_next_crew_once(self, api, model, on):
        graph, times = api.graph(documents.chain("b")), []

        @on("execution.completed", name="chain")
        def submit_next(notification):
            AsyncExecutionService().queue_execution(
                graph, None, notification.user_id, {}, idempotency_key=notification.id
            )
            times.append(notification)
            if len(times) == 1:
                raise RuntimeError

        complete(api, model, "a")
        assert (deliver(), deliver()) == (1, 1)
        executions = api("GET", "/executions").json["executions"]
        assert [each["graph_id"] for each in executions].count(graph) == 1


class TestSignals:
    def test_they_are_sent_with_the_application(self, api, app, model):
        seen = []

        def receive(sender, notification):
            seen.append((sender, notification.type))

        with contextlib.ExitStack() as stack:
            for name in ("step.completed", "execution.completed"):
                stack.enter_context(signals[name].connected_to(receive))
            complete(api, model, "a")
            assert deliver() == 2
        assert seen == [(app, "step.completed"), (app, "execution.completed")]

    def test_nothing_is_stored_for_signals_without_receivers(self, api, model):
        with signals["execution.failed"].connected_to(print):
            complete(api, model, "a")
        assert deliveries() == []


class TestMetrics:
    def test_what_waits_and_what_became_of_it(self, api, admin, model, on, told):
        @on("execution.completed", name="broken")
        def fail(notification):
            raise RuntimeError

        def figures():
            lines = admin("GET", "/metrics").text.splitlines()
            return dict(line.split(" ") for line in lines if "crewexec_notification" in line[:25])

        complete(api, model, "a")
        assert figures()["crewexec_notifications_waiting"] == "5.0"
        make_due()
        assert float(figures()["crewexec_notification_delay_seconds"]) > 1e8
        for _ in range(10):
            deliver()
        found = figures()
        assert found['crewexec_notifications_total{outcome="delivered"}'] == "4.0"
        assert found['crewexec_notifications_total{outcome="failed"}'] == "1.0"
        assert found["crewexec_notifications_waiting"] == "0.0"
        assert found["crewexec_notification_delay_seconds"] == "0.0"


class TestClaims:
    def test_one_that_was_claimed_again_is_not_settled_by_the_first(self, api, model, told):
        complete(api, model, "a")
        app_state = current_app_state()
        make_due()
        first = claim()
        make_due()
        second = claim()
        assert (first.key, first.tries, second.tries) == (second.key, 1, 2)
        assert not storage.settle(app_state, first, "failed", {})
        assert not storage.put_off(app_state, first, 60.0, {})
        assert storage.settle(app_state, second, "delivered", {})
        assert not storage.settle(app_state, second, "failed", {})

    def test_nobody_else_claims_it_or_what_follows(self, api, model, told):
        complete(api, model, "a")
        app_state = current_app_state()
        claim()
        assert delivery_claims.claim(app_state, 60.0) is None

    def test_two_executions_are_told_at_the_same_time(self, api, model, told):
        ids = {complete(api, model, name) for name in ("a", "b")}
        claims = [claim() for _ in ids]
        assert {str(each.key.execution_id) for each in claims} == ids
