"""What one user may do from Python, and errors in the host's own views."""

from __future__ import annotations

import inspect
import typing as t

import pytest
from flask import request

from flask_crewexec import AsyncExecutionService
from flask_crewexec import CrewExecError
from flask_crewexec import GraphService
from flask_crewexec import Identity
from flask_crewexec.errors import NotFound
from flask_crewexec.errors import QueueQuotaExceeded
from flask_crewexec.errors import WrongState
from flask_crewexec.identity import UserIdRefused
from flask_crewexec.services.user_executions import UserExecutions
from flask_crewexec.services.user_graphs import UserGraphs
from support.api_client import problem
from support.graphs import documents
from support.host_app import host
from support.in_process import run

pytestmark = pytest.mark.sqlite_enough

UNKNOWN = "01a20000-0000-7000-8000-000000000000"


@pytest.fixture
def owned(api):
    return api.queue(documents.chain("a"))


@pytest.fixture
def executions(app):
    return AsyncExecutionService().for_user


@pytest.fixture
def graphs(app):
    return GraphService().for_user


READS: dict[str, dict[str, t.Any]] = {
    "get_task_status": {},
    "get_step": {"position": 0},
    "get_result": {},
    "get_events": {},
    "get_calls": {},
    "get_call": {"number": 1},
    "wait": {"seconds": 0},
    "cancel_task": {},
    "retry": {},
}
CHANGES: dict[str, dict[str, t.Any]] = {
    "get": {},
    "update": {"document": documents.ONE_TASK},
    "versions": {},
    "diff": {"older": 1},
    "copy": {},
    "archive": {},
    "restore": {},
}


class TestExecutions:
    def test_a_user_has_their_own(self, executions, api, model):
        mine = executions("ada")
        id = mine.queue_execution(api.graph(documents.chain("a")), inputs={})
        assert mine.get_task_status(id)["user_id"] == "ada"
        assert [each["id"] for each in mine.list_executions(status="queued")] == [id]
        with pytest.raises(WrongState):
            mine.retry(id)
        assert run(id) == "completed"
        assert mine.wait(id, seconds=1)["status"] == "completed"
        assert mine.get_result(id)["raw"] == mine.get_step(id, 0)["output"]
        assert mine.get_events(id, limit=1)[0]["type"] == "queued"
        assert mine.cancel_task(id) is False

    def test_who_cancelled_is_stored(self, executions, owned):
        assert executions("ada").cancel_task(owned, reason="no longer needed")
        shown = executions("ada").get_task_status(owned)["cancellation"]
        assert (shown["by"], shown["reason"]) == ("ada", "no longer needed")
        assert executions("ada").retry(owned)["status"] == "queued"

    @pytest.mark.parametrize("method", READS)
    def test_those_of_others_do_not_exist(self, executions, owned, method):
        told = []
        for id in (owned, UNKNOWN):
            with pytest.raises(NotFound) as caught:
                getattr(executions("mallory"), method)(id, **READS[method])
            told.append(str(caught.value).replace(id, "…"))
        assert told[0] == told[1]
        assert executions("mallory").list_executions() == []

    def test_somebody_elses_graph_cannot_be_run(self, executions, api):
        with pytest.raises(NotFound):
            executions("mallory").queue_execution(api.graph(documents.chain("a")))

    def test_a_manager_sees_all(self, executions, owned):
        manager = executions(Identity("root", may_manage_others=True))
        assert manager.get_task_status(owned)["id"] == owned

    def test_no_method_is_forgotten(self):
        """Everything that takes a requester is either offered to a user or internal to views."""
        for whole, part in ((AsyncExecutionService, UserExecutions), (GraphService, UserGraphs)):
            methods = inspect.getmembers(whole, inspect.isfunction)
            takers = {n for n, f in methods if "requester" in inspect.signature(f).parameters}
            assert takers - {"delete"} <= vars(part).keys()

    @pytest.mark.parametrize("nobody", [None, True, 1.5, b"ada"])
    def test_nobody_is_no_user(self, executions, graphs, nobody):
        for service in (executions, graphs):
            with pytest.raises(TypeError, match="user"):
                service(nobody)

    def test_an_id_that_is_too_long_is_refused(self, executions):
        with pytest.raises(UserIdRefused, match="255"):
            executions("a" * 256)


class TestGraphs:
    def test_a_user_has_their_own(self, graphs):
        mine = graphs(Identity("ada"))
        id = mine.create(documents.ONE_TASK).graph.id
        assert mine.report(documents.ONE_TASK)["valid"]
        assert mine.update(id, documents.chain("a")).version.author_id == "ada"
        assert [version.number for version in mine.versions(id)] == [2, 1]
        assert mine.diff(id, 1).changes
        assert mine.copy(id, version=1).graph.owner_id == "ada"
        assert mine.archive(id).graph.deleted_at
        assert len(mine.list()) == len(mine.list(archived=True)) == 1
        assert mine.restore(id).graph.deleted_at is None

    @pytest.mark.parametrize("method", CHANGES)
    def test_those_of_others_do_not_exist(self, graphs, api, method):
        id = api.graph(documents.ONE_TASK)
        with pytest.raises(NotFound):
            getattr(graphs("mallory"), method)(id, **CHANGES[method])
        assert graphs("mallory").list() == []

    def test_roles_count(self, app, graphs):
        @app.extensions["crewexec_host"].tool("pay", roles={"payer"})
        def pay(euros: int) -> str:
            """Pay."""
            return "paid"

        document = documents.chain("a", tools=("pay",))
        assert not graphs("ada").report(document)["valid"]
        assert graphs(Identity("ada", roles={"payer"})).report(document)["valid"]


class TestErrorsInTheHostsViews:
    @pytest.fixture
    def views(self, app):
        app = host.create_app()

        @app.get("/mine/<id>")
        def mine(id):
            if "busy" in request.args:
                raise QueueQuotaExceeded("Too many are waiting.", 10)
            return AsyncExecutionService().for_user("mallory").get_task_status(id)

        @app.get("/broken")
        def broken():
            raise LookupError("internal detail")

        return app.test_client()

    def test_they_are_the_hosts_own_unless_it_asks(self, views, owned):
        views.application.testing = False
        assert views.get(f"/mine/{owned}").status_code == 500

    def test_they_are_problem_documents_if_it_asks(self, views, owned):
        app = views.application
        app.testing = False
        handler = app.extensions["crewexec_host"].error_handler
        app.register_error_handler(CrewExecError, handler)
        told = problem(views.get(f"/mine/{owned}"), 404, "not-found")
        assert told["instance"] == f"/mine/{owned}"
        answer = views.get(f"/mine/{owned}?busy=1")
        assert problem(answer, 429, "queue-quota-exceeded")
        assert answer.headers["Retry-After"] == "10"
        assert views.get("/broken").content_type.startswith("text/html")
