"""The cost of each statement does not depend on how many executions have ended."""

from __future__ import annotations

import re
import typing as t
import uuid
from collections.abc import Iterator

import pytest
import sqlalchemy as sa
from flask import Flask
from flask.testing import FlaskClient

from flask_crewexec import clock
from flask_crewexec.app_state import current_app_state
from flask_crewexec.cli.monitor_snapshot import read_snapshot
from flask_crewexec.dashboard import create_dashboard
from flask_crewexec.dashboard.list_views import COUNT_LIMIT
from flask_crewexec.schemas import DELIVERY_STATUSES
from flask_crewexec.services.delivery_service import DeliveryService
from flask_crewexec.statuses import ExecutionStatus
from flask_crewexec.storage import leases
from flask_crewexec.storage import webhook_state
from flask_crewexec.storage.fencing import Lease
from flask_crewexec.tasks import cleanup
from flask_crewexec.tasks import notifications
from flask_crewexec.testing import ScriptedModel
from support import bulk_data
from support import databases
from support.api_client import Api
from support.explain_statements import Rehearsal
from support.explain_statements import Rehearsed
from support.graphs import documents
from support.host_app import host
from support.in_process import end_of_watch
from support.in_process import run
from support.input_requests import answer
from support.input_requests import reviewed
from support.scripted_turns import tool_calls
from support.scripted_turns import Turn
from support.servers.redis_process import RedisProcess

SEVERAL = "/crewexec-dashboard/executions/several"
EXECUTIONS = 30_000
DETAILED = 3_000
"""How many have steps and events."""
LIMITS = {
    "CREWEXEC_MAX_QUEUED_PER_USER": 10_000,
    "CREWEXEC_MAX_RUNNING_PER_USER": 1_000,
    "CREWEXEC_MAX_TOKENS_PER_DAY": 10**12,
    "CREWEXEC_KEEP_COUNT": EXECUTIONS - 1_000,
    "CREWEXEC_WEBHOOKS": True,
}
"""With all of them, everything is asked that can be."""
MOST = {"postgresql": 1_000, "sqlite": 500}
"""Rows, or hundreds of instructions; to read all executions takes 30,000, or about 900."""
GROWING = {
    " AS day": "GET /usage adds up what was queued on the days that it is asked for",
    " AS hour": "the chart shows everything that ended within a day",
    ".prompt_tokens + ": "the tokens of a day are those of all executions that a user queued then",
    "SELECT crewexec_execution.finished_at": "as many are passed by as are kept, in an index",
    "prune --dry-run": "it counts everything that it would remove",
    "by graph and status": "the rarer of the two is read until enough is found of both",
    "executions/several": "as many are read as one request changes",
    "GROUP BY anon_1.status": "PostgreSQL may look for the newest 1,000 of a graph among all",
    "pg_catalog.": "a process compares the tables with the code until they fit, then no more",
    " AS waiting_input": "a test of their own says how many are counted",
}
"""What may take longer the more there is, by a part of the label or the statement, and why."""


@pytest.fixture(scope="module", params=databases.BOTH)
def app(
    request: pytest.FixtureRequest,
    redis_process: RedisProcess,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Flask]:
    """The host with full tables and all limits."""
    if request.param == "sqlite":
        url = f"sqlite:///{tmp_path_factory.mktemp('full')}/host.sqlite"
    else:
        url = request.getfixturevalue("postgres").fresh_database_url()
    places = {"CELERY_BROKER_URL": redis_process.url, "CELERY_RESULT_BACKEND": redis_process.url}
    with ScriptedModel(host.KEY) as model:
        question = tool_calls(("ask_person", {"question": "Which colour?"}))
        model.add(Turn(when="Do ask", raw=question, results=0))
        places |= {"SQLALCHEMY_DATABASE_URI": url, "MODEL_URL": model.base_url}
        app = host.create_app({**places, **LIMITS})
        app.register_blueprint(create_dashboard())
        with app.app_context():
            db = app.extensions["sqlalchemy"]
            db.create_all()
            with db.engine.connect() as connection:
                bulk_data.fill(connection, EXECUTIONS, detailed=DETAILED)
            yield app
            db.session.remove()
            end_of_watch()
            db.engine.dispose()


class Journey:
    """Everything that reads or changes rows, each under a label."""

    def __init__(self, app: Flask, rehearsal: Rehearsal) -> None:
        self._app = app
        self._client: FlaskClient = app.test_client()
        self._label = rehearsal.label
        self._model = current_app_state().models.execution

    def find(self, *, back: int = 0, **columns: str) -> t.Any:
        """Return the newest execution with such values, or one *back* from there."""
        query = sa.select(self._model).filter_by(**columns).order_by(self._model.id.desc())
        with current_app_state().database.read_session() as session:
            return session.scalars(query.offset(back).limit(1)).one()

    def get(self, user: str, path: str, **query: str) -> None:
        with self._label(f"{user} GET {path.partition('?')[0]} {' '.join(query)}"):
            answer = self._client.get(path, query_string=query or None, headers={"X-User": user})
            assert answer.status_code in (200, 503), answer.text  # 503: no worker is ready

    def read_lists(self, user: str, example: str, back: int) -> None:
        """Read every list, its first page and a deep one, with all filters."""
        newest, deep = self.find(owner_id=example), self.find(owner_id=example, back=back)
        graph = str(newest.graph_id)
        states = ("queued", "completed", "timed_out", "waiting_input")
        filters = [{}, {"graph_id": graph}, *({"status": state} for state in states)]
        filters.append({"forked_from": str(newest.id)})
        filters += [{"code": code} for code in ("worker-lost", "no-such")]
        filters += [{"user_id": example}, {"ids": f"{newest.id},{deep.id}"}]
        moment = clock.as_utc(deep.created_at).isoformat()
        filters += [{"created_after": moment}, {"created_before": moment}]
        filters.append({"created_before": moment, "user_id": example, "code": "crew-failed"})
        threads = [{"thread_id": "none"}, {"thread_id": f"thread-{(EXECUTIONS - 1) // 30}"}]
        for page in ({}, {"before": str(deep.id)}):
            for chosen in [*filters, *threads]:
                self.get(user, "/crewexec/executions", **chosen, **page)
            self.get(user, "/crewexec-dashboard/executions", **page)
            self.get(user, "/crewexec-dashboard/executions", graph_id=graph, **page)
            with self._label("by graph and status"):
                Api(self._client, user)(
                    "GET",
                    "/executions",
                    query_string={"graph_id": graph, "status": "failed", **page},
                )
        rows = {"ids": f"{newest.id},{deep.id}", "newest": str(deep.id)}
        self.get(user, "/crewexec-dashboard/executions/live", **rows)
        for action in ("cancel", "retry"):
            self.get(user, SEVERAL, action=action, scope="matching")
        self.get(user, "/crewexec/graphs")
        self.get(user, "/crewexec/graphs", archived="true")
        self.get(user, f"/crewexec/graphs/{graph}")
        self.get(user, f"/crewexec/graphs/{graph}/versions")
        self.get(user, "/crewexec/usage")
        self.get(user, "/crewexec/usage", since=str(clock.now().date()))

    def read_one(self, user: str, state: str) -> None:
        """Read all that there is of one execution."""
        id = self.find(owner_id=bulk_data.USER, status=state).id
        self.get(user, f"/crewexec/executions/{id}")
        self.get(user, f"/crewexec/executions/{id}/events", after="5", limit="3")
        several = f"{id},{self.find(owner_id=bulk_data.USER, status=state, back=1).id}"
        self.get(user, "/crewexec/events", executions=several, after="5,0", limit="3")
        self.get(user, f"/crewexec-dashboard/executions/{id}")

    def read_input_requests(self, user: str) -> None:
        """Read what executions ask, all of it, what is open, and what the user is asked."""
        newest, deep = self.find(owner_id=bulk_data.USER), self.find(back=2_000)
        path = "/crewexec/input-requests"
        for page in ({}, {"before": str(deep.id)}):
            for chosen in ({}, {"status": "open"}, {"status": "open", "assigned": "me"}):
                self.get(user, path, **chosen, **page)
        self.get(user, path, execution_id=str(newest.id))
        for shown in ("mine", "due", "answered"):
            self.get(user, "/crewexec-dashboard/input-requests", show=shown)

    def answer(self) -> None:
        """Let a person approve an answer."""
        user = Api(self._client, bulk_data.USER)
        with self._label("ask"):
            id = user.queue(reviewed())
            assert run(id) == "waiting_input"
        with self._label("answer"):
            answer(user, id, "approve")
            assert user("POST", f"/executions/{id}/cancel").status_code == 202

    def answer_question(self) -> None:
        """Let an agent ask, and a person answer."""
        user = Api(self._client, bulk_data.USER)
        with self._label("question"):
            id = user.queue(documents.chain("ask", tools=("ask_person",)))
            assert run(id) == "waiting_input"
            answer(user, id, "respond", text="red")
            assert run(id) == "completed"

    def look_after_it(self) -> None:
        """Read what an operator does."""
        for path in ("queues", "health/ready", "metrics"):
            self.get(host.ADMIN, f"/crewexec/{path}")
        self.get(host.ADMIN, "/crewexec-dashboard/operations")
        with self._label("celery monitor"):
            read_snapshot(current_app_state())

    def work(self) -> None:
        """Queue, run, cancel and try again."""
        user = Api(self._client, bulk_data.USER)
        graph = str(self.find(owner_id=bulk_data.USER).graph_id)
        waiting = self.find(owner_id=bulk_data.USER, status="queued").id
        failed = self.find(owner_id=bulk_data.USER, status="failed").id
        with self._label("queue"):
            id = user.queue(documents.chain("a", "b"))
            headers = {"Idempotency-Key": "once"}
            for _ in range(2):
                user("POST", "/executions", json={"graph_id": graph}, headers=headers)
        with self._label("run"):
            assert run(id) == "completed"
        with self._label("fork"):
            forked = user("POST", f"/executions/{id}/fork", json={"from_step": "b"}).json
        with self._label("compare"):
            other = forked["execution"]["id"]
            assert user("GET", f"/executions/{id}/compare/{other}").status_code == 200
        with self._label("renew"):
            self._renew()
        with self._label("cancel"):
            assert user("POST", f"/executions/{waiting}/cancel").status_code == 202
        with self._label("retry"):
            assert user("POST", f"/executions/{failed}/retry").status_code == 202

    def _renew(self) -> None:
        row, app_state = self.find(status="running"), current_app_state()
        with app_state.database.write_transaction() as session:
            held = Lease(row.id, row.attempt, row.token)
            leases.renew(session, app_state.models, [held], 30.0)

    def tell(self) -> None:
        """Deliver notifications."""
        with self._label("deliver"):
            assert notifications.handle({"limit": 3}) == {"tried": 3}

    def read_webhooks(self, user: str) -> None:
        """Read webhooks and how their deliveries went."""
        one = f"/crewexec/webhooks/{bulk_data.WEBHOOK}"
        newest, deep = self.find(owner_id=bulk_data.USER), self.find(back=2_000)
        self.get(user, "/crewexec/webhooks")
        self.get(user, "/crewexec/webhooks", before=str(bulk_data.WEBHOOK))
        self.get(user, one)
        for chosen in ({}, *({"status": status} for status in DELIVERY_STATUSES)):
            self.get(user, f"{one}/deliveries", **chosen)
            self.get(user, f"{one}/deliveries", **chosen, before=f"{deep.id}.4")
        for page in ({}, {"before": "4.webhook:x"}):
            self.get(user, f"/crewexec/executions/{newest.id}/deliveries", **page)

    def use_webhooks(self) -> None:
        """Add and change a webhook, send to it and to one of an execution, and send again."""
        user = Api(self._client, bulk_data.USER)
        graph = str(self.find(owner_id=bulk_data.USER).graph_id)
        url = "https://8.8.8.8/"
        with self._label("webhooks"):
            id = user("POST", "/webhooks", json={"url": url}).json["id"]
            user("POST", f"/webhooks/{id}/rotate")
            user("PATCH", f"/webhooks/{id}", json={"enabled": False})
            user("DELETE", f"/webhooks/{id}")
            order = {"graph_id": graph, "webhook": {"url": url}}
            assert user("POST", "/executions", json=order).status_code == 202
            assert user("POST", "/webhooks", json={"url": None}).status_code == 201
        with self._label("webhook state"):
            self._send_to(bulk_data.WEBHOOK)
        path = f"/webhooks/{bulk_data.WEBHOOK}"
        failed = user("GET", f"{path}/deliveries?status=failed&limit=200").json["deliveries"]
        with self._label("failed deliveries"):
            DeliveryService().failed()
        with self._label("resend"):
            answer = user("POST", f"{path}/deliveries/{failed[0]['id']}/resend")
            assert answer.status_code == 204
            since = {"since": "2001-01-01T00:00Z"}
            assert user("POST", f"{path}/resend", json=since).json["resent"] == len(failed) - 1

    def _send_to(self, id: uuid.UUID) -> None:
        app_state = current_app_state()
        target = webhook_state.read_target(app_state, id)
        assert target is not None
        webhook_state.count_failure(app_state, target, "It failed.")
        assert webhook_state.reset_failures(app_state, target)
        assert webhook_state.switch_off(app_state, target, "It is gone.")

    def clean_up(self) -> None:
        """Reconcile and remove."""
        with self._label("reconcile"):
            assert cleanup.handle({"action": "reconcile"})["released"] > 0
        with self._label("prune --dry-run"):
            self._app.test_cli_runner().invoke(args=["crewexec", "prune", "--dry-run"])
        with self._label("purge"):
            assert cleanup.handle({"action": "purge"})["purged"] > 500


@pytest.fixture(scope="module")
def statements(app: Flask) -> list[Rehearsed]:
    """What everything sends that reads or changes rows."""
    rehearsal = Rehearsal()
    journey = Journey(app, rehearsal)
    with rehearsal.of(current_app_state().database.engine):
        for user, example, back in (
            (bulk_data.USER, bulk_data.USER, 6_000),
            (bulk_data.RARE_USER, bulk_data.RARE_USER, 40),
            (host.ADMIN, bulk_data.USER, 6_000),
        ):
            journey.read_lists(user, example, back)
        for user in (bulk_data.USER, host.ADMIN):
            for state in ("queued", "running", "completed"):
                journey.read_one(user, state)
        for user in (bulk_data.USER, host.ADMIN):
            journey.read_webhooks(user)
        for user in (bulk_data.USER, bulk_data.RARE_USER, host.ADMIN):
            journey.read_input_requests(user)
        journey.look_after_it()
        journey.work()
        journey.answer()
        journey.answer_question()
        journey.tell()
        journey.use_webhooks()
        journey.clean_up()
    return [statement for statement in rehearsal.statements if statement.label]


def test_no_statement_reads_more_rows_than_it_needs(statements, app):
    most = MOST[current_app_state().database.engine.dialect.name]
    heavy = {str(each) for each in statements if each.work > most and not _may_grow(each)}
    assert not heavy, "\n".join(heavy)


def test_statuses_are_counted_up_to_a_limit_in_an_index(statements, app):
    most = {"postgresql": len(ExecutionStatus) * COUNT_LIMIT, "sqlite": 1_200}
    counted = [each for each in statements if " AS waiting_input" in each.statement]
    assert counted
    heavy = [each for each in counted if each.work > most[app.extensions["sqlalchemy"].engine.name]]
    assert not heavy, "\n".join(map(str, heavy))


def _may_grow(statement: Rehearsed) -> bool:
    return any(part in f"{statement.label}\n{statement.statement}" for part in GROWING)


def test_every_index_is_used(statements, app):
    models = current_app_state().models
    indexes = {name for model in models for name in model.__indexes__}
    assert indexes <= set().union(*(statement.indexes for statement in statements))


def test_updates_during_a_run_change_no_index(statements, app):
    """Only then PostgreSQL can leave all indexes alone (HOT)."""
    execution = current_app_state().models.execution
    named = " ".join(
        word
        for index in execution.__indexes__.values()
        for word in (*index.columns, index.where or "")
    )
    written: set[str] = set()
    for each in statements:
        if each.label in ("run", "renew"):
            written |= _written_columns(each.statement)
    assert {"lease_expires_at", "last_event", "writes", "llm_calls"} <= written
    assert not {name for name in written if re.search(rf"\b{name}\b", named)}


def _written_columns(statement: str) -> set[str]:
    """Return what an UPDATE of an execution changes, unless it changes its state or turn."""
    found = re.search(r"UPDATE crewexec_execution SET (.*?)\s+(WHERE|FROM)\b", statement, re.DOTALL)
    columns = set(re.findall(r"\b(\w+)=", found[1])) if found else set()
    return set() if columns & {"status", "on_hold", "published_at"} else columns
