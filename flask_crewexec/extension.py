"""The Flask extension: sets up applications with everything that they need."""

from __future__ import annotations

import typing as t

import sqlalchemy as sa
from celery import Celery
from flask import Flask
from flask import Response

from .app_state import AppState
from .app_state import current_app_state
from .cli.commands import command_group
from .config.database_urls import check_database_url
from .config.settings import Settings
from .database import Database
from .database import DatabaseExtension
from .errors import CrewExecError
from .messaging.celery_app import bind_celery
from .messaging.event_publisher import announce_new_events
from .models import define_models
from .models import ExecutionMixin
from .models import GraphMixin
from .models import Models
from .notifications.dispatcher import deliver_soon
from .notifications.signing import check_signing
from .observability.logs import install_log_handlers
from .process.greenlets import expect_late_patch
from .registry.decorators import RegistrationMixin
from .services.erasure import DEFAULT_WAIT
from .services.erasure import erase_user
from .services.erasure import Erasure
from .tasks import register_tasks
from .web import create_blueprint
from .web.problems import problem_response
from .worker.lifecycle import connect_signals


class CrewExec(RegistrationMixin):
    """Queue, run, watch and cancel crews in the background of a Flask application.

    ::

        from flask import Flask
        from flask_crewexec import CrewExec
        from flask_sqlalchemy import SQLAlchemy

        db = SQLAlchemy()
        crewexec = CrewExec(db=db)
        crewexec.llm("default", model="gpt-4o-mini", api_key=read_api_key)


        @crewexec.identity_loader
        def load_user():
            return current_user.id


        def create_app():
            app = Flask(__name__)
            app.config["SQLALCHEMY_DATABASE_URI"] = "postgresql+psycopg://localhost/myapp"
            app.config["CELERY_BROKER_URL"] = "redis://localhost:6379/0"
            app.config["CELERY_RESULT_BACKEND"] = "redis://localhost:6379/0"
            db.init_app(app)
            crewexec.init_app(app)
            return app

    :param app: call :meth:`init_app` on this application.
    :param db: your Flask-SQLAlchemy or Flask-SQLAlchemy-Lite object. By default that of the
        application, or a new Flask-SQLAlchemy object if it has none.
    :param metadata: metadata of your models, if ``db`` does not have it
        (Flask-SQLAlchemy-Lite).
    :param bind_key: bind key of the database for our tables, if there are several.
    :param execution_model: your subclass of :class:`~flask_crewexec.ExecutionMixin`.
    :param graph_model: your subclass of :class:`~flask_crewexec.GraphMixin`.
    :param celery: your Celery app, which runs our tasks too. By default that in
        ``app.extensions["celery"]``, or a new one if there is none.
    """

    def __init__(
        self,
        app: Flask | None = None,
        db: DatabaseExtension | None = None,
        *,
        metadata: sa.MetaData | None = None,
        bind_key: str | None = None,
        execution_model: type[ExecutionMixin] | None = None,
        graph_model: type[GraphMixin] | None = None,
        celery: Celery | None = None,
    ) -> None:
        super().__init__()
        self._metadata = metadata
        self._bind_key = bind_key
        self._graph_model = graph_model
        self._execution_model = execution_model
        self._db = db
        self._celery = celery
        self._models = None if db is None else self._declare_models(db)
        if app is not None:
            self.init_app(app)

    def init_app(self, app: Flask, *, celery: Celery | None = None) -> None:
        """Set up settings, tables, queues, routes and commands of *app*.

        :param celery: the Celery app for this application, in place of that of the constructor.
        :raises ConfigError: if a setting is unknown or its value cannot be used.
        :raises RuntimeError: if the application is set up in a way that cannot work.
        """
        if "crewexec" in app.extensions:
            raise RuntimeError(
                "This application already has a 'CrewExec'. Call 'init_app' once per application,"
                " and not in addition to 'CrewExec(app)'."
            )
        settings = Settings.from_config(app.config)
        check_database_url(app.config, self._bind_key)
        if settings.webhooks:
            check_signing(app.config)
        db = self._database_of(app)
        celery = bind_celery(app, settings, celery or self._celery)
        app.extensions["crewexec"] = self._new_app_state(settings, db, celery)
        register_tasks(celery)
        connect_signals(celery)
        install_log_handlers()
        expect_late_patch()
        app.register_blueprint(create_blueprint(settings))
        app.cli.add_command(command_group())

    def _new_app_state(self, settings: Settings, db: DatabaseExtension, celery: Celery) -> AppState:
        return AppState(
            settings=settings,
            models=self._declare_models(db),
            database=Database(
                extension=db,
                bind_key=self._bind_key,
                idle_timeout=settings.lease_seconds,
                on_events_committed=announce_new_events,
                on_deliveries_committed=deliver_soon,
            ),
            celery=celery,
            registry=self._registry,
            identity_loaders=self._identity_loaders,
            secret_providers=self._secret_providers,
            user_loaders=self._user_loaders,
            extra_columns=self._extra_columns,
        )

    @staticmethod
    def error_handler(error: CrewExecError) -> Response:
        """Answer an error that a view of yours has raised as the API does: with a problem document.

        It is only used where you register it, for the application or for a blueprint of yours::

            app.register_error_handler(CrewExecError, crewexec.error_handler)
        """
        return problem_response(error)

    def erase_user(
        self, user_id: object, *, dry_run: bool = False, wait: float = DEFAULT_WAIT
    ) -> Erasure:
        """Erase all that a user has stored, and the user's name from what belongs to others.

        Executions that have not ended are cancelled first. A worker that does not stop in time
        writes nothing any more. Then your :meth:`erasers <eraser>` are called, and rows are deleted
        in batches. The sums of what was used stay, without a name. Call it again if it was
        interrupted: it goes on with what is left.

        :param dry_run: only count what would be erased.
        :param wait: seconds that running executions may take to stop.
        :return: what was erased, without anything about the user.
        :raises TypeError: if *user_id* is no id.
        :raises ValueError: if the id cannot be stored.
        """
        return erase_user(self.app_state, user_id, dry_run=dry_run, wait=wait)

    @property
    def app_state(self) -> AppState:
        """The state of the current application.

        :raises RuntimeError: outside of an application context, or if the application belongs to
            another 'CrewExec'.
        """
        app_state = current_app_state()
        if app_state.registry is not self._registry:
            raise RuntimeError(
                "The current application was set up by another 'CrewExec'. Create only one, in a"
                " module that the application factory imports, and call 'init_app(app)' on it."
            )
        return app_state

    @property
    def models(self) -> Models:
        """The mapped classes, such as ``models.execution`` and ``models.graph``.

        :raises RuntimeError: outside of an application context, if no ``db`` was passed.
        """
        return self._models or self.app_state.models

    def _database_of(self, app: Flask) -> DatabaseExtension:
        """Return our ``db``, that of *app*, or a new one."""
        existing = t.cast("DatabaseExtension | None", app.extensions.get("sqlalchemy"))
        if self._db is None and existing is None:
            db = _new_database()
            db.init_app(app)
            return db
        if self._db is None or existing is None:
            return t.cast(DatabaseExtension, self._db or existing)
        if existing is not self._db:
            raise RuntimeError(
                "This application was set up with another 'db' than 'CrewExec'. Call 'init_app'"
                " on the 'db' that you pass to 'CrewExec(db=db)', or pass none."
            )
        return existing

    def _declare_models(self, db: DatabaseExtension) -> Models:
        metadata = self._metadata or _metadata_of(db, self._bind_key)
        return define_models(metadata, graph=self._graph_model, execution=self._execution_model)


def _new_database() -> DatabaseExtension:
    from flask_sqlalchemy import SQLAlchemy  # hosts that use another extension need not have it

    return SQLAlchemy()


def _metadata_of(db: DatabaseExtension, bind_key: str | None) -> sa.MetaData:
    model: t.Any = getattr(db, "Model", None)
    if model is None:
        raise RuntimeError(
            f"'{type(db).__module__.partition('.')[0]}' does not have the metadata of your models."
            " Pass it: 'CrewExec(db=db, metadata=Base.metadata)'."
        )
    if bind_key is not None:
        model = type("_Bound", (model,), {"__abstract__": True, "__bind_key__": bind_key})
    return t.cast(sa.MetaData, model.metadata)
