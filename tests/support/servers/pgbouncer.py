"""PgBouncer in transaction mode, in front of a PostgreSQL server."""

from __future__ import annotations

import contextlib
import tempfile
import typing as t
from collections.abc import Iterator
from pathlib import Path

import psycopg
import sqlalchemy as sa

from support.servers.debian_packages import program_path
from support.servers.postgres import PostgresProcess
from support.servers.postgres import unprivileged_user
from support.servers.processes import free_port
from support.servers.processes import ServerProcess

PGBOUNCER: t.Final = {"pgbouncer": "pgbouncer"}
"""Debian's package and its program."""
_SETTINGS: t.Final = """\
[databases]
* = host={host} user=postgres

[pgbouncer]
listen_addr =
listen_port = {port}
unix_socket_dir = {folder}
auth_type = any
pool_mode = transaction
default_pool_size = {connections}
query_wait_timeout = 20
"""


class PgBouncerProcess(ServerProcess):
    """Listens on a socket in its folder only.

    :param connections: how many connections to a database all clients share.
    """

    def __init__(self, postgres: PostgresProcess, folder: Path, *, connections: int) -> None:
        self._folder = folder
        self._port = free_port()
        settings = folder / "pgbouncer.ini"
        settings.write_text(
            _SETTINGS.format(
                host=postgres.data, port=self._port, folder=folder, connections=connections
            )
        )
        program = program_path("pgbouncer")
        assert program is not None
        super().__init__(
            [program, str(settings)],
            log=folder / "pgbouncer.log",
            cwd=folder,
            user=unprivileged_user(),
        )

    def url_of(self, database_url: str) -> str:
        """Return the URL of a database of the server, as PgBouncer offers it."""
        query = {"host": str(self._folder), "port": str(self._port)}
        url = sa.make_url(database_url).set(query=query)
        return url.render_as_string(hide_password=False)

    def is_ready(self) -> bool:
        try:
            psycopg.connect(
                host=str(self._folder), port=self._port, user="postgres", dbname="postgres"
            ).close()
        except psycopg.OperationalError:
            return False
        return True


@contextlib.contextmanager
def pgbouncer_server(postgres: PostgresProcess, *, connections: int) -> Iterator[PgBouncerProcess]:
    """A PgBouncer with a folder of its own, which goes away with it."""
    with tempfile.TemporaryDirectory(prefix="crewexec-pgbouncer-") as name:
        folder = Path(name)
        folder.chmod(0o777)  # for the socket of an unprivileged user
        with PgBouncerProcess(postgres, folder, connections=connections) as server:
            yield server
