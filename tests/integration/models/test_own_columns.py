"""Columns and foreign keys that a host has added to the model of executions."""

from __future__ import annotations

import datetime as dt
import uuid

import pytest
import sqlalchemy as sa
from flask import Flask
from flask_sqlalchemy import SQLAlchemy
from sqlalchemy.orm import DeclarativeBase
from sqlalchemy.orm import Mapped
from sqlalchemy.orm import mapped_column

from flask_crewexec import AsyncExecutionService
from flask_crewexec import clock
from flask_crewexec import CrewExec
from flask_crewexec import ExecutionMixin
from flask_crewexec import Identity
from flask_crewexec.app_state import current_app_state
from flask_crewexec.dashboard import create_dashboard
from flask_crewexec.errors import InvalidRequest
from support.api_client import problem
from support.graphs import documents
from support.host_app import host
from support.in_process import close_connections
from support.in_process import end_of_watch
from support.in_process import run

TENANT = uuid.UUID(int=7)
OWN = ("project_id", "tenant", "account_id", "ticket", "note", "touched", "reviewed")


@pytest.fixture
def app(environment, monkeypatch):
    """A host with foreign keys of its own types, one of which follows from the owner's id."""

    class Base(DeclarativeBase):
        pass

    app = Flask(__name__)
    app.config["SQLALCHEMY_DATABASE_URI"] = environment["DATABASE_URL"]
    for name in ("CELERY_BROKER_URL", "CELERY_RESULT_BACKEND"):
        monkeypatch.setenv(name, environment[name])
    db = SQLAlchemy(app, model_class=Base)
    moment = sa.DateTime(timezone=True)

    class Account(db.Model):  # type: ignore[name-defined]
        id: Mapped[int] = mapped_column(primary_key=True)

    class Project(db.Model):  # type: ignore[name-defined]
        id: Mapped[int] = mapped_column(primary_key=True)

    class Execution(ExecutionMixin, db.Model):  # type: ignore[name-defined]
        project_id: Mapped[int] = mapped_column(sa.ForeignKey("project.id"))
        tenant: Mapped[uuid.UUID | None]
        account_id: Mapped[int] = mapped_column(
            sa.ForeignKey("account.id"), sa.Computed("CAST(owner_id AS INTEGER)", persisted=True)
        )
        ticket: Mapped[str | None] = mapped_column(unique=True)
        note: Mapped[str] = mapped_column("remark", default="none")
        touched: Mapped[dt.datetime] = mapped_column(moment, default=clock.now, onupdate=clock.now)
        reviewed: Mapped[bool] = mapped_column(server_default=sa.false())

    crewexec = CrewExec(app, db=db, execution_model=Execution)
    crewexec.identity_loader(host.who_asks)
    url = environment["MODEL_URL"]
    crewexec.llm("default", "gpt-4o-mini", base_url=url, api_key=host.KEY, timeout=30)
    app.extensions["crewexec_host"] = crewexec
    app.register_blueprint(create_dashboard(), url_prefix="/crews")
    with app.app_context():
        db.create_all()
        db.session.add_all([Account(id=7), Project(id=1), Project(id=2)])
        db.session.commit()
        yield app
        db.session.remove()
        end_of_watch()
        close_connections(db.engine)


@pytest.fixture
def seven(api):
    """The API for the account 7."""
    api.user = "7"
    return api


@pytest.fixture
def graph_id(seven):
    return seven.graph(documents.chain("a", "b"))


@pytest.fixture
def queue(graph_id):
    def queue(**options):
        return AsyncExecutionService().queue_execution(graph_id, None, 7, **options)

    return queue


def own(id):
    """The values of the host's columns."""
    app_state = current_app_state()
    with app_state.database.read_session() as session:
        row = session.get_one(app_state.models.execution, uuid.UUID(id))
        return {name: getattr(row, name) for name in OWN}


GIVEN = {"project_id": 1, "tenant": TENANT, "ticket": "T-1", "note": "urgent", "reviewed": True}


class TestPython:
    def test_extra_fills_the_columns_which_runs_and_retries_leave_alone(self, queue, model, seven):
        id = queue(extra=GIVEN)
        stored = own(id)
        assert stored["account_id"] == 7
        assert {name: stored[name] for name in GIVEN} == GIVEN
        model.on("Do a", "A")
        model.on("Do b", status=401, reply="no")
        assert run(id) == "failed"
        seven.again(id)
        after = own(id)
        assert {**after, "touched": None} == {**stored, "touched": None}

    def test_columns_that_are_not_named_have_their_defaults(self, queue):
        stored = own(queue(extra={"project_id": 2}))
        assert (stored["tenant"], stored["note"], stored["reviewed"]) == (None, "none", False)

    def test_a_fork_has_the_values_that_another_execution_may_have(self, queue, model):
        id = queue(extra=GIVEN)
        run(id)
        former = own(id)
        service = AsyncExecutionService()
        copied = own(service.fork(id)["execution"]["id"])
        assert {**copied, "touched": None} == {**former, "ticket": None, "touched": None}
        assert copied["touched"] > former["touched"]
        changed = service.fork(id, extra={"project_id": 2, "ticket": "T-2"})["execution"]["id"]
        assert (own(changed)["project_id"], own(changed)["ticket"]) == (2, "T-2")

    def test_the_same_key_with_other_values_is_another_submission(self, queue):
        id = queue(extra=GIVEN, idempotency_key="k")
        assert queue(extra=GIVEN, idempotency_key="k") == id
        with pytest.raises(Exception, match="different submission"):
            queue(extra={**GIVEN, "project_id": 2}, idempotency_key="k")

    def test_lists_are_filtered_by_them(self, queue):
        first, second = queue(extra={"project_id": 1}), queue(extra={"project_id": 2})
        service = AsyncExecutionService()
        assert [each["id"] for each in service.list_executions(project_id=1)] == [first]
        listed = service.for_user(7).list_executions(project_id=2)
        assert [each["id"] for each in listed] == [second]
        with pytest.raises(InvalidRequest, match="no column 'projekt'"):
            service.list_executions(projekt=1)

    @pytest.mark.sqlite_enough
    @pytest.mark.parametrize("name", ["projekt", "account_id", "status", "read_at", "remark"])
    def test_other_names_are_refused_before_anything_is_stored(self, queue, name):
        with pytest.raises(InvalidRequest, match=f"no column '{name}' of its own.*'tenant'"):
            queue(extra={**GIVEN, name: 1})
        assert AsyncExecutionService().list_executions() == []

    def test_a_value_that_the_database_refuses_stores_nothing(self, queue, app):
        # SQLite checks no foreign keys, but misses what must be there.
        is_sqlite = app.extensions["sqlalchemy"].engine.dialect.name == "sqlite"
        with pytest.raises(sa.exc.IntegrityError):
            queue(extra={} if is_sqlite else {"project_id": 99})
        assert AsyncExecutionService().list_executions() == []

    def test_a_user_may_have_them_too(self, graph_id):
        mine = AsyncExecutionService().for_user(Identity("7"))
        assert own(mine.queue_execution(graph_id, extra={"project_id": 2}))["project_id"] == 2


@pytest.mark.sqlite_enough
class TestHttp:
    def body(self, graph_id, **more):
        return {"json": {"graph_id": graph_id, **more}}

    @pytest.fixture
    def fill(self, app):
        """The host's function: the project is in the query of the host's own front end."""

        @app.extensions["crewexec_host"].extra_columns
        def fill(request):
            return {"project_id": int(request.headers.get("X-Project", 1)), "note": request.path}

    def test_the_hosts_function_fills_them(self, seven, graph_id, fill):
        headers = {"X-Project": "2"}
        answer = seven("POST", "/executions", headers=headers, **self.body(graph_id))
        stored = own(answer.json["id"])
        assert (stored["project_id"], stored["note"]) == (2, "/crewexec/executions")

    def test_the_form_of_the_dashboard_does_so_too(self, client, graph_id, fill):
        path = f"/crews/graphs/{graph_id}/run"
        answer = client.post(path, headers={"X-User": "7", "Sec-Fetch-Site": "same-origin"})
        assert answer.status_code == 303, answer.text
        id = answer.location.rpartition("/")[2]
        assert own(id)["note"] == path

    def test_clients_cannot_set_or_filter_them(self, seven, graph_id, fill):
        for name in ("extra", "project_id"):
            answer = seven("POST", "/executions", **self.body(graph_id, **{name: 2}))
            problem(answer, 422, "invalid-request")
        problem(seven("GET", "/executions?project_id=1"), 422, "invalid-request")


@pytest.mark.sqlite_enough
def test_a_host_without_own_columns_is_told_so(monkeypatch):
    from flask_crewexec.models import own_columns

    assert own_columns(host.create_app().extensions["crewexec"].models.execution) == {}
