"""The sample's commands ``up`` and ``demo``, as a newcomer runs them."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import threading
import typing as t
import uuid
from collections.abc import Callable
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil

from flask_crewexec.testing import Rule
from flask_crewexec.testing import ScriptedModel
from support.paths import ROOT
from support.servers.processes import wait_until

MARK: t.Final = "SAMPLE_APP_TEST_MARK"
SECONDS: t.Final = 60.0
WORD_SECONDS: t.Final = 0.06
"""Longer than a worker gathers words before it publishes them."""
OF_THE_USER: t.Final = {"OPENAI_API_KEY", "OPENAI_BASE_URL", "MODEL_NAME", "DATABASE_URL"}


class SampleCommand(t.NamedTuple):
    """A command that was started; everything that it starts carries its mark."""

    process: subprocess.Popen[bytes]
    mark: str
    output: Path

    def text(self) -> str:
        return self.output.read_text()

    def wait_for(self, text: str) -> None:
        """Wait until the command has printed a text."""
        wait_until(
            lambda: text in self.text() or self.process.poll() is not None, seconds=120, what=text
        )
        assert text in self.text(), self.text()

    def link(self) -> str:
        """Return the link for the browser that it has printed."""
        return t.cast(re.Match[str], re.search(r"http\S+token=\S+", self.text()))[0]

    def end(self, seconds: float = 60) -> int:
        return self.process.wait(seconds)

    def left_behind(self) -> list[psutil.Process]:
        return [process for process in psutil.process_iter() if self._is_ours(process)]

    def _is_ours(self, process: psutil.Process) -> bool:
        try:
            alive = process.status() != psutil.STATUS_ZOMBIE
            return alive and process.environ().get(MARK) == self.mark
        except psutil.Error:
            return False


class Gate:
    """Lets an answer of the model begin, and end, when the test says so."""

    def __init__(self) -> None:
        self.begin = threading.Event()
        self.end = threading.Event()

    def rule(self, when: str, reply: str, words: int, *, after_tool: bool | None) -> Rule:
        """Return a rule that waits before the first word, and again after some."""

        def begun(body: t.Any) -> str:
            self.begin.wait(SECONDS)
            return reply

        return Rule(
            when=when,
            after_tool=after_tool,
            reply=begun,
            hold=self.end,
            hold_after=words,
            chunk_delay=WORD_SECONDS,
        )

    def open(self) -> None:
        """Let the answer come as a whole."""
        self.begin.set()
        self.end.set()


class Sample(t.NamedTuple):
    """The sample as ``up`` has started it, with the answers of its script."""

    link: str
    """What it has printed for the browser."""
    model: ScriptedModel
    """The model of the sample, whose journal the test can read."""
    gates: dict[str, Gate]
    """Gates of the answers that a test wants to see arrive, by the names of their files."""


@contextmanager
def sample_commands(folder: Path) -> Iterator[Callable[..., SampleCommand]]:
    """A function that starts a command, with options, and variables for its environment."""
    commands = []

    def start(name: str, *options: str, **variables: str) -> SampleCommand:
        mark, output = uuid.uuid4().hex, folder / "output"
        inherited = {key: value for key, value in os.environ.items() if key not in OF_THE_USER}
        # A developer's .env must not decide which model the test pays for.
        environment = {**inherited, **variables, MARK: mark, "FLASK_SKIP_DOTENV": "1"}
        command = [sys.executable, "-m", "flask", "--app", "sample_app", name]
        with output.open("wb") as file:
            process = subprocess.Popen(
                [*command, "--home", str(folder / "home"), *options],
                cwd=ROOT,
                env=environment,
                stdout=file,
                stderr=subprocess.STDOUT,
            )
        commands.append(SampleCommand(process, mark, output))
        return commands[-1]

    try:
        yield start
    finally:
        for command in commands:
            for process in command.left_behind():
                process.kill()
            command.end()
