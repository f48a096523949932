"""The Python services, with a real broker and each kind of database, and no worker."""

from __future__ import annotations

import datetime as dt
import threading
import uuid

import pytest
import sqlalchemy as sa

from flask_crewexec import AsyncExecutionService
from flask_crewexec import GraphService
from flask_crewexec.clock import as_utc
from flask_crewexec.errors import InvalidRequest
from flask_crewexec.errors import NotFound
from flask_crewexec.errors import WrongState
from flask_crewexec.schemas import ExecutionEventSchema
from flask_crewexec.storage import transitions
from support.graphs import documents

pytestmark = pytest.mark.libraries

UNSTORABLE = ["a\x00b", "a\nb", "\ud800", "x" * 256]
NOBODY = [None, "", True, 1.5, *UNSTORABLE]


@pytest.fixture
def service(app):
    return AsyncExecutionService()


@pytest.fixture
def graphs(app):
    return GraphService()


@pytest.fixture
def graph(graphs):
    return graphs.create(documents.chain("a"), "ada").graph.id


@pytest.fixture
def task(service, graph):
    return service.queue_execution(graph, None, "ada")


def refused(pointer, call, *args, **options):
    """Check that *call* refuses its arguments because of one of them."""
    with pytest.raises(InvalidRequest) as caught:
        call(*args, **options)
    (problem,) = caught.value.problems
    assert problem.pointer == pointer
    assert problem.detail in caught.value.detail


class TestArguments:
    @pytest.mark.parametrize("user", NOBODY, ids=repr)
    def test_nobody_can_own_anything(self, service, graphs, graph, user):
        refused("/user_id", service.queue_execution, graph, None, user)
        refused("/user_id", graphs.create, documents.chain("a"), user)
        refused("/user_id", graphs.update, graph, documents.chain("a"), user)

    @pytest.mark.parametrize("thread", ["", *UNSTORABLE], ids=repr)
    def test_a_thread_that_cannot_be_stored(self, service, graph, thread):
        refused("/thread_id", service.queue_execution, graph, thread, "ada")
        refused("/thread_id", service.list_executions, thread_id=thread)
        assert service.list_executions() == []

    @pytest.mark.parametrize("thread", [7, uuid.UUID(int=7), "t" * 255, "conversation é"])
    def test_anything_else_is_a_thread(self, service, graph, thread):
        task = service.queue_execution(graph, thread, "ada")
        assert service.get_task_status(task)["thread_id"] == str(thread)
        assert [e["id"] for e in service.list_executions(thread_id=str(thread))] == [task]

    @pytest.mark.parametrize("by", [5, *UNSTORABLE], ids=repr)
    def test_who_cancels_must_be_storable(self, service, task, by):
        refused("/by", service.cancel_task, task, by=by)
        assert service.get_task_status(task)["status"] == "queued"

    @pytest.mark.parametrize("reason", [5, "a\x00", "\ud800", "x" * 501], ids=repr)
    def test_a_reason_must_be_storable(self, service, task, reason):
        refused("/reason", service.cancel_task, task, reason=reason)

    @pytest.mark.parametrize("limit", [0, -1, 201, None, "many", True])
    def test_pages_have_from_1_to_200_items(self, service, graphs, task, limit):
        refused("/limit", service.list_executions, limit=limit)
        refused("/limit", service.get_events, task, limit=limit)
        refused("/limit", graphs.list, limit=limit)

    @pytest.mark.parametrize("after", [-1, 2**31])
    def test_events_have_numbers(self, service, task, after):
        refused("/after", service.get_events, task, after=after)

    @pytest.mark.parametrize("id", [5, None, "x", "\x00"], ids=repr)
    def test_what_is_no_id_names_nothing(self, service, graphs, id):
        for call in (service.get_task_status, service.get_events, service.cancel_task):
            with pytest.raises(NotFound):
                call(id)
        with pytest.raises(NotFound):
            service.wait(id, seconds=1)
        with pytest.raises(NotFound):
            service.queue_execution(id, None, "ada")
        with pytest.raises(NotFound):
            graphs.get(id)

    @pytest.mark.parametrize("version", [0, 2**31])
    def test_versions_have_numbers(self, graphs, graph, version):
        refused("/version", graphs.get, graph, version=version)

    @pytest.mark.parametrize("attempt", [0, 2**31])
    def test_a_message_names_an_attempt_that_can_be(self, attempt):
        event = {"execution_id": str(uuid.uuid4()), "attempt": attempt}
        assert ExecutionEventSchema().validate(event).keys() == {"attempt"}


class TestWaiting:
    def test_looks_at_no_more_than_the_status(self, app, service, task):
        sent = []
        engine = app.extensions["sqlalchemy"].engine
        sa.event.listen(engine, "before_cursor_execute", lambda *a: sent.append(a[2]))
        assert service.wait(task, seconds=0.3)["status"] == "queued"
        assert len(sent) > 3
        assert sum(".inputs" in statement for statement in sent) == 1

    def test_ends_with_the_execution(self, app, service, task):
        def cancel():
            with app.app_context():
                service.cancel_task(task)

        thread = threading.Timer(0.2, cancel)
        thread.start()
        assert service.wait(task, seconds=30)["status"] == "cancelled"
        thread.join()


def test_the_loser_of_a_race_for_a_retry_gets_an_error(service, task, monkeypatch):
    requeue = transitions.requeue

    def requeue_twice(session, models, former, **others):
        return all(requeue(session, models, former, **others) for _ in range(2))

    service.cancel_task(task)
    monkeypatch.setattr(transitions, "requeue", requeue_twice)
    with pytest.raises(WrongState, match="Another request has just retried"):
        service.retry(task)


def test_moments_of_another_time_zone_become_utc():
    tokyo = dt.timezone(dt.timedelta(hours=9))
    moment = as_utc(dt.datetime(2030, 1, 1, 9, tzinfo=tokyo))
    assert moment.isoformat() == "2030-01-01T00:00:00+00:00"


def test_a_definition_of_crewai_becomes_a_document_with_registered_names(graphs):
    ann = {"role": "Ann", "goal": "Help", "backstory": "", "llm": "x/y", "tools": ["CountWords"]}
    tasks = [{"name": "do", "description": "Do", "expected_output": "Text", "agent": "ann"}]
    definition = {"agents": {"ann": ann}, "tasks": tasks}
    found = graphs.import_definition(definition, models={"x/y": "streaming"}, name="Mine")
    assert (found.document["name"], found.notes) == ("Mine", ())
    names = {node["data"].get("name") for node in found.document["nodes"]}
    assert names == {"streaming", "count_words", None}
    assert graphs.create(found.document, "ada").graph.name == "Mine"
