"""The commands for runs that are stuck print what the page shows."""

from __future__ import annotations

import json
import re
import shlex
import socket
import threading
import typing as t
from collections.abc import Callable
from collections.abc import Iterator

import pytest
from flask import Flask

from support.doc_examples import examples_of
from support.graphs import documents
from support.input_requests import reviewed
from support.paths import ROOT
from support.servers.processes import wait_until

pytestmark = pytest.mark.sqlite_enough

PAGE = ROOT / "docs/howto/stuck.rst"
PROMPT = "$ flask --app myapp "
CHANGING = {
    r"[0-9a-f]{8}-[0-9a-f-]{27}|[0-9a-f]{32}": "ID",
    r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\dZ": "TIME",
    r"\d+ s ago": "N s ago",
    re.escape(f"@{socket.gethostname()}"): "@vm",
    r"\s+": " ",
}


class Shown(t.NamedTuple):
    """A command of the page, and the lines below it, of which it may leave out some."""

    words: list[str]
    lines: list[str]


def shown() -> Iterator[list[Shown]]:
    """Yield the commands of each block, in order."""
    for example in examples_of(PAGE):
        commands: list[Shown] = []
        for line in example.text.splitlines():
            if line.startswith(PROMPT):
                commands.append(Shown(shlex.split(line.removeprefix(PROMPT)), []))
            elif not line.startswith("$ "):
                commands[-1].lines.append(line)
        if commands:
            yield commands


def plain(line: str) -> str:
    for pattern, replacement in CHANGING.items():
        line = re.sub(pattern, replacement, line)
    return line.strip()


def begins(printed: str, line: str) -> bool:
    beginning, cut, _ = plain(line).partition("…")
    return printed.startswith(beginning) if cut else printed == beginning


@pytest.fixture
def enter(app: Flask) -> Iterator[Callable[[str], None]]:
    """A function that runs the commands of the next block for an execution."""
    blocks = shown()

    def enter(id: str) -> None:
        for words, lines in next(blocks):
            given = [id if word == "$EXECUTION_ID" else word for word in words]
            output = app.test_cli_runner().invoke(args=given).output
            printed = (plain(line) for line in output.splitlines())
            for line in lines:
                assert any(begins(one, line) for one in printed), (line, output)

    yield enter
    assert not [*blocks]


def is_busy(app: Flask) -> bool:
    (worker,) = json.loads(
        app.test_cli_runner().invoke(args=["crewexec", "workers", "--json"]).output
    )
    return worker["busy"] == 1


@pytest.mark.settings(HEARTBEAT_INTERVAL=0.5)
def test_they_print_what_the_page_shows(app, api, enter, start_worker, model):
    stuck = threading.Event()
    model.on("Do write", hold=stuck)
    model.on("Do fail", status=503, reply="busy")
    id = api.queue(documents.chain("research", "write"))
    for _ in range(3):  # the installation; where it is; what waits
        enter(id)
    enter(id)  # reconcile
    start_worker(pool="threads", concurrency=1)
    model.wait_for_calls(2)
    wait_until(lambda: is_busy(app), what="a heartbeat that counts the run")
    for _ in range(2):  # what it does; its worker
        enter(id)
    enter(id)  # cancel
    stuck.set()
    assert api.status(id)["status"] == "cancelled"
    failing = api.queue(documents.chain("fail"))
    wait_until(lambda: api.status(failing)["status"] == "retrying", what="the retry")
    enter(failing)
    asking = api.queue(reviewed())
    wait_until(lambda: api.status(asking)["status"] == "waiting_input", what="the request")
    enter(asking)
