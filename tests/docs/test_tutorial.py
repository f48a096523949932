"""The tutorial works in an empty folder and environment: each command, file and page."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
import typing as t
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
import uv

from support.doc_examples import examples_of
from support.doc_examples import write_files
from support.paths import ROOT
from support.servers.processes import free_port
from support.servers.processes import ServerProcess
from support.servers.processes import wait_until

pytestmark = [pytest.mark.sqlite_enough, pytest.mark.timeout(900)]

PAGE: t.Final = ROOT / "docs/tutorial.rst"
WEB: t.Final = "127.0.0.1:5000"
MODEL: t.Final = "8088"
SERVERS: t.Final = {
    "flask --app shop crewexec broker": "The broker runs",
    "python scripted.py": "The model listens",
    # The first task of beat.
    "flask --app shop crewexec worker --beat --loglevel=info": " succeeded in ",
    "flask --app shop run": "Running on",
}
"""Commands that go on until the reader stops them, with what they print when they are ready."""


class Terminal(ServerProcess):
    """A terminal of the reader in which a server runs."""

    start_seconds = 120.0
    stop_seconds = 30.0

    def __init__(self, command: str, folder: Path, environment: dict[str, str]) -> None:
        self._ready = SERVERS[command]
        name = re.sub(r"\W+", "-", command)
        # A standard input that stays open, for what waits for Enter.
        shell = ["bash", "-c", f"exec {command} < <(exec sleep infinity)"]
        super().__init__(
            shell, log=folder.parent / f"{name}.log", cwd=folder, environment=environment
        )

    def is_ready(self) -> bool:
        return self._ready in self.log_text()


class Reader:
    """Somebody who enters the commands of the page, in its order."""

    def __init__(self, home: Path) -> None:
        self.folder = home / "shop"
        self.web = f"127.0.0.1:{free_port()}"
        self._commands = [*_commands()]
        self._environment = {
            **{name: value for name, value in os.environ.items() if name not in _OURS},
            "FLASK_CREWEXEC_BROKER_PORT": str(free_port()),
            "FLASK_RUN_PORT": self.web.rpartition(":")[2],
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
            "PYTHONUNBUFFERED": "1",
            "UV_CONSTRAINT": str(ROOT / "constraints/locked.txt"),
        }

    def enter(self, *beginnings: str) -> str:
        """Enter the next commands, which begin so, and return what the last one prints."""
        printed = ""
        for beginning in beginnings:
            printed = self._run(self._next(beginning))
        return printed

    def start(self, beginning: str) -> Terminal:
        """Enter the next command, which starts a server."""
        return Terminal(self._next(beginning), self.folder, self._environment)

    def has_finished(self) -> bool:
        """Return whether there is no further command."""
        return not self._commands

    def activate(self) -> None:
        """Be in the folder and its virtual environment from now on; the next terminals are, too."""
        self._environment["VIRTUAL_ENV"] = str(self.folder / ".venv")
        self._environment["PATH"] = f"{self.folder}/.venv/bin:{self._environment['PATH']}"

    def _next(self, beginning: str) -> str:
        command = self._commands.pop(0)
        assert command.startswith(beginning)
        return command.replace(WEB, self.web)

    def _run(self, command: str) -> str:
        # uv installs the same, as locked for the tests, and in seconds.
        command = re.sub(r"^pip install", f"{uv.find_uv_bin()} pip install --quiet", command)
        folder = self.folder if self.folder.exists() else self.folder.parent
        done = subprocess.run(
            ["bash", "-e", "-c", command],
            cwd=folder,
            env=self._environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=600,
        )
        assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
        return done.stdout


_OURS: t.Final = {"CELERY_BROKER_URL", "CELERY_RESULT_BACKEND", "PYTHONPATH", "PYTHONHOME"}
"""Variables of the tests that the reader does not have."""


def _commands() -> Iterator[str]:
    for example in examples_of(PAGE):
        if example.language == "console":
            text = example.text.replace("\\\n", " ")
            yield from re.findall(r"^\$ (.*)$", text, re.MULTILINE)


def printed_after(command: str) -> str:
    """Return what the page says that a command prints."""
    (block,) = (each.text for each in examples_of(PAGE) if each.text.startswith(f"$ {command}\n"))
    return block.partition("\n")[2]


@pytest.fixture
def home() -> Iterator[Path]:
    """A folder outside of this repository, whose settings pytest would find."""
    with tempfile.TemporaryDirectory(prefix="crewexec-reader-") as home:
        yield Path(home)


@pytest.fixture
def reader(home: Path) -> Reader:
    """A reader who has followed the page up to the files, next to a clone of the repository."""
    clone = home / "flask-crewexec"
    clone.mkdir()
    for name in ("README.rst", "LICENSE.txt", "pyproject.toml", "setup.cfg"):
        shutil.copy(ROOT / name, clone)
    shutil.copytree(ROOT / "flask_crewexec", clone / "flask_crewexec")
    reader = Reader(home)
    reader.enter("mkdir shop", "python3 -m venv")
    reader.activate()
    reader.enter("pip install")
    write_files(PAGE, reader.folder)
    model_port = str(free_port())
    for name in (".env", "scripted.py", "retry.py", "approve.py"):
        file = reader.folder / name
        text = file.read_text()
        assert MODEL in text or WEB in text
        text = text.replace(WEB, reader.web).replace(MODEL, model_port)
        file.write_text(text.replace(", delay=2", ""))  # nobody watches
    return reader


@contextlib.contextmanager
def sign_in(reader: Reader, token: str) -> Iterator[httpx.Client]:
    """Yield a browser in which somebody has signed in."""
    address = f"http://{reader.web}"
    with httpx.Client(base_url=address, follow_redirects=True, trust_env=False) as browser:
        page = browser.post("/sign-in", data={"token": token}).raise_for_status()
        assert page.url.path.startswith("/crewexec-dashboard/")
        yield browser


def ask(browser: httpx.Client, **entered: str) -> str:
    """Send the form of the shop as it is, but for *entered*; return the execution's address."""
    fields = re.findall(r'name="(\w+)"[^>]* value="([^"]*)"', browser.get("/").text)
    page = browser.post("/", data={**dict(fields), **entered}).raise_for_status()
    return page.url.path


def approve(browser: httpx.Client) -> str:
    """Press the button of the only request in the inbox; return what the request has said."""
    inbox = browser.get("/crewexec-dashboard/input-requests").text
    (path,) = set(re.findall(r'href="(/crewexec-dashboard/input-requests/[\w-]+)"', inbox))
    request = browser.get(path).text
    assert f'action="{path}/answer"' in request
    browser.post(f"{path}/answer", data={"decision": "approve"}).raise_for_status()
    return request


def make_mistakes(reader: Reader, ada: httpx.Client) -> None:
    """Enter what the application refuses."""
    with httpx.Client(base_url=f"http://{reader.web}", trust_env=False) as stranger:
        assert stranger.get("/").headers["location"] == "/sign-in"
        assert "Nobody has this token." in stranger.post("/sign-in", data={"token": "x"}).text
        assert 'role="alert"' not in stranger.get("/sign-in").text
    for entered in ({"calls": "0"}, {"order": "seven"}, {"complaint": "<b>" * 400}):
        page = ada.post("/", data={"order": "7", "complaint": "", "calls": "20", **entered})
        assert page.status_code == 422
        assert '<p role="alert">' in page.text
        assert "<b>" not in page.text


def settle_complaints(reader: Reader, ada: httpx.Client, bob: httpx.Client) -> None:
    """Do what the page tells, with everything running."""
    first = ask(ada)
    wait_until(lambda: "waiting for people" in ada.get(first).text)
    assert bob.get(first).status_code == 404
    assert "Is the amount right?" in approve(bob)
    wait_until(lambda: "You get <strong>20 euros</strong> back." in ada.get(first).text)

    second = ask(ada, order="8", calls="2")
    wait_until(lambda: "budget-exhausted" in ada.get(second).text)
    assert reader.enter("python retry.py") == printed_after("python retry.py")
    assert '"tool":"refund"' in reader.enter("curl -s")
    assert reader.enter("python approve.py") == printed_after("python approve.py")
    wait_until(lambda: "You get <strong>35 euros</strong> back." in ada.get(second).text)
    assert reader.enter("flask --app shop crewexec list").count("completed") == 2


def test_everything_that_the_reader_does(reader: Reader) -> None:
    assert reader.enter("flask --app shop init") == "The shop has two orders.\n"
    reader.enter(". .venv/bin/activate")
    with (
        reader.start("flask --app shop crewexec broker"),
        reader.start("python scripted.py"),
        reader.start("flask --app shop crewexec worker"),
        reader.start("flask --app shop run"),
    ):
        reader.enter("flask --app shop crewexec check")
        with sign_in(reader, "token-of-ada") as ada, sign_in(reader, "token-of-bob") as bob:
            settle_complaints(reader, ada, bob)
            make_mistakes(reader, ada)
    reader.enter("pip install pytest")
    assert "1 passed" in reader.enter("pytest")
    assert reader.has_finished()
