"""What :class:`flask_crewexec.CrewExec` knows of one application, for all the other rooms."""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import typing as t
import uuid
from collections.abc import Callable
from collections.abc import Iterable
from collections.abc import Iterator
from collections.abc import Mapping

import sqlalchemy as sa
from celery import Celery
from flask import current_app
from flask import Flask
from sqlalchemy.orm import scoped_session
from sqlalchemy.orm import Session

from .config.settings import Settings
from .identity import IdentityLoader
from .models import Models
from .registry.registry import Registry
from .registry.secrets import SecretProvider


class DatabaseExtension(t.Protocol):
    """What is used of ``db``: Flask-SQLAlchemy and Flask-SQLAlchemy-Lite both fit."""

    @property
    def engine(self) -> sa.Engine: ...

    @property
    def engines(self) -> Mapping[t.Any, sa.Engine]: ...

    def init_app(self, app: Flask) -> None: ...


@dataclasses.dataclass(frozen=True, kw_only=True)
class AppState:
    """One application's settings, database, queue and registered names."""

    settings: Settings
    models: Models
    database: DatabaseExtension
    bind_key: str | None
    celery: Celery
    registry: Registry
    """Shared by all applications of one :class:`~flask_crewexec.CrewExec`."""
    tell_listeners: Callable[[Iterable[uuid.UUID]], None]
    """Called after a commit with the ids of executions that have new events."""
    identity_loaders: list[IdentityLoader]
    """At most one; a list because it may be registered after the application."""
    secret_providers: list[SecretProvider] = dataclasses.field(default_factory=list)
    """At most one, for the same reason."""

    @property
    def engine(self) -> sa.Engine:
        """The engine that holds our tables, in the current application context."""
        if self.bind_key is None:
            return self.database.engine
        return self.database.engines[self.bind_key]

    @functools.cached_property
    def _engine_at_once(self) -> sa.Engine:
        # SQLite begins no transaction to read, and would commit that of a shared connection.
        if self.engine.dialect.name == "postgresql":
            return self.engine.execution_options(isolation_level="AUTOCOMMIT")
        return self.engine

    @functools.cached_property
    def _bounds(self) -> str:
        # The text as it is: to make it of parameters takes longer than to run it.
        bounds = {
            "lock_timeout": LOCK_TIMEOUT_SECONDS,
            "idle_in_transaction_session_timeout": self.settings.lease,
        }
        calls = (f"set_config('{name}', '{value:g}s', true)" for name, value in bounds.items())
        return f"SELECT {', '.join(calls)}"

    def session(self) -> Session:
        """Return a new session of our own.

        It is not the host's ``db.session``: what the host has pending there is neither
        committed nor rolled back by us. It is for reading: on PostgreSQL each statement is on its
        own, without a transaction around it.
        """
        return _session(self._engine_at_once)

    def connection(self) -> sa.Connection:
        """Return a connection with which single statements cost less than with a session.

        On PostgreSQL each of them is on its own, without a transaction around it.
        """
        return self._engine_at_once.connect()

    @contextlib.contextmanager
    def transaction(self) -> Iterator[Session]:
        """Return a session for one transaction that writes.

        On PostgreSQL nobody waits for long for a row that a frozen process has locked, and such a
        process loses its lock when it would have lost its lease.
        """
        with _session(self.engine) as session, session.begin():
            if session.get_bind().dialect.name == "postgresql":
                session.connection().exec_driver_sql(self._bounds).close()
            yield session
        self.tell_listeners(session.info.get(CHANGED_EXECUTIONS, ()))

    def host_session(self) -> Session | None:
        """Return the host's own session of the current context, if there is one by now."""
        session = getattr(self.database, "session", None)
        if not isinstance(session, scoped_session):
            return session
        return session() if session.registry.has() else None


def _session(engine: sa.Engine) -> Session:
    return Session(engine, expire_on_commit=False, autoflush=False)


CHANGED_EXECUTIONS: t.Final = "crewexec_eventful"
"""Key of a session's ``info``: ids of the executions to which it has added events."""
LOCK_TIMEOUT_SECONDS: t.Final = 5
"""How long a statement waits for a row that another transaction has locked."""


def current_app_state() -> AppState:
    """Return the binding of the current application.

    :raises RuntimeError: outside of an application context, or without the extension.
    """
    binding = current_app.extensions.get("crewexec")
    if binding is None:
        raise RuntimeError(
            "This application has no 'CrewExec'. Call 'CrewExec(app, db=db)', or 'init_app(app)'"
            " in your application factory."
        )
    return t.cast(AppState, binding)
