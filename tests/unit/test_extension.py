"""Setting applications up."""

from __future__ import annotations

import gc
import logging
import subprocess
import sys
import typing as t
import weakref

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from celery import Celery
from flask import Flask
from flask_migrate import init
from flask_migrate import Migrate
from flask_migrate import migrate
from flask_migrate import upgrade
from flask_sqlalchemy import SQLAlchemy
from flask_sqlalchemy_lite import SQLAlchemy as LiteSQLAlchemy
from sqlalchemy.orm import DeclarativeBase
from sqlalchemy.orm import Mapped
from sqlalchemy.orm import mapped_column

import flask_crewexec
from flask_crewexec import CrewExec
from flask_crewexec import ExecutionMixin
from flask_crewexec import GraphMixin
from flask_crewexec import GraphService
from flask_crewexec.app_state import current_app_state
from flask_crewexec.errors import ConfigError

TABLES = {
    "crewexec_graph",
    "crewexec_graph_version",
    "crewexec_execution",
    "crewexec_step",
    "crewexec_event",
    "crewexec_worker",
    "crewexec_counter",
    "crewexec_installation",
}


def new_app(**config):
    app = Flask(__name__)
    app.config.update({"SQLALCHEMY_DATABASE_URI": "sqlite://", **config})
    return app


def assert_usable(app):
    """Create the tables and use them through the extension."""
    with app.app_context():
        app_state = current_app_state()
        model: t.Any = app_state.models.graph
        model.metadata.create_all(app_state.database.engine)
        assert set(sa.inspect(app_state.database.engine).get_table_names()) >= TABLES
        assert GraphService().list() == []
        app_state.database.engine.dispose()


class TestDatabases:
    def test_flask_sqlalchemy(self):
        app, db = new_app(), SQLAlchemy()
        db.init_app(app)
        CrewExec(app, db=db)
        assert_usable(app)

    def test_the_extension_may_come_first(self):
        app, db = new_app(), SQLAlchemy()
        crewexec = CrewExec(db=db)
        crewexec.init_app(app)
        db.init_app(app)
        assert_usable(app)

    def test_flask_sqlalchemy_lite(self):
        class Base(DeclarativeBase):
            pass

        app, db = Flask(__name__), LiteSQLAlchemy()
        app.config["SQLALCHEMY_ENGINES"] = {"default": "sqlite://"}
        db.init_app(app)
        CrewExec(app, db=db, metadata=Base.metadata)
        assert_usable(app)

    def test_flask_sqlalchemy_lite_without_metadata_says_what_to_pass(self):
        with pytest.raises(RuntimeError, match=r"metadata=Base\.metadata"):
            CrewExec(db=LiteSQLAlchemy())

    def test_the_applications_own_database_is_found(self):
        app = new_app()
        db = SQLAlchemy(app)
        CrewExec(app)
        assert db.metadata.tables.keys() >= TABLES
        assert_usable(app)

    def test_without_any_database_it_brings_one(self):
        app = new_app()
        CrewExec(app)
        assert_usable(app)

    def test_a_bind_key_keeps_the_tables_apart(self):
        app, db = new_app(SQLALCHEMY_BINDS={"crews": "sqlite://"}), SQLAlchemy()
        db.init_app(app)
        CrewExec(app, db=db, bind_key="crews")
        assert db.metadata.tables.keys().isdisjoint(TABLES)
        assert_usable(app)
        with app.app_context():
            db.engine.dispose()

    def test_another_database_than_the_applications_is_refused(self):
        app = new_app()
        SQLAlchemy(app)
        with pytest.raises(RuntimeError, match="another 'db' than 'CrewExec'"):
            CrewExec(app, db=SQLAlchemy())


class TestHostsModels:
    def test_own_columns_and_foreign_keys(self):
        class Base(DeclarativeBase):
            pass

        db = SQLAlchemy(model_class=Base)

        class Project(db.Model):  # type: ignore[name-defined]
            id: Mapped[int] = mapped_column(primary_key=True)

        class Execution(ExecutionMixin, db.Model):  # type: ignore[name-defined]
            project_id: Mapped[int | None] = mapped_column(sa.ForeignKey("project.id"))

        class Graph(GraphMixin, db.Model):  # type: ignore[name-defined]
            shared: Mapped[bool] = mapped_column(default=False)

        app = new_app()
        db.init_app(app)
        crewexec = CrewExec(app, db=db, execution_model=Execution, graph_model=Graph)
        assert crewexec.models.execution is Execution
        assert crewexec.models.graph is Graph
        names = {index.name for index in Execution.__table__.indexes}
        assert "ix_crewexec_execution_owner" in names
        assert_usable(app)

    def test_other_classes_for_the_same_database_are_refused(self):
        class Base(DeclarativeBase):
            pass

        db = SQLAlchemy(model_class=Base)
        CrewExec(db=db)

        class Other(DeclarativeBase):
            pass

        class Execution(ExecutionMixin, Other):
            pass

        with pytest.raises(RuntimeError, match="already declared"):
            CrewExec(db=db, execution_model=Execution)

    def test_another_table_name_is_refused(self):
        class Base(DeclarativeBase):
            pass

        class Execution(ExecutionMixin, Base):
            __tablename__ = "runs"

        with pytest.raises(RuntimeError, match="__tablename__"):
            CrewExec(db=SQLAlchemy(model_class=Base), execution_model=Execution)


@pytest.fixture
def _loggers():
    """Flask-Migrate's env.py switches off all loggers that there are."""
    yield
    for logger in logging.Logger.manager.loggerDict.values():
        if isinstance(logger, logging.Logger):
            logger.disabled = False


@pytest.mark.usefixtures("_loggers")
@pytest.mark.filterwarnings("ignore:'get_engine' is deprecated")  # Flask-Migrate's env.py
def test_migrations_see_our_tables_and_then_nothing_to_do(tmp_path):
    app = new_app(SQLALCHEMY_DATABASE_URI=f"sqlite:///{tmp_path}/db.sqlite")
    db = SQLAlchemy(app)
    CrewExec(app, db=db)
    Migrate(app, db)
    directory = str(tmp_path / "migrations")
    with app.app_context():
        init(directory)
        migrate(directory)
        upgrade(directory)
        assert set(sa.inspect(db.engine).get_table_names()) >= TABLES
        with db.engine.connect() as connection:
            context = MigrationContext.configure(connection)
            assert compare_metadata(context, db.metadata) == []
        (script,) = (tmp_path / "migrations" / "versions").glob("*.py")
        assert "flask_crewexec" not in script.read_text()
        db.engine.dispose()


class TestSeveral:
    def test_two_applications_of_one_factory_do_not_mix(self):
        db = SQLAlchemy()
        crewexec = CrewExec(db=db)
        apps = []
        for prefix in ("/one", "/two"):
            app = new_app(CREWEXEC_URL_PREFIX=prefix)
            db.init_app(app)
            crewexec.init_app(app)
            apps.append(app)
        for app, prefix in zip(apps, ("/one", "/two"), strict=True):
            with app.app_context():
                assert current_app_state().settings.url_prefix == prefix
            assert app.test_client().get(f"{prefix}/health/live").status_code == 200
            assert app.extensions["celery"].flask_app is app
        celeries = [app.extensions["celery"] for app in apps]
        assert celeries[0] is not celeries[1]
        for celery in celeries:
            assert celery.tasks["crewexec.execution"].app is celery
            assert celery.tasks["crewexec.cleanup"].app is celery

    def test_an_application_that_is_forgotten_goes_away(self):
        crewexec = CrewExec(db=SQLAlchemy())
        references = []
        for _ in range(2):
            app = new_app()
            crewexec.init_app(app)
            references.append(weakref.ref(app))
        del app
        gc.collect()
        # Celery keeps the newest as the default of the process.
        assert references[0]() is None

    def test_one_application_takes_one(self):
        app = new_app()
        CrewExec(app)
        with pytest.raises(RuntimeError, match="already"):
            CrewExec(app)


class TestMisuse:
    def test_a_limit_of_requests_without_its_package(self, monkeypatch):
        monkeypatch.setitem(sys.modules, "limits", None)
        monkeypatch.delitem(sys.modules, "flask_crewexec.web.rate_limit", raising=False)
        app = new_app()
        app.config["CREWEXEC_REQUESTS_PER_MINUTE"] = 60
        with pytest.raises(ConfigError, match=r"pip install 'Flask-CrewExec\[limits\]'"):
            CrewExec(app)

    def test_outside_of_a_context(self):
        with pytest.raises(RuntimeError, match="application context"):
            GraphService().list()

    def test_an_application_without_the_extension(self):
        with (
            new_app().app_context(),
            pytest.raises(RuntimeError, match=r"'CrewExec\(app, db=db\)'"),
        ):
            GraphService().list()

    def test_models_before_there_is_a_database(self):
        with pytest.raises(RuntimeError):
            _ = CrewExec().models

    def test_an_application_of_another_instance(self):
        app = new_app()
        CrewExec(app)
        with app.app_context(), pytest.raises(RuntimeError, match="Create only one"):
            _ = CrewExec().app_state


class TestCelery:
    def test_the_hosts_own_celery_app_is_kept_and_extended(self):
        app = new_app()
        own = Celery("own", set_as_current=False)
        own.conf.update(
            broker_url="redis://example:1/0",
            task_routes={"mail": {"queue": "mails"}},
            task_default_queue="mails",
            task_acks_late=True,
            beat_schedule={"mail": {"task": "mail", "schedule": 1.0}},
        )
        app.extensions["celery"] = own
        CrewExec(app)
        assert app.extensions["celery"] is own
        assert own.conf.broker_url == "redis://example:1/0"
        assert {queue.name for queue in own.conf.task_queues} == {
            "mails",
            "crew_execution",
            "cleanup",
        }
        assert own.conf.task_acks_late is True
        assert own.tasks["crewexec.execution"].acks_late is False
        assert own.conf.task_routes.keys() == {
            "mail",
            "crewexec.execution",
            "crewexec.cleanup",
            "crewexec.notifications",
        }
        assert own.conf.beat_schedule.keys() == {
            "mail",
            "crewexec-purge",
            "crewexec-reconcile",
        }
        assert "priority_steps" not in own.conf.broker_transport_options
        assert own.conf.worker_disable_prefetch is False

    def test_a_transport_that_knows_no_ten_priorities_is_refused(self):
        app = new_app(CELERY={"broker_transport": "myapp.transports:Transport"})
        with pytest.raises(ConfigError, match="broker_transport"):
            CrewExec(app)

    def test_a_celery_app_may_be_passed_beside_that_of_the_host(self):
        app, ours = new_app(), Celery("ours", broker="redis://example:1/0", set_as_current=False)
        hosts = app.extensions["celery"] = Celery("hosts", broker="amqp://", set_as_current=False)
        CrewExec(app, celery=ours)
        assert "crewexec.execution" in ours.tasks
        assert "crewexec.execution" not in hosts.tasks
        assert app.extensions["crewexec"].celery is ours
        assert app.extensions["celery"] is hosts

    def test_init_app_takes_one_for_each_application(self):
        crewexec, apps = CrewExec(db=SQLAlchemy()), [new_app(), new_app()]
        for app in apps:
            celery = Celery(broker="redis://example:1/0", set_as_current=False)
            crewexec.init_app(app, celery=celery)
            assert app.extensions["crewexec"].celery is celery

    @pytest.mark.parametrize("url", ["memory://", "amqp://localhost", "filesystem://"])
    def test_a_broker_that_is_no_redis_is_refused(self, url):
        with pytest.raises(ConfigError, match=r"redis, rediss, redis\+socket, sentinel"):
            CrewExec(new_app(CELERY_BROKER_URL=url))

    def test_a_celery_app_of_the_host_without_a_broker_is_refused(self):
        """The broker in the configuration of the application is not that of this Celery app."""
        app = new_app(CELERY_BROKER_URL="redis://example:1/0")
        with pytest.raises(
            ConfigError, match="Your Celery app has no broker: set its 'broker_url'"
        ):
            CrewExec(app, celery=Celery("own", set_as_current=False))

    def test_a_broker_without_a_scheme_is_refused_without_its_password(self):
        with pytest.raises(ConfigError) as refusal:
            CrewExec(new_app(CELERY_BROKER_URL=":secret@127.0.0.1:6379/0"))
        assert "secret" not in str(refusal.value)

    @pytest.mark.parametrize("scheme", ["redis", "rediss", "redis+cluster"])
    def test_several_brokers_are_refused(self, scheme):
        with pytest.raises(ConfigError, match="names several servers"):
            CrewExec(new_app(CELERY_BROKER_URL=f"{scheme}://:a@one:1/0;{scheme}://:a@two:1/0"))

    @pytest.mark.parametrize("name", ["broker_read_url", "broker_write_url"])
    def test_another_broker_to_read_or_to_write_is_refused(self, name):
        with pytest.raises(ConfigError, match=f"'{name}' of your Celery app must not differ"):
            CrewExec(new_app(CELERY={name: "amqp://elsewhere"}))

    def test_several_sentinels_are_accepted(self):
        CrewExec(new_app(CELERY_BROKER_URL="sentinel://one:1;sentinel://two:1"))

    def test_a_list_of_brokers_is_refused(self):
        app = new_app(CELERY={"broker_url": ["sentinel://one:1", "sentinel://two:1"]})
        with pytest.raises(ConfigError, match="must be a text"):
            CrewExec(app)

    @pytest.mark.parametrize("queues", [{"mails": {}}, ["mails"]])
    def test_queues_that_cannot_be_extended_are_refused(self, queues):
        with pytest.raises(ConfigError, match="task_queues"):
            CrewExec(new_app(CELERY={"task_queues": queues}))

    @pytest.mark.parametrize("given", [None, False])
    def test_workers_survive_a_redis_that_refuses_to_write_unless_the_host_wants_otherwise(
        self, given
    ):
        config = {"broker_url": "redis://example:1/0"}
        if given is not None:
            config["broker_channel_error_retry"] = given
        ours, hosts = new_app(CELERY=config), new_app()
        hosts.extensions["celery"] = Celery("host", set_as_current=False)
        hosts.extensions["celery"].conf.update(config)
        for app in (ours, hosts):
            CrewExec(app)
            assert app.extensions["celery"].conf.broker_channel_error_retry is (given is None)

    def test_own_settings_are_taken(self):
        app = new_app(CELERY={"worker_max_tasks_per_child": 7})
        CrewExec(app)
        assert app.extensions["celery"].conf.worker_max_tasks_per_child == 7


def test_the_web_process_never_imports_crewai():
    program = """
import sys
from flask import Flask
from flask_crewexec import CrewExec
app = Flask("host")
app.config.update(SQLALCHEMY_DATABASE_URI="sqlite://", CREWEXEC_ALLOW_ANONYMOUS=True)
app.config["CELERY_BROKER_URL"] = app.config["CELERY_RESULT_BACKEND"] = "redis://127.0.0.1:9/0"
crewexec = CrewExec(app)
crewexec.llm("default", "m", api_key="k")
with app.app_context():
    crewexec.models.graph.metadata.create_all(crewexec.app_state.database.engine)
client = app.test_client()
graph = {"version": 1, "name": "g", "edges": [{"source": "a", "target": "t"}], "nodes": [
    {"id": "a", "type": "agent", "data": {"role": "r", "goal": "g"}},
    {"id": "t", "type": "task", "data": {"description": "d", "expected_output": "e"}}]}
id = client.post("/crewexec/graphs", json=graph).json["id"]
assert client.post("/crewexec/executions", json={"graph_id": id}).status_code == 503
seen = set()
for rule in app.url_map.iter_rules():
    if rule.endpoint.startswith("crewexec"):
        path = rule.rule.replace("<uuid:graph_id>", id).replace("<uuid:execution_id>", id)
        for method in rule.methods:
            seen.add(client.open(path, method=method, json=graph).status_code)
assert {200, 404} <= seen and 500 not in seen, seen
app.test_cli_runner().invoke(args=["crewexec", "--help"])
loaded = [name for name in sys.modules if name.split(".")[0] in ("crewai", "openai", "litellm")]
assert not loaded, loaded
"""
    subprocess.run([sys.executable, "-c", program], check=True, timeout=120)


HEAVY: tuple[str, ...] = (
    "crewai",
    "httpx",
    "jsonschema",
    "limits",
    "opentelemetry",
    "prometheus_client",
)
HEAVY += ("pydantic", "rich", "tornado", "kombu.transport.redis", "redis.asyncio")


def test_a_web_process_starts_without_what_only_some_requests_need():
    program = f"""
import sys
from flask import Flask
from flask_crewexec import CrewExec
app = Flask("host")
app.config["SQLALCHEMY_DATABASE_URI"] = "sqlite://"
CrewExec(app)
print(*(name for name in {HEAVY} if name in sys.modules))
"""
    command = [sys.executable, "-c", program]
    done = subprocess.run(command, check=True, capture_output=True, text=True, timeout=120)
    assert done.stdout.split() == []


def test_the_package_has_the_names_that_users_import_and_no_others():
    for name in flask_crewexec.__all__:
        assert getattr(flask_crewexec, name) is not None
    assert {*flask_crewexec.__all__} <= {*dir(flask_crewexec)}
    with pytest.raises(AttributeError, match="has no attribute 'Nothing'"):
        _ = flask_crewexec.Nothing
