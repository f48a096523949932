"""``flask crewexec check`` finds what is broken, and only that; each thing is broken for real."""

from __future__ import annotations

import datetime as dt
import json
import os
import typing as t
import uuid

import pytest
import sqlalchemy as sa

from flask_crewexec import clock
from flask_crewexec.app_state import current_app_state
from flask_crewexec.config.versions import CREWAI
from flask_crewexec.config.versions import installed_version
from flask_crewexec.config.versions import PACKAGE
from flask_crewexec.messaging.broker import shared_broker_client
from flask_crewexec.messaging.queue_claims import QueueClaims
from flask_crewexec.storage.installation import ensure_installation_id
from flask_crewexec.storage.workers import live_workers
from flask_crewexec.tasks import cleanup
from support import shifted_clock
from support.graphs import documents
from support.host_app import host
from support.servers import broker_faults
from support.servers.processes import wait_until
from support.servers.redis_process import RedisProcess
from support.servers.redis_servers import chosen_redis

ONE_DATABASE = pytest.mark.sqlite_enough
PASSWORD = "correct-horse-battery"


@pytest.fixture
def own_redis(tmp_path, request):
    """A broker that a test may break; it saves its data."""
    with RedisProcess(
        tmp_path / "own", chosen_redis(), appendonly=True, password=PASSWORD
    ) as process:
        yield process


@pytest.fixture
def broker_url(own_redis):
    return own_redis.url


@pytest.fixture
def healthy(app):
    """An installation in which nothing is missing."""
    add_worker(app)
    ensure_installation_id(current_app_state())
    cleanup.handle({"action": "reconcile"})


@pytest.fixture
def check(app):
    """Run the command; return what is not in order, as lists of findings by check."""
    runner = app.test_cli_runner()

    def invoke(*options, exit_code=None):
        result = runner.invoke(args=["crewexec", "check", "--json", *options])
        assert PASSWORD not in result.output
        findings = json.loads(result.stdout)
        if exit_code is not None:
            assert result.exit_code == exit_code, result.output
        found: dict[str, list[dict[str, str]]] = {}
        for finding in findings:
            found.setdefault(finding["check"], []).append(finding)
        return found

    return invoke


def add_worker(app, name="w@host", silent=0.0, **values):
    app_state, now = app.extensions["crewexec"], clock.now()
    row = {
        "pid": 1,
        "started_at": now - dt.timedelta(hours=2),
        "queues": ["crew_execution", "cleanup"],
        "pool": "threads",
        "concurrency": 1,
        "version": installed_version(PACKAGE),
        "crewai_version": installed_version(CREWAI),
        "seen_at": now - dt.timedelta(seconds=silent),
    }
    with app_state.database.write_transaction() as session:
        session.add(app_state.models.worker(name=name, **(row | values)))


def execute(sql):
    with host.db.engine.begin() as connection:
        connection.exec_driver_sql(sql)


def problems(found):
    """The names of the checks that found a problem, with its status."""
    return {
        name: findings[0]["status"]
        for name, findings in found.items()
        if findings[0]["status"] not in ("ok", "skipped")
    }


def only_problem(found, name, status):
    """The sentences of the only finding that is a problem."""
    assert problems(found) == {name: status}, found
    (finding,) = found[name]
    assert finding["remedy"]
    return finding["detail"]


@pytest.mark.libraries
def test_nothing_is_wrong_with_a_complete_installation(healthy, check):
    found = check("--strict", exit_code=0)
    assert problems(found) == {}
    assert {"database", "broker", "workers", "beat", "graphs", "models"} <= found.keys()


@ONE_DATABASE
def test_people_read_the_sentence_and_below_it_the_remedy(app, healthy):
    execute("DELETE FROM crewexec_worker")
    result = app.test_cli_runner().invoke(args=["crewexec", "check"])
    assert result.exit_code == 1
    lines = result.stdout.splitlines()
    at = next(
        n for n, line in enumerate(lines) if "queue 'crew_execution'" in line and "No" in line
    )
    assert lines[at].split()[:2] == ["error", "workers"]
    assert "flask --app myapp crewexec worker" in lines[at + 1]
    assert lines[-1] == "2 errors, 0 warnings."


@ONE_DATABASE
def test_warnings_fail_only_strictly(app, healthy, check):
    app.secret_key = "dev"
    assert "SECRET_KEY" in only_problem(check(exit_code=0), "settings", "warning")
    check("--strict", exit_code=1)


class TestSettings:
    pytestmark = ONE_DATABASE

    def test_without_an_identity_loader(self, app, healthy, check):
        app.extensions["crewexec"].identity_loaders.clear()
        assert "401" in only_problem(check(), "identity", "warning")

    @pytest.mark.settings(ALLOW_ANONYMOUS=True)
    def test_anonymous_users(self, healthy, check):
        assert "share one user" in only_problem(check(), "identity", "warning")

    @pytest.mark.parametrize(
        "name",
        [
            pytest.param(
                "STALE_WORKER_AFTER",
                marks=pytest.mark.settings(HEARTBEAT_INTERVAL=30.0, STALE_WORKER_AFTER=60.0),
            ),
            pytest.param(
                "WEBHOOK_NETWORKS", marks=pytest.mark.settings(WEBHOOK_NETWORKS=["0.0.0.0/0"])
            ),
        ],
    )
    def test_risky_values(self, name, healthy, check):
        assert name in only_problem(check(), "settings", "warning")

    def test_webhooks_that_are_switched_off(self, app, healthy, check):
        app_state = app.extensions["crewexec"]
        with app_state.database.write_transaction() as session:
            session.add(
                app_state.models.webhook(owner_id="ada", url="https://example.org", events=" * ")
            )
        assert "CREWEXEC_WEBHOOKS" in only_problem(check(), "webhooks", "warning")


class TestDatabase:
    def test_a_missing_column_hides_nothing_else(self, app, healthy, check):
        execute("ALTER TABLE crewexec_step DROP COLUMN node_id")
        app.extensions["crewexec"].identity_loaders.clear()
        found = check(exit_code=1)
        assert problems(found) == {"database": "error", "identity": "warning"}
        assert "crewexec_step.node_id" in found["database"][0]["detail"]

    def test_a_missing_table_hides_nothing_else(self, healthy, check):
        execute("DROP TABLE crewexec_worker")
        found = check(exit_code=1)
        assert problems(found) == {"database": "error"}
        assert found["silent-workers"][0]["status"] == "skipped"
        assert found["broker"][0]["status"] == "ok"

    @ONE_DATABASE
    @pytest.mark.parametrize(
        "url", ["sqlite:////nowhere/at/all", f"postgresql+psycopg://me:{PASSWORD}@127.0.0.1:9/app"]
    )
    def test_an_unreachable_database_hides_nothing_else(self, url, environment, monkeypatch):
        for name, value in {**environment, "DATABASE_URL": url}.items():
            monkeypatch.setenv(name, value)
        result = host.create_app().test_cli_runner().invoke(args=["crewexec", "check", "--json"])
        assert PASSWORD not in result.output
        found = {finding["check"]: finding["status"] for finding in json.loads(result.stdout)}
        assert result.exit_code == 1
        assert found["database-server"] == "error"
        assert found["database"] == found["beat"] == found["graphs"] == "skipped"
        assert found["broker"] == found["models"] == "ok"

    def test_a_missing_index(self, healthy, check):
        execute("DROP INDEX ix_crewexec_graph_owner")
        detail = only_problem(check(), "database-schema", "warning")
        assert "ix_crewexec_graph_owner" in detail

    def test_an_index_without_which_the_same_is_stored_twice(self, healthy, check):
        execute("DROP INDEX ux_crewexec_execution_idempotency")
        detail = only_problem(check(), "database-schema", "error")
        assert "ux_crewexec_execution_idempotency" in detail

    def test_an_empty_database_lacks_tables_and_nothing_else(self, app, check):
        host.Base.metadata.drop_all(host.db.engine)
        assert problems(check(exit_code=1)) == {"database": "error"}

    def test_an_index_of_other_columns(self, healthy, check):
        execute("DROP INDEX ix_crewexec_graph_owner")
        execute("CREATE INDEX ix_crewexec_graph_owner ON crewexec_graph (name)")
        assert "other columns" in only_problem(check(), "database-schema", "warning")

    @pytest.mark.postgresql
    def test_another_type(self, healthy, check):
        execute("ALTER TABLE crewexec_graph ALTER COLUMN name TYPE VARCHAR(10)")
        detail = only_problem(check(), "database-schema", "warning")
        assert "'crewexec_graph.name' is VARCHAR(10) instead of VARCHAR(200)" in detail

    @pytest.mark.postgresql
    @pytest.mark.parametrize(
        "change",
        [
            "ALTER TABLE crewexec_worker ADD COLUMN region TEXT NOT NULL",
            "ALTER TABLE crewexec_worker ALTER COLUMN incarnation SET NOT NULL",
        ],
    )
    def test_a_column_that_demands_a_value(self, change, app, healthy, check):
        execute("DELETE FROM crewexec_worker")
        execute(change)
        found = check(exit_code=1)
        assert found["database-schema"][0]["status"] == "error"

    @ONE_DATABASE
    @pytest.mark.parametrize(("seconds", "status"), [(-60, "warning"), (4000, "error")])
    def test_a_wrong_clock(self, seconds, status, healthy, check):
        shifted_clock.set_ahead(seconds)
        try:
            found = check()
        finally:
            shifted_clock.set_right()
        detail = only_problem(found, "clock", status)
        assert ("behind" if seconds < 0 else "ahead of") in detail


@ONE_DATABASE
@pytest.mark.redis
class TestBroker:
    @pytest.mark.parametrize("fault", broker_faults.FAULTS)
    def test_a_broken_broker_hides_nothing_else(self, fault, own_redis, healthy, check):
        fault(own_redis)
        try:
            found = check(exit_code=1)
        finally:
            if fault is broker_faults.stall:
                own_redis.resume()
        assert problems(found) == {"broker": "error"}
        assert found["queues"][0]["status"] == "skipped"
        assert found["graphs"][0]["status"] == "ok"

    def test_a_server_that_drops_messages(self, own_redis, healthy, check):
        with own_redis.client() as client:
            client.config_set("maxmemory", "100mb")
            assert problems(check()) == {}
            client.config_set("maxmemory-policy", "allkeys-lru")
        assert "allkeys-lru" in only_problem(check(), "broker-server", "warning")

    def test_a_server_that_is_nearly_full(self, own_redis, healthy, check):
        with own_redis.client() as client:
            for number in range(200):  # connections and buffers take memory, too
                client.set(f"ballast-{number}", b"x" * 100_000)
            client.config_set("maxmemory", int(client.info("memory")["used_memory"] * 1.05))
            found = check()
        assert "of its 'maxmemory'" in only_problem(found, "broker-server", "warning")

    def test_a_server_that_saves_nothing(self, own_redis, healthy, check):
        with own_redis.client() as client:
            client.config_set("appendonly", "no")
            assert "saves nothing" in only_problem(check(), "broker-server", "warning")
            client.config_set("save", "3600 1")
        assert problems(check()) == {}

    def test_a_server_that_does_not_tell(self, own_redis, healthy, check):
        with own_redis.client() as client:
            client.acl_setuser("default", enabled=True, commands=["-info", "-config"])
        found = check(exit_code=0)
        assert found["broker-server"][0]["status"] == "skipped"

    def test_another_installation_on_the_same_queues(self, healthy, check):
        with shared_broker_client(current_app_state()) as client:
            QueueClaims(client, uuid.uuid4()).claim(["cleanup"], uuid.uuid4(), seconds=60)
        found = check(exit_code=1)
        assert "'cleanup'" in only_problem(found, "queues", "error")


class TestWorkers:
    def test_a_queue_without_a_worker(self, healthy, check):
        execute("""UPDATE crewexec_worker SET queues = '["cleanup"]'""")
        found = check(exit_code=1)
        assert [each["status"] for each in found["workers"]] == ["error", "ok"]

    def test_a_silent_worker(self, app, healthy, check):
        add_worker(app, "lost@host", silent=3600)
        detail = only_problem(check(), "silent-workers", "warning")
        assert "'lost@host'" in detail
        assert "w@host" not in detail

    @pytest.mark.parametrize("column", ["version", "crewai_version"])
    @pytest.mark.parametrize("value", ["0.0.1", None])
    def test_a_worker_of_another_version(self, column, value, app, healthy, check):
        add_worker(app, "old@host", **{column: value})
        detail = only_problem(check(), "worker-versions", "warning")
        assert f"'old@host' ({value or 'unknown'})" in detail

    def test_a_worker_without_executions_needs_no_crewai(self, app, healthy, check):
        add_worker(app, "cleanup@host", queues=["cleanup"], crewai_version=None)
        assert problems(check()) == {}

    def test_beat_has_never_run(self, app, check):
        add_worker(app)
        ensure_installation_id(current_app_state())
        found = check(exit_code=1)
        assert "no reconcile round" in only_problem(found, "beat", "error")
        (beat,) = found["beat"]
        assert "one worker with '--beat'" in beat["remedy"]

    @pytest.mark.parametrize(
        ("queue", "exit_code", "status"),
        [("cleanup", 0, "warning"), ("crew_execution", 1, "error")],
    )
    def test_the_first_round_after_a_start_is_awaited(self, app, check, queue, exit_code, status):
        add_worker(app)
        add_worker(app, "new@host", started_at=clock.now(), queues=[queue])
        ensure_installation_id(current_app_state())
        found = check(exit_code=exit_code)
        assert "no reconcile round" in only_problem(found, "beat", status)

    def test_beat_has_stopped(self, app, healthy, check):
        app_state = current_app_state()
        long_ago = clock.now() - dt.timedelta(hours=1)
        with app_state.database.write_transaction() as session:
            session.execute(sa.update(app_state.models.installation).values(reconciled_at=long_ago))
        assert "3,6" in only_problem(check(exit_code=1), "beat", "error")

    def test_workers_tell_their_versions(self, check, start_worker):
        start_worker(pool="threads", concurrency=1)
        wait_until(lambda: live_workers(current_app_state()), what="the first heartbeat")
        found = check()
        assert found["worker-versions"][0]["status"] == "ok"


class TestRegistry:
    pytestmark = ONE_DATABASE

    def test_names_that_graphs_name_and_nobody_registers(self, app, api, healthy, check):
        _, newest = (api.graph(documents.chain("a", "b")) for _ in range(2))
        archived = api.graph(documents.chain("c"))
        assert api("DELETE", f"/graphs/{archived}").status_code == 204
        del app.extensions["crewexec"].registry.llms["default"]
        detail = only_problem(check(), "graphs", "warning")
        assert detail.startswith("No model is registered as 'default', which 2 graphs name")
        assert newest in detail

    def test_only_the_newest_version_counts(self, app, api, healthy, check):
        registry = app.extensions["crewexec"].registry
        path = f"/graphs/{api.graph(documents.chain('a', model='streaming'))}"
        etag = api("GET", path).headers["ETag"]
        del registry.llms["streaming"]
        assert "'streaming'" in only_problem(check(), "graphs", "warning")
        changed = api("PUT", path, json=documents.chain("a"), headers={"If-Match": etag})
        assert changed.status_code == 200
        assert problems(check()) == {}

    def test_a_graph_that_later_rules_refuse(self, app, api, healthy, check):
        app_state = current_app_state()
        api.graph(documents.chain("a"))
        with app_state.database.write_transaction() as session:
            version = app_state.models.graph_version
            session.execute(sa.update(version).values(document={"version": 1, "nodes": "none"}))
        assert "refuse 1 graph" in only_problem(check(), "graphs", "warning")

    def test_a_model_whose_provider_is_not_installed(self, app, healthy, check):
        crewexec = app.extensions["crewexec_host"]
        crewexec.llm("claude", "claude-opus-4", provider="anthropic", api_key=PASSWORD)
        found = check(exit_code=1)
        assert "'claude'" in only_problem(found, "models", "error")
        assert "crewai[anthropic]" in found["models"][0]["remedy"]

    def test_a_model_with_an_option_that_nobody_knows(self, app, healthy, check):
        crewexec = app.extensions["crewexec_host"]
        url = f"http://me:{PASSWORD}@127.0.0.1:9/v1"
        crewexec.llm("misspelt", "gpt-4o-mini", base_url=url, temprature=1)
        assert "'misspelt'" in only_problem(check(exit_code=1), "models", "error")

    @pytest.mark.parametrize("key", [lambda: "", lambda: os.environ[PASSWORD]])
    def test_a_key_that_cannot_be_read(self, key, app, healthy, check):
        app.extensions["crewexec_host"].llm("keyless", "gpt-4o-mini", api_key=key)
        assert "'keyless'" in only_problem(check(), "models", "warning")

    def test_a_model_whose_name_cannot_be_read(self, app, healthy, check):
        def model():
            raise KeyError(PASSWORD)

        crewexec = app.extensions["crewexec_host"]
        crewexec.llm("broken", model, base_url="http://127.0.0.1:9/v1")
        assert "KeyError" in only_problem(check(exit_code=1), "models", "error")


@ONE_DATABASE
@pytest.mark.parametrize("kind", [RedisProcess, t.Callable[[int], int]])
def test_a_tool_whose_arguments_cannot_be_used(kind, app, healthy, check):
    def pay(euros: int, order: str) -> None: ...

    pay.__annotations__["order"] = kind
    app.extensions["crewexec_host"].tool("pay", description="Pay.")(pay)
    detail = only_problem(check(exit_code=1), "tools", "error")
    assert "'pay'" in detail
    assert "its parameter 'order'" in detail


@ONE_DATABASE
def test_a_folder_of_crewai_that_cannot_be_written(healthy, check, monkeypatch):
    monkeypatch.setenv("CREWAI_STORAGE_DIR", "/proc/crewai")
    detail = only_problem(check(exit_code=1), "crewai-environment", "error")
    assert "'/proc/crewai'" in detail
