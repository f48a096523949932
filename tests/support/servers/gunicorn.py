"""A real web server for the host."""

from __future__ import annotations

import os
import sys
import urllib.request
from collections.abc import Mapping
from pathlib import Path

from support.paths import ROOT
from support.servers.forked_processes import ForkServer
from support.servers.processes import free_port
from support.servers.processes import ServerProcess


class Gunicorn(ServerProcess):
    """One web process.

    :param folder: where its log goes.
    :param environment: what is added to the environment of the tests.
    :param options: such as ``--worker-class=gevent``.
    :param fork_server: what is to start it; not with gevent, which has to come before all modules.
    """

    stop_seconds = 5.0

    def __init__(
        self,
        folder: Path,
        environment: Mapping[str, str],
        *options: str,
        app: str = "support.host_app.web:app",
        fork_server: ForkServer | None = None,
    ) -> None:
        self.url = f"http://127.0.0.1:{free_port()}"
        command = [sys.executable, "-m", "gunicorn", f"--bind={self.url.partition('//')[2]}"]
        command += ["--graceful-timeout=1", *options, app]
        super().__init__(
            command,
            log=folder / "gunicorn.log",
            cwd=ROOT,
            environment={**os.environ, "PYTHONUNBUFFERED": "1", **environment},
            fork_server=fork_server,
        )

    def is_ready(self) -> bool:
        try:
            with urllib.request.urlopen(f"{self.url}/crewexec/health/live", timeout=1):
                return True
        except OSError:
            return False
