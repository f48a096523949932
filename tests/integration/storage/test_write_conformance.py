"""PostgreSQL's single statements and the portable statements write the same rows."""

from __future__ import annotations

import datetime as dt
import typing as t
import uuid

import pytest
import sqlalchemy as sa

from flask_crewexec import clock
from flask_crewexec.app_state import current_app_state
from flask_crewexec.errors import LeaseLost
from flask_crewexec.models import table_of
from flask_crewexec.models import Usage
from flask_crewexec.registry.specs import HandlerSpec
from flask_crewexec.statuses import CallKind
from flask_crewexec.statuses import CallStatus
from flask_crewexec.statuses import ExecutionStatus
from flask_crewexec.statuses import StepStatus
from flask_crewexec.storage import counters
from flask_crewexec.storage import cte_writes
from flask_crewexec.storage import leases
from flask_crewexec.storage import write_batch
from flask_crewexec.storage.attempts import start_attempt
from flask_crewexec.storage.counters import LastTransition
from flask_crewexec.storage.leases import LeaseRequest
from flask_crewexec.storage.new_event import DatedEvent
from flask_crewexec.storage.write_batch import WriteBatch
from flask_crewexec.storage.write_batch import WritePosition
from support.graphs import documents
from support.in_process import change
from support.in_process import run
from support.stored_events import INVENTED

pytestmark = pytest.mark.postgresql

NOON = dt.datetime(2031, 5, 6, 12, 0, 0, 123456, tzinfo=dt.UTC)
"""A time that is compared as it is; all others come from clocks."""
SECONDS = 2.5
"""A duration that is compared as it is."""
RANDOM = ("correlation_id", "idempotency_digest")  # the digest is one of the graph's id, too
DURATIONS = (counters.WAITING, counters.RUN)
AWKWARD = "é \" \\ 💡 $1 %s %(a)s :b {} '; --"


@pytest.fixture
def statements(app):
    """The statements that were executed."""
    executed = []

    def note(connection, cursor, statement, *_):
        executed.append(statement)

    sa.event.listen(app.extensions["sqlalchemy"].engine, "before_cursor_execute", note)
    return executed


@pytest.fixture
def both(app, statements, monkeypatch):
    """A function that runs a case in both ways, each on empty tables, and compares all rows."""

    def both(case):
        single, ctes = _rows_after(case, statements)
        assert ctes > 0
        with monkeypatch.context() as patch:
            patch.setattr(cte_writes, "has_ctes", lambda database: False)
            portable, ctes = _rows_after(case, statements)
        assert ctes == 0
        assert portable == single
        return single

    return both


def _rows_after(case, statements):
    """Return all rows after a case, and how many of its statements have data-modifying CTEs."""
    tables = [table_of(model) for model in current_app_state().models]
    with current_app_state().database.write_transaction() as session:
        for table in reversed(tables):
            session.execute(sa.delete(table))
    del statements[:]
    case()
    ctes = sum(statement.startswith("WITH") for statement in statements)
    return _all_rows(tables), ctes


def _all_rows(tables):
    """Return the rows of all tables, with names for ids and without what clocks have measured."""
    names: dict[object, str] = {}
    rows: dict[str, list[dict[str, t.Any]]] = {}
    with current_app_state().database.read_session() as session:
        for table in tables:
            found = session.execute(sa.select(table).order_by(*table.primary_key)).mappings()
            rows[table.name] = [_comparable(row, names) for row in found]
    counted = rows[table_of(current_app_state().models.counter).name]
    for row in counted:
        del row["id"]
    counted.sort(key=repr)
    return rows


def _comparable(row, names):
    values = {name: _comparable_value(name, value, names) for name, value in row.items()}
    if values.get("name") in DURATIONS and values["total"] != SECONDS:
        values.update(bound=None, total=None)
    return values


def _comparable_value(name, value, names):
    if isinstance(value, dict):
        return {key: _comparable_value(key, each, names) for key, each in value.items()}
    if isinstance(value, uuid.UUID) or (value is not None and name in RANDOM):
        return names.setdefault(value, f"id {len(names)}")
    if isinstance(value, dt.datetime):
        return value if clock.as_utc(value).date() == NOON.date() else "now"
    return "measured" if name == "seconds" and value != SECONDS else value


def submit(api, graph, headers=(), **order):
    """Submit an execution, within a request that always has the same id."""
    headers = {"X-Request-ID": "request-1", **dict(headers)}
    answer = api("POST", "/executions", json={"graph_id": graph, **order}, headers=headers)
    assert answer.status_code == 202, answer.json
    return answer.json["id"]


def start(api):
    """Submit an execution of three steps and start its attempt."""
    id = uuid.UUID(submit(api, api.graph(documents.chain("a", "b", "c"))))
    return start_attempt(current_app_state(), LeaseRequest(id, 1, "worker@host", 100.0))


def write(started, number, **batch):
    position = WritePosition(started.lease, number, LastTransition("started", NOON, 5))
    write_batch.write(current_app_state(), position, WriteBatch(**batch))


def used(position, *figures):
    return {position: Usage(*figures)}


class TestSubmission:
    def test_the_fast_and_the_slow_path(self, api, both):
        def case():
            graph = api.graph(documents.ONE_TASK)
            texts = {"inputs": {"topic": AWKWARD}, "thread_id": AWKWARD}
            limits = {"timeout": 7.5, "max_llm_calls": 3, "max_tool_calls": 4, "max_tokens": 99}
            for priority in (1, 2):  # the second one finds the graph in the cache
                submit(api, graph, priority=priority, **texts, **limits)

        first, second = both(case)["crewexec_execution"]
        assert first == {**second, "id": first["id"], "priority": 1, "urgency": 1}

    def test_with_an_idempotency_key(self, api, both):
        def case():
            graph, key = api.graph(documents.chain("a")), {"Idempotency-Key": "key-1"}
            assert submit(api, graph, headers=key) == submit(api, graph, headers=key)

        (row,) = both(case)["crewexec_execution"]
        assert (row["idempotency_key"], row["published_at"]) == ("key-1", "now")

    def test_on_hold(self, api, both):
        def case():
            graph = api.graph(documents.chain("a"))
            for _ in range(3):
                submit(api, graph)

        rows = both(case)["crewexec_execution"]
        assert [row["on_hold"] for row in rows] == [False, True, True]


class TestStart:
    def test_of_a_first_attempt(self, api, both):
        rows = both(lambda: start(api))
        assert [step["status"] for step in rows["crewexec_step"]] == ["pending"] * 3
        assert [event["type"] for event in rows["crewexec_event"]] == ["queued", "started"]
        assert [counter["name"] for counter in rows["crewexec_counter"]] == [counters.WAITING]

    def test_of_a_later_attempt(self, api, both):
        def case():
            started = start(api)
            app_state = current_app_state()
            with app_state.database.write_transaction() as session:
                assert leases.release(session, app_state.models, started.lease)
            id = started.lease.execution_id
            assert start_attempt(app_state, LeaseRequest(id, 2, "worker@host", 100.0))

        (row,) = both(case)["crewexec_execution"]
        assert (row["status"], row["attempt"]) == ("running", 2)


class TestWriteBatch:
    def test_of_nothing(self, api, both):
        (row,) = both(lambda: write(start(api), 0))["crewexec_execution"]
        assert (row["writes"], row["last_event"]) == (1, 2)

    def test_of_the_execution(self, api, both):
        values = {"current_step": AWKWARD, "finished_steps": 2, "result": {"raw": AWKWARD}}
        (row,) = both(lambda: write(start(api), 0, execution=values))["crewexec_execution"]
        assert {name: row[name] for name in values} == values

    def test_of_values_that_become_null(self, api, both):
        def case():
            started = start(api)
            write(started, 0, execution={"current_step": "a", "result": {"raw": "a"}})
            write(started, 1, execution={"current_step": None, "result": None})

        (row,) = both(case)["crewexec_execution"]
        assert (row["current_step"], row["result"]) == (None, None)

    def test_of_events(self, api, both):
        events = [
            DatedEvent(INVENTED, {"text": AWKWARD, "nul": "\x00", "none": None}, NOON),
            DatedEvent(INVENTED, {"numbers": [1, 2.5, 10**15], "deep": {"a": [True]}}, NOON),
            DatedEvent("retrying", {"code": "a", "seconds": SECONDS}, NOON),
        ]
        rows = both(lambda: write(start(api), 0, events=events))["crewexec_event"]
        assert [row["seq"] for row in rows] == [1, 2, 3, 4, 5]
        assert [row["data"] for row in rows[2:]] == [event.data for event in events]

    def test_of_steps_and_usage(self, api, both):
        def case():
            started = start(api)
            running = {"status": StepStatus.RUNNING, "started_at": NOON, "agent": AWKWARD}
            write(started, 0, steps={0: running, 2: running}, usage=used(0, 1, 20, 3, 5))
            done = {"status": StepStatus.COMPLETED, "output": {"raw": AWKWARD}}
            usage = used(0, 1, 2, 3, 2**40) | used(2, 2, 0, 1, 0) | used(None, 1, 7, 7, 7)
            write(started, 1, steps={0: done, 2: {}}, usage=usage)

        rows = both(case)
        first, second, third = rows["crewexec_step"]
        assert (first["status"], first["output"]) == ("completed", {"raw": AWKWARD})
        assert (first["prompt_tokens"], first["cost_nanos"]) == (22, 5 + 2**40)
        assert (second["status"], second["llm_calls"]) == ("pending", 0)
        assert (third["status"], third["llm_calls"]) == ("running", 2)
        assert rows["crewexec_execution"][0]["llm_calls"] == 5

    def test_of_calls(self, api, both):
        start_of_call = {
            "attempt": 1,
            "step": 0,
            "generation": 2,
            "parent": None,
            "path": "0/1.1",
            "kind": CallKind.TOOL,
            "name": AWKWARD,
            "agent": None,
            "request": {"arguments": {"text": AWKWARD, "nul": "\x00"}},
            "started_at": NOON,
        }
        end = {
            "status": CallStatus.DONE,
            "digest": "d",
            "answer": {"text": AWKWARD},
            "error": None,
            "altered": True,
            "cut": False,
            "size": 7,
            "prompt_tokens": 2**40,
            "completion_tokens": 2,
            "cost_nanos": 3,
            "finished_at": NOON,
        }
        open = {**end, "status": CallStatus.STARTED, "answer": None, "finished_at": None}

        def case():
            started = start(api)
            new = {1: {**start_of_call, **open}, 2: {**start_of_call, **end}}
            write(started, 0, new_calls=new)
            failed = {**end, "status": CallStatus.FAILED, "answer": None, "error": {"code": "x"}}
            write(started, 1, new_calls={3: new[1]}, ended_calls={1: end, 2: failed})

        first, second, third = both(case)["crewexec_call"]
        assert first == {**third, **end, "number": 1}
        assert (second["answer"], second["error"]) == (None, {"code": "x"})
        assert third["request"] == start_of_call["request"]

    def test_of_counters(self, api, both):
        end = DatedEvent(ExecutionStatus.FAILED, {}, NOON + dt.timedelta(seconds=SECONDS))
        rows = both(lambda: write(start(api), 0, events=[end], usage=used(None, 1, 2, 0, 0)))
        counted = {(row["name"], row["label"]): row["times"] for row in rows["crewexec_counter"]}
        assert counted == {
            (counters.WAITING, "5"): 1,
            (counters.RUN, "failed"): 1,
            (counters.ENDED, "failed"): 1,
            (counters.MODEL_CALLS, ""): 1,
            (counters.TOKENS, "prompt"): 2,
        }

    def test_that_was_committed_before(self, api, both):
        def case():
            started = start(api)
            for _ in range(2):
                write(
                    started, 0, events=[DatedEvent(INVENTED, {}, NOON)], usage=used(0, 1, 1, 1, 1)
                )

        rows = both(case)
        assert rows["crewexec_execution"][0]["llm_calls"] == 1
        assert len(rows["crewexec_event"]) == 3

    def test_without_a_valid_lease(self, api, both):
        def case():
            started = start(api)
            other = started.lease._replace(token=uuid.uuid4())
            with pytest.raises(LeaseLost):
                write(started._replace(lease=other), 0, events=[DatedEvent(INVENTED, {}, NOON)])
            with pytest.raises(LeaseLost):
                write(started, 1, execution={"current_step": "a"})

        rows = both(case)
        assert len(rows["crewexec_event"]) == 2
        assert rows["crewexec_execution"][0]["current_step"] is None


def listen(*patterns):
    """Register a handler of such events."""
    spec = HandlerSpec(name=f"on {patterns[0]}", patterns=patterns, function=print)
    current_app_state().registry.handlers[spec.name] = spec


def add_webhook(number, owner, *patterns, url="https://example.com/", **columns):
    """Insert a webhook of a user, whose id is the same in both ways."""
    key = {"id": uuid.UUID(int=number), "owner_id": owner}
    row = {**key, "url": url, "events": f" {' '.join(patterns)} ", **columns}
    with current_app_state().database.write_transaction() as session:
        session.add(current_app_state().models.webhook(**row))


def told(rows):
    """What is to be told to whom: the kind of the receiver and the type, in their order."""
    found = [(row["seq"], row["receiver"].split(":")[0], row["type"]) for row in rows]
    return [(receiver, type) for _, receiver, type in sorted(found)]


class TestDeliveries:
    EVENTS = (
        DatedEvent("step_completed", {"step": "a", "agent": None}, NOON),
        DatedEvent(INVENTED, {}, NOON),
        DatedEvent("retrying", {"code": "a", "seconds": SECONDS}, NOON),
    )

    def test_that_nobody_wants(self, api, both):
        listen("execution.failed")
        rows = both(lambda: write(start(api), 0, events=self.EVENTS))
        assert rows["crewexec_delivery"] == []

    def test_to_handlers(self, api, both):
        listen("execution.*")
        listen("step.completed", "execution.failed")
        rows = both(lambda: write(start(api), 0, events=self.EVENTS))["crewexec_delivery"]
        assert {(row["status"], row["tries"]) for row in rows} == {("waiting", 0)}
        assert told(rows) == [
            ("handler", "execution.queued"),
            ("handler", "execution.started"),
            ("handler", "step.completed"),
            ("handler", "execution.retrying"),
        ]

    @pytest.mark.settings(WEBHOOKS=True)
    def test_to_webhooks(self, api, both):
        def case():
            add_webhook(1, "ada", "step.completed", "execution.started")
            add_webhook(2, "ada", "*", enabled=False)
            add_webhook(3, "ada", "execution.retrying")
            add_webhook(4, "bob", "*")
            write(start(api), 0, events=self.EVENTS)

        rows = both(case)["crewexec_delivery"]
        assert told(rows) == [
            ("webhook", "execution.started"),
            ("webhook", "step.completed"),
            ("webhook", "execution.retrying"),
        ]

    @pytest.mark.settings(WEBHOOKS=True)
    def test_to_the_webhook_of_an_execution(self, api, both):
        def case():
            add_webhook(1, "ada", url=None)
            first, second = start(api), start(api)
            values = {"webhook_url": "https://example.com/", "webhook_events": " step.* "}
            change(str(second.lease.execution_id), **values)
            for started in (first, second):
                write(started, 0, events=self.EVENTS)

        rows = both(case)
        (row,) = rows["crewexec_delivery"]
        assert row["type"] == "step.completed"
        assert row["execution_id"] == rows["crewexec_execution"][1]["id"]


class TestRun:
    def test_that_completes(self, api, model, both):
        def case():
            model.on("Do a", AWKWARD).on("Do b", "BETA")
            assert run(submit(api, api.graph(documents.chain("a", "b")))) == "completed"

        rows = both(case)
        assert rows["crewexec_execution"][0]["llm_calls"] == 2

    def test_that_fails(self, api, model, both):
        def case():
            model.on("Do a", "ALPHA").on("Do b", status=401)
            assert run(submit(api, api.graph(documents.chain("a", "b")))) == "failed"

        rows = both(case)
        assert [step["status"] for step in rows["crewexec_step"]] == ["completed", "failed"]
