"""The figures for Prometheus, read as its own client library reads them."""

from __future__ import annotations

import datetime as dt
import subprocess
import sys
import threading
import typing as t
import uuid

import pytest
import sqlalchemy as sa
from prometheus_client import CollectorRegistry
from prometheus_client import generate_latest
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_open
from prometheus_client.parser import text_string_to_metric_families as parse

from flask_crewexec import clock
from flask_crewexec.app_state import current_app_state
from flask_crewexec.storage import counters
from flask_crewexec.storage import leases
from flask_crewexec.storage.counters import CounterDelta
from flask_crewexec.storage.leases import LeaseRequest
from flask_crewexec.tasks import cleanup
from flask_crewexec.web.metrics import CrewExecCollector
from flask_crewexec.web.stream_metrics import counted_stream
from support.graphs import documents
from support.host_app import host
from support.in_process import change
from support.in_process import run
from support.in_process import running
from support.servers.processes import wait_until

pytestmark = [pytest.mark.settings(HEALTH_TIMEOUT=20.0), pytest.mark.libraries]

TOKEN = "correct horse battery staple"


class Figures:
    """What a scrape has found."""

    def __init__(self, text):
        self.families = {family.name: family for family in parse(text)}
        self.samples = [sample for each in self.families.values() for sample in each.samples]

    def __call__(self, name, **labels):
        """The value of a sample; 0 if there is none."""
        wanted = (f"crewexec_{name}", labels)
        return sum(s.value for s in self.samples if (s.name, s.labels) == wanted)

    @property
    def growing(self):
        """All samples that must never fall."""
        kinds = {"counter", "histogram"}
        families = [each for each in self.families.values() if each.type in kinds]
        return {
            (s.name, tuple(sorted(s.labels.items()))): s.value for f in families for s in f.samples
        }

    def has_fallen_behind(self, before):
        return [key for key, value in before.growing.items() if self.growing[key] < value]


@pytest.fixture
def scrape(admin):
    def scrape():
        answer = admin("GET", "/metrics")
        assert answer.status_code == 200, answer.text
        return Figures(answer.text)

    return scrape


def past(seconds=60):
    return clock.now() - dt.timedelta(seconds=seconds)


def lose(id):
    """Let a worker take the execution and never be heard of again."""
    app_state = current_app_state()
    with app_state.database.write_transaction() as session:
        execution = session.get(app_state.models.execution, uuid.UUID(id))
        request = LeaseRequest(uuid.UUID(id), execution.attempt, "gone", lease_seconds=30.0)
        assert leases.acquire(session, app_state.models, request)
    change(id, lease_expires_at=past())
    return cleanup.handle({"action": "reconcile"})


@pytest.mark.sqlite_enough
class TestWhoReads:
    def test_nobody_and_users_do_not(self, client, api):
        assert client.get("/crewexec/metrics").status_code == 401
        assert api("GET", "/metrics").json["code"] == "forbidden"

    def test_managers_do(self, admin):
        answer = admin("GET", "/metrics")
        assert answer.status_code == 200
        assert answer.content_type.startswith("text/plain; version=0.0.4")
        assert answer.headers["Cache-Control"] == "no-store"

    @pytest.mark.settings(METRICS_TOKEN=TOKEN)
    def test_scrapers_with_the_token_do(self, client):
        def status(authorization):
            headers = {"Authorization": authorization}
            return client.get("/crewexec/metrics", headers=headers).status_code

        assert status(f"Bearer {TOKEN}") == 200
        refused = ["Bearer", "Bearer ", f"Bearer {TOKEN}x", "Bearer caf\u00e9", "Basic eDp5"]
        assert {status(each) for each in refused} == {401}

    def test_no_token_is_set_by_default(self, client):
        headers = {"Authorization": "Bearer None"}
        assert client.get("/crewexec/metrics", headers=headers).status_code == 401

    @pytest.mark.settings(METRICS_TOKEN=TOKEN)
    def test_the_token_opens_nothing_else(self, client):
        headers = {"Authorization": f"Bearer {TOKEN}"}
        assert client.get("/crewexec/queues", headers=headers).status_code == 401

    def test_without_the_package_the_extra_is_named(self, admin, monkeypatch):
        monkeypatch.delitem(sys.modules, "flask_crewexec.web.metrics")
        monkeypatch.setitem(sys.modules, "prometheus_client", None)
        answer = admin("GET", "/metrics")
        assert (answer.status_code, answer.json["code"]) == (501, "not-installed")
        assert "[metrics]" in answer.json["detail"]


@pytest.mark.sqlite_enough
class TestFormat:
    def test_openmetrics_for_those_who_ask_for_it(self, api, admin, model):
        run(api.queue(documents.chain("a")))
        accept = "application/openmetrics-text; version=1.0.0"
        answer = admin("GET", "/metrics", headers={"Accept": accept})
        assert answer.content_type.startswith("application/openmetrics-text")
        families = {family.name for family in parse_open(answer.text)}
        assert {"crewexec_executions_ended", "crewexec_run_seconds"} <= families

    def test_labels_tell_of_no_user_and_no_text(self, api, scrape, model):
        run(api.queue(documents.chain("a")))
        labels = {name for sample in scrape().samples for name in sample.labels}
        assert labels == {"status", "queue", "priority", "part", "outcome", "kind", "le"}
        values = {value for sample in scrape().samples for value in sample.labels.values()}
        assert values.isdisjoint({"ada", "Writer", "a", "gpt-4o-mini"})

    def test_all_counters_begin_at_zero(self, scrape):
        found = scrape()
        assert set(found.growing.values()) == {0.0}
        assert len(found.growing) == 4 + 2 + 2 + 4

    def test_in_a_registry_of_the_host(self, app):
        registry = CollectorRegistry()
        registry.register(CrewExecCollector(app))
        assert Figures(generate_latest(registry).decode())("up", part="database") == 1


class TestRuns:
    def test_a_run_is_counted_with_all_that_it_took(self, api, scrape, model):
        id = api.queue(documents.chain("a", "b"), priority=3)
        assert scrape()("queue_messages", queue="crew_execution", priority="3") == 1
        assert scrape()("executions", status="queued") == 1
        run(id)
        found = scrape()
        usage = api.status(id)["usage"]
        assert found("executions", status="queued") == 0
        assert found("executions_ended_total", status="completed") == 1
        assert found("model_calls_total") == usage["llm_calls"] == 2
        assert found("tokens_total", kind="prompt") == usage["prompt_tokens"] > 0
        assert found("tokens_total", kind="completion") == usage["completion_tokens"] > 0
        assert found("waiting_seconds_count", priority="3") == 1
        assert found("run_seconds_count", outcome="completed") == 1
        assert found("run_seconds_bucket", outcome="completed", le="+Inf") == 1

    def test_times_are_measured_from_queueing_to_starting_to_the_end(self, api, scrape, model):
        id = api.queue(documents.chain("a"))
        change(id, queued_at=clock.now() - dt.timedelta(seconds=600))
        run(id)
        found = scrape()
        assert 600 <= found("waiting_seconds_sum", priority="5") < 700
        events = api("GET", f"/executions/{id}/events").json["events"]
        at = {event["type"]: dt.datetime.fromisoformat(event["created_at"]) for event in events}
        took = (at["completed"] - at["started"]).total_seconds()
        assert abs(found("run_seconds_sum", outcome="completed") - took) <= 1 / 1024
        assert found("waiting_seconds_bucket", priority="5", le="300.0") == 0
        assert found("waiting_seconds_bucket", priority="5", le="900.0") == 1

    def test_retries(self, api, scrape, model):
        model.on("Do a", status=503, times=1, reply="busy")
        id = api.queue(documents.chain("a"))
        run(id)
        assert scrape()("executions", status="retrying") == 1
        change(id, available_at=past())
        assert cleanup.handle({"action": "reconcile"})["retried"] == 1
        run(id)
        found = scrape()
        assert found("retries_total") == 1
        assert found("run_seconds_count", outcome="retrying") == 1
        assert found("run_seconds_count", outcome="completed") == 1
        assert found("waiting_seconds_count", priority="5") == 2
        assert found("model_calls_total") == 2

    def test_lost_workers(self, api, scrape):
        id = api.queue(documents.chain("a"))
        assert lose(id)["taken_over"] == 1
        assert lose(id)["taken_over"] == 1
        found = scrape()
        assert found("lost_workers_total") == 2
        assert not any(found("executions_ended_total", status=s) for s in ("failed", "cancelled"))

    def test_workers(self, scrape):
        app_state = current_app_state()
        described = {"pid": 1, "pool": "prefork", "concurrency": 4, "started_at": clock.now()}
        workers = [
            app_state.models.worker(name="new", queues=["a"], seen_at=clock.now(), **described),
            app_state.models.worker(name="old", queues=["a"], seen_at=past(61), **described),
        ]
        with app_state.database.write_transaction() as session:
            session.add_all(workers)
        found = scrape()
        assert (found("workers", queue="a"), found("worker_slots", queue="a")) == (1, 4)
        assert found("workers", queue="cleanup") == 0
        assert "crewexec_workers" in found.families


class TestEveryEndCountsOnce:
    """However it comes about, and whoever brings it about."""

    def ends(self, scrape):
        found = scrape()
        states = ("completed", "failed", "cancelled", "timed_out")
        return {s: n for s in states if (n := found("executions_ended_total", status=s))}

    def test_failed(self, api, scrape, model):
        model.on("Do a", status=400, reply="no")
        run(api.queue(documents.chain("a")))
        assert self.ends(scrape) == {"failed": 1}

    def test_cancelled_in_the_queue(self, api, scrape):
        api("POST", f"/executions/{api.queue(documents.chain('a'))}/cancel")
        assert self.ends(scrape) == {"cancelled": 1}
        assert not scrape()("run_seconds_count", outcome="cancelled")

    def test_cancelled_on_a_worker(self, api, app, scrape, model):
        gate = threading.Event()
        model.on("Do a", hold=gate)
        id = api.queue(documents.chain("a"))
        with running(app, id):
            model.wait_for_calls(1)
            api("POST", f"/executions/{id}/cancel")
        assert self.ends(scrape) == {"cancelled": 1}
        assert scrape()("run_seconds_count", outcome="cancelled") == 1
        gate.set()

    def test_cancelled_and_then_lost(self, api, scrape):
        id = api.queue(documents.chain("a"))
        change(id, cancel_requested_at=past())
        lose(id)
        assert self.ends(scrape) == {"cancelled": 1}

    @pytest.mark.settings(MAX_WORKER_LOSSES=0)
    def test_lost_too_often(self, api, scrape):
        lose(api.queue(documents.chain("a")))
        assert self.ends(scrape) == {"failed": 1}

    def test_overdue_in_the_queue(self, api, scrape):
        id = api.queue(documents.chain("a"))
        change(id, deadline=past())
        assert cleanup.handle({"action": "reconcile"})["timed_out"] == 1
        assert self.ends(scrape) == {"timed_out": 1}

    def test_an_order_that_was_withdrawn_counts_nowhere(self, api, scrape, redis_process):
        graph_id = api.graph(documents.chain("a"))
        redis_process.suspend()
        try:
            answer = api("POST", "/executions", json={"graph_id": graph_id})
            assert answer.status_code == 503
        finally:
            redis_process.resume()
        assert self.ends(scrape) == {}
        assert scrape()("executions", status="queued") == 0


class TestNothingFalls:
    def test_when_somebody_tries_again(self, api, scrape, model):
        model.on("Do a", status=400, times=1, reply="no")
        id = api.queue(documents.chain("a"))
        run(id)
        before = scrape()
        api("POST", f"/executions/{id}/retry")
        assert not scrape().has_fallen_behind(before)
        run(id)
        assert scrape()("executions_ended_total", status="failed") == 1
        assert scrape()("executions_ended_total", status="completed") == 1

    def test_when_executions_are_purged(self, api, scrape, model):
        run(api.queue(documents.chain("a")))
        before = scrape()
        assert cleanup.handle({"action": "purge", "older_than_seconds": 0})["purged"] == 1
        assert api("GET", "/executions").json["executions"] == []
        assert scrape().growing == before.growing

    def test_when_another_process_is_asked(self, api, app, scrape, model):
        run(api.queue(documents.chain("a")))
        another = host.create_app()
        answer = another.test_client().get("/crewexec/metrics", headers={"X-User": host.ADMIN})
        assert Figures(answer.text).growing == scrape().growing
        with another.app_context():
            another.extensions["sqlalchemy"].engine.dispose()

    def test_when_many_fold_at_once(self, app, scrape):
        enter(3 * counters.COMPACT_FROM)
        before, falls, threads = scrape(), [], []

        def fold():
            with app.app_context():
                counters.compact(current_app_state())

        for _ in range(3):
            threads.append(threading.Thread(target=fold))
            threads[-1].start()
        while any(thread.is_alive() for thread in threads):
            falls += scrape().has_fallen_behind(before)
        assert not falls
        assert scrape().growing == before.growing
        assert rows() < counters.COMPACT_FROM

    def test_few_rows_are_left_alone(self, app):
        enter(10)
        assert counters.compact(current_app_state()) == 0
        assert rows() == 10

    def test_many_rows_take_several_transactions(self, app, scrape, monkeypatch):
        monkeypatch.setattr(counters, "COMPACT_BATCH", counters.COMPACT_FROM)
        enter(3 * counters.COMPACT_FROM)
        before = scrape()
        cleanup.handle({"action": "reconcile"})
        assert rows() < counters.COMPACT_FROM
        assert scrape().growing == before.growing


def enter(number):
    """Count as much as *number* rows take."""
    app_state = current_app_state()
    some = [
        CounterDelta(counters.ENDED, "failed"),
        CounterDelta(counters.TOKENS, "prompt", times=2**33),
        CounterDelta(counters.RUN, "failed", 5.0, 1, 2.5),
        CounterDelta(counters.RUN, "failed", None, 1, 90_000.0),
        CounterDelta(counters.WAITING, "5", 0.1, 1, 0.0625),
    ]
    rows = [some[place % len(some)]._asdict() for place in range(number)]
    with app_state.database.write_transaction() as session:
        session.execute(sa.insert(app_state.models.counter), rows)


def rows():
    counter = current_app_state().models.counter
    with current_app_state().database.read_session() as session:
        return session.scalar(sa.select(sa.func.count()).select_from(counter))


@pytest.mark.sqlite_enough
class TestTrouble:
    @pytest.mark.settings(HEALTH_TIMEOUT=0.5)
    def test_a_database_that_does_not_answer(self, app, scrape):
        with app.extensions["sqlalchemy"].engine.connect() as connection:
            connection.exec_driver_sql("BEGIN EXCLUSIVE")
            found = scrape()
        assert found("up", part="database") == 0
        assert found("up", part="broker") == 1
        assert "crewexec_queue_messages" in found.families
        assert not found.growing
        bounded = "crewexec-bounded"
        wait_until(lambda: bounded not in [thread.name for thread in threading.enumerate()])

    def test_a_broker_that_is_away(self, scrape, redis_process):
        redis_process.suspend()
        try:
            found = scrape()
        finally:
            redis_process.resume()
        assert (found("up", part="database"), found("up", part="broker")) == (1, 0)
        assert "crewexec_executions_ended" in found.families


STREAMING = """
import sys
from flask_crewexec.web.stream_metrics import counted_stream
with counted_stream(), counted_stream():
    print("open", flush=True)
    sys.stdin.read()
"""
ASKING = """
from flask_crewexec.web.stream_metrics import open_streams
print([(s.name, s.labels, s.value) for metric in open_streams() for s in metric.samples])
"""


class TestOpenStreams:
    @pytest.mark.sqlite_enough
    def test_are_counted_while_they_are_open(self, scrape):
        with counted_stream(), counted_stream():
            assert scrape()("open_streams") == 2
        assert scrape()("open_streams") == 0
        assert scrape().families["crewexec_open_streams"].type == "gauge"

    def test_of_several_processes_are_added_up(self, tmp_path, monkeypatch):
        monkeypatch.setenv("PROMETHEUS_MULTIPROC_DIR", str(tmp_path))
        command = [sys.executable, "-c", STREAMING]
        pipes: dict[str, t.Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
        with (
            subprocess.Popen(command, text=True, **pipes) as one,
            subprocess.Popen(command, text=True, **pipes) as two,
        ):
            for each in (one, two):
                assert each.stdout.readline() == "open\n"
            assert self.asked() == "[('crewexec_open_streams', {}, 4.0)]"
            one.stdin.close()
            one.wait(20)
            assert self.asked() == "[('crewexec_open_streams', {}, 2.0)]"
            two.stdin.close()

    def asked(self):
        command = [sys.executable, "-c", ASKING]
        return (
            subprocess.run(command, check=True, timeout=60, capture_output=True)
            .stdout.decode()
            .strip()
        )

    def test_are_not_counted_without_the_package(self):
        program = "import sys; sys.modules['prometheus_client'] = None" + STREAMING
        done = subprocess.run(
            [sys.executable, "-c", program], input=b"", check=True, timeout=60, capture_output=True
        )
        assert done.stdout == b"open\n"
