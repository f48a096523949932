"""The tutorial works: its files, its commands, a run that is watched, and one that is cancelled."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import typing as t
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from flask_crewexec.testing import ScriptedModel
from support.doc_examples import write_files
from support.paths import ROOT
from support.servers.processes import free_port
from support.servers.processes import ServerProcess

PORT = "127.0.0.1:5000"


class Web(ServerProcess):
    """What ``flask --app crewdesk run`` starts."""

    def __init__(self, folder: Path, environment: dict[str, str], address: str) -> None:
        self.url = f"http://{address}"
        command = [sys.executable, "-m", "flask", "--app", "crewdesk", "run"]
        command += ["--port", address.rpartition(":")[2]]
        super().__init__(command, log=folder / "web.log", cwd=folder, environment=environment)

    def is_ready(self) -> bool:
        try:
            return httpx.get(f"{self.url}/crewexec/health/live", trust_env=False).is_success
        except httpx.TransportError:
            return False


class Worker(ServerProcess):
    """What ``flask --app crewdesk crewexec worker`` starts."""

    start_seconds = 60.0
    stop_seconds = 20.0

    def __init__(self, folder: Path, environment: dict[str, str]) -> None:
        command = [sys.executable, "-m", "flask", "--app", "crewdesk", "crewexec", "worker"]
        command += ["--beat", "--loglevel=info", "--concurrency=1"]
        super().__init__(command, log=folder / "worker.log", cwd=folder, environment=environment)

    def is_ready(self) -> bool:
        return " ready." in self.log_text()


class Desk(t.NamedTuple):
    """The reader's folder, with everything running."""

    folder: Path
    environment: dict[str, str]
    url: str

    def python(self, script: str) -> list[str]:
        """Run a script and return the lines that it prints."""
        return self._run(script)

    def flask(self, *arguments: str) -> list[str]:
        return self._run("-m", "flask", "--app", "crewdesk", *arguments)

    def _run(self, *arguments: str) -> list[str]:
        done = subprocess.run(
            [sys.executable, *arguments],
            cwd=self.folder,
            env=self.environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout.splitlines()


@pytest.fixture
def desk(tmp_path: Path, broker_url: str, model: ScriptedModel) -> Iterator[Desk]:
    write_files(ROOT / "docs/tutorial.rst", tmp_path)
    address = f"127.0.0.1:{free_port()}"
    client = tmp_path / "run_crew.py"
    assert PORT in client.read_text()
    client.write_text(client.read_text().replace(PORT, address))
    environment = {
        **{name: value for name, value in os.environ.items() if "proxy" not in name.lower()},
        "CELERY_BROKER_URL": broker_url,
        "CELERY_RESULT_BACKEND": broker_url,
        "OPENAI_API_KEY": model.key,
        "OPENAI_BASE_URL": model.base_url,
        "PYTHONPATH": str(ROOT),
        "PYTHONUNBUFFERED": "1",
    }
    web = Web(tmp_path, environment, address)
    with web, Worker(tmp_path, environment):
        yield Desk(tmp_path, environment, web.url)


def test_everything_that_the_reader_does(desk: Desk, model: ScriptedModel) -> None:
    model.on("List three facts about tea", tool=("find_note", {"topic": "Tea"}), after_tool=False)
    model.on("Write a short page", "# Tea")
    printed = desk.python("run_crew.py")
    assert printed[:3] == ["queued", "started", "step_started"]
    assert printed[-4:-2] == ["completed", "end"]
    assert printed[-2].startswith("completed {")
    assert printed[-1] == "# Tea"
    assert any("Darjeeling" in str(call.body) for call in model.calls)

    answer = threading.Event()
    model.on("the history of the world", hold=answer)
    printed = desk.python("cancel_crew.py")
    answer.set()
    assert printed[-3:] == ["cancelled", "end", "cancelled It takes too long."]

    listed = "\n".join(desk.flask("crewexec", "list", "--limit", "5"))
    assert "completed" in listed
    assert "cancelled" in listed
    assert "Page about a topic" in page_of(desk, "token-of-ada")
    assert "Page about a topic" not in page_of(desk, "token-of-bob")


def page_of(desk: Desk, token: str) -> str:
    """Sign in, and return the first page of the dashboard."""
    with httpx.Client(base_url=desk.url, follow_redirects=True, trust_env=False) as browser:
        return browser.post("/sign-in", data={"token": token}).raise_for_status().text
