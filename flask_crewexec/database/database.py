"""Engine, sessions and transactions of the host's database."""

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

from .connection_events import adapt_connections
from .connection_events import begin_autocommit

CHANGED_EXECUTIONS: t.Final = "crewexec_changed_executions"
"""Key in a session's ``info`` of the ids of executions to which it added events."""
NEW_DELIVERIES: t.Final = "crewexec_new_deliveries"
"""Key in a session's ``info`` of whether it added deliveries."""
LOCK_TIMEOUT_SECONDS: t.Final = 5
"""How long a statement waits for a row that another transaction has locked."""


class DatabaseExtension(t.Protocol):
    """The part of the host's ``db`` that is used.

    Flask-SQLAlchemy and Flask-SQLAlchemy-Lite both provide it.
    """

    @property
    def engine(self) -> sa.Engine: ...

    @property
    def engines(self) -> Mapping[t.Any, sa.Engine]: ...

    def init_app(self, app: Flask) -> None: ...


@dataclasses.dataclass(frozen=True, kw_only=True)
class Database:
    """The database in which one application keeps the tables of the extension."""

    extension: DatabaseExtension
    """The host's ``db``."""
    bind_key: str | None
    """Bind key of the engine; None for the default engine."""
    idle_timeout: float
    """Seconds after which PostgreSQL aborts an idle transaction, for instance of a hung process."""
    on_events_committed: Callable[[Iterable[uuid.UUID]], None]
    """Called after a commit, with the ids of executions that have new events."""
    on_deliveries_committed: Callable[[], None]
    """Called after a commit of new deliveries."""

    @functools.cached_property
    def engine(self) -> sa.Engine:
        """Engine of the tables. Needs an application context."""
        if self.bind_key is None:
            engine = self.extension.engine
        else:
            engine = self.extension.engines[self.bind_key]
        adapt_connections(engine)
        return engine

    @functools.cached_property
    def _autocommit_engine(self) -> sa.Engine:
        options = {"isolation_level": "AUTOCOMMIT"} if self._is_postgresql else {}
        return self.engine.execution_options(**options)

    @functools.cached_property
    def _is_postgresql(self) -> bool:
        # On SQLite reads begin no transaction anyway, and autocommit would commit the open
        # transaction of a shared connection.
        return self.engine.dialect.name == "postgresql"

    @functools.cached_property
    def _set_timeouts(self) -> str:
        # Constants in the SQL, because binding parameters would take longer than the statement.
        timeouts = {
            "lock_timeout": LOCK_TIMEOUT_SECONDS,
            "idle_in_transaction_session_timeout": self.idle_timeout,
        }
        calls = (f"set_config('{name}', '{value:g}s', true)" for name, value in timeouts.items())
        return f"SELECT {', '.join(calls)}"

    def read_session(self) -> Session:
        """Return a new session for reading.

        It is separate from the host's ``db.session``, whose pending changes are neither committed
        nor rolled back. On PostgreSQL each statement runs in autocommit mode.
        """
        return _session(self._autocommit_engine)

    def autocommit_connection(self) -> sa.Connection:
        """Return a connection for single statements, which is cheaper than a session.

        On PostgreSQL each statement is its own transaction.
        """
        connection = self.engine.connect()
        if self._is_postgresql:
            begin_autocommit(connection)
        return connection

    @contextlib.contextmanager
    def write_transaction(self) -> Iterator[Session]:
        """Return a session for one write transaction, which is committed at the end of the block.

        On PostgreSQL, timeouts keep a hung process from blocking others: statements give up
        waiting for a locked row, and an idle transaction ends no later than its lease expires.
        """
        with _session(self.engine) as session, session.begin():
            if session.get_bind().dialect.name == "postgresql":
                session.connection().exec_driver_sql(self._set_timeouts).close()
            yield session
        self.on_events_committed(session.info.get(CHANGED_EXECUTIONS, ()))
        if session.info.get(NEW_DELIVERIES):
            self.on_deliveries_committed()

    def host_session(self) -> Session | None:
        """Return the host's own session of the current context, if it was created."""
        session = getattr(self.extension, "session", None)
        if not isinstance(session, scoped_session):
            return session
        return session() if session.registry.has() else None

    def dispose(self) -> None:
        """Discard connections inherited in a fork without closing them: the parent uses them."""
        for engine in self.extension.engines.values():
            engine.dispose(close=False)


def _session(engine: sa.Engine) -> Session:
    return Session(engine, expire_on_commit=False, autoflush=False)
