"""Engines, sessions and transactions on the host's database."""

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
from flask import Flask
from sqlalchemy.orm import scoped_session
from sqlalchemy.orm import Session

CHANGED_EXECUTIONS: t.Final = "crewexec_changed_executions"
"""Key of a session's ``info``: ids of the executions to which it has added events."""
LOCK_TIMEOUT_SECONDS: t.Final = 5
"""How long a statement waits for a row that another transaction has locked."""


class DatabaseExtension(t.Protocol):
    """What is used of ``db``: Flask-SQLAlchemy and Flask-SQLAlchemy-Lite both fit."""

    @property
    def engine(self) -> sa.Engine: ...

    @property
    def engines(self) -> Mapping[t.Any, sa.Engine]: ...

    def init_app(self, app: Flask) -> None: ...


@dataclasses.dataclass(frozen=True, kw_only=True)
class Database:
    """The database of one application that holds the tables of the extension."""

    extension: DatabaseExtension
    """The host's ``db``."""
    bind_key: str | None
    """Which of the host's databases it is; None for the default one."""
    idle_timeout: float
    """Seconds after which PostgreSQL ends a transaction whose process does nothing."""
    on_events_committed: Callable[[Iterable[uuid.UUID]], None]
    """Called after a commit with the ids of executions that have new events."""

    @property
    def engine(self) -> sa.Engine:
        """The engine of the tables, in the current application context."""
        if self.bind_key is None:
            return self.extension.engine
        return self.extension.engines[self.bind_key]

    @functools.cached_property
    def _autocommit_engine(self) -> sa.Engine:
        # SQLite begins no transaction to read, and would commit that of a shared connection.
        if self.engine.dialect.name == "postgresql":
            return self.engine.execution_options(isolation_level="AUTOCOMMIT")
        return self.engine

    @functools.cached_property
    def _set_timeouts(self) -> str:
        # Constants in the SQL: binding parameters would take longer than running the statement.
        timeouts = {
            "lock_timeout": LOCK_TIMEOUT_SECONDS,
            "idle_in_transaction_session_timeout": self.idle_timeout,
        }
        calls = (f"set_config('{name}', '{value:g}s', true)" for name, value in timeouts.items())
        return f"SELECT {', '.join(calls)}"

    def read_session(self) -> Session:
        """Return a new session for reading.

        It is not the host's ``db.session``, so pending changes of the host are neither committed
        nor rolled back. On PostgreSQL each statement runs without a transaction around it.
        """
        return _session(self._autocommit_engine)

    def autocommit_connection(self) -> sa.Connection:
        """Return a connection for single statements, which cost less than with a session.

        On PostgreSQL each statement is its own transaction.
        """
        return self._autocommit_engine.connect()

    @contextlib.contextmanager
    def write_transaction(self) -> Iterator[Session]:
        """Return a session for one transaction that writes.

        On PostgreSQL a statement does not wait long for a row that a frozen process has locked,
        and that process loses its lock no later than its lease.
        """
        with _session(self.engine) as session, session.begin():
            if session.get_bind().dialect.name == "postgresql":
                session.connection().exec_driver_sql(self._set_timeouts).close()
            yield session
        self.on_events_committed(session.info.get(CHANGED_EXECUTIONS, ()))

    def host_session(self) -> Session | None:
        """Return the host's own session of the current context, if it exists already."""
        session = getattr(self.extension, "session", None)
        if not isinstance(session, scoped_session):
            return session
        return session() if session.registry.has() else None

    def dispose(self) -> None:
        """Leave all open connections to the parent process, after a fork."""
        for engine in self.extension.engines.values():
            engine.dispose(close=False)


def _session(engine: sa.Engine) -> Session:
    return Session(engine, expire_on_commit=False, autoflush=False)
