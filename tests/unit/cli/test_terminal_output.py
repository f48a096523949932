"""What is printed on a terminal, and who is asked for it."""

from __future__ import annotations

import dataclasses
import datetime as dt
import io
import subprocess
import sys
import threading
import uuid

import pytest
import sqlalchemy as sa
from rich.console import Console
from rich.text import Text

from flask_crewexec.cli.escaping import escape
from flask_crewexec.cli.escaping import one_line
from flask_crewexec.cli.formatting import call_lines
from flask_crewexec.cli.formatting import span
from flask_crewexec.cli.monitor_snapshot import QueueSnapshot
from flask_crewexec.cli.monitor_view import MonitorFrame
from flask_crewexec.cli.monitor_view import page
from flask_crewexec.cli.polling import PolledSource
from flask_crewexec.cli.polling import SourceError
from flask_crewexec.errors import BrokerUnavailable
from flask_crewexec.models import define_models
from flask_crewexec.services.readiness import Check
from flask_crewexec.services.readiness import OK
from flask_crewexec.storage.queue_stats import OpenInputs
from flask_crewexec.storage.workers import SeenWorker

NOW = dt.datetime(2030, 1, 1, tzinfo=dt.UTC)
WORKING = {"broker": OK, "database": OK, "queue": OK}
MODELS = define_models(sa.MetaData())


CALL = {
    "number": 3,
    "kind": "model",
    "name": "m\x1b[2J",
    "status": "done",
    "error": None,
    "started_at": "2030-01-01T00:00:00+00:00",
    "usage": {"total_tokens": 7},
    "altered": False,
    "cut": False,
    "request": None,
    "answer": None,
}


class TestCalls:
    def test_a_line_tells_what_is_unusual(self):
        (line,) = call_lines([CALL])
        assert line == r"   3  2030-01-01 00:00:00Z  model  m\x1b[2J done  7 tokens"
        failed = {**CALL, "status": "failed", "error": {"code": "timeout"}, "cut": True}
        (line,) = call_lines([failed])
        assert line.endswith("failed (timeout)  7 tokens  cut")

    def test_contents_are_escaped_on_one_line_of_bounded_length(self):
        answer = {"value": "\x1b[2J\n" + "long " * 1000}
        _, line = call_lines([{**CALL, "answer": answer}])
        assert line.startswith("    answer: ")
        assert "\x1b" not in line
        assert len(line) < 600


class TestHarmless:
    @pytest.mark.parametrize("number", [*range(9), *range(0x0B, 0x20), *range(0x7F, 0xA0)])
    def test_control_characters_are_shown(self, number):
        for clean in (escape, one_line):
            shown = clean(f"a{chr(number)}b")
            assert shown.isprintable()
            assert shown in ("a b", f"a\\x{number:02x}b", "a\\rb")

    @pytest.mark.parametrize("character", ["\u061c", "\u200f", "\u202e", "\u2066", "\ud83d"])
    def test_characters_that_turn_lines_around_or_are_halves(self, character):
        assert escape(character) == f"\\u{ord(character):04x}"

    def test_other_text_is_left_alone(self):
        text = "Zażółć 漢字 👩\u200d🚀\tand\nmore"
        assert escape(text) == text
        assert one_line(text) == "Zażółć 漢字 👩\u200d🚀 and more"

    def test_windows_lines(self):
        assert escape("a\r\nb\rc") == "a\nb\\rc"

    @pytest.mark.parametrize("line_break", "\n\r\x0b\x0c\x1c\x85\u2028\u2029")
    def test_one_line_is_one_line(self, line_break):
        assert one_line(f"a{line_break}b") == "a b"


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(-3, "0 s"), (0.9, "0 s"), (59.9, "59 s"), (60, "1 min"), (7199, "1 h"), (172_800, "2 d")],
)
def test_spans(seconds, text):
    assert span(seconds) == text


class TestSource:
    def test_a_late_answer_is_the_next_ones(self):
        gate, asked = threading.Event(), []

        def ask():
            asked.append(True)
            gate.wait(60)
            return len(asked)

        source = PolledSource("The oracle", ask)
        assert [source.poll(0.01), source.poll(0.01)] == [
            "The oracle has not answered yet.",
            "The oracle has not answered yet.",
        ]
        gate.set()
        assert source.poll(60) == 1
        assert source.poll(60) == 2

    @pytest.mark.parametrize(
        ("error", "said"),
        [
            (BrokerUnavailable("It is away."), "It is away."),
            (
                sa.exc.OperationalError("SELECT 'secret'", {}, Exception("gone\x1b\nhint")),
                "The database did not answer: gone\\x1b",
            ),
            (sa.exc.TimeoutError("no room"), "The database did not answer: no room"),
        ],
    )
    def test_trouble_is_an_answer_and_does_not_last(self, error, said):
        answers = iter([error, 5])

        def ask():
            answer = next(answers)
            if isinstance(answer, Exception):
                raise answer
            return answer

        source = PolledSource("The oracle", ask)
        assert source.poll(60) == SourceError(said)
        assert source.poll(60) == 5

    @pytest.mark.parametrize("error", [ZeroDivisionError, TimeoutError])
    def test_mistakes_of_ours_are_not_hidden(self, error):
        def ask():
            raise error

        with pytest.raises(error):
            PolledSource("The oracle", ask).poll(60)


def execution(**columns):
    defaults = {"id": uuid.uuid4(), "owner_id": "ada", "status": "running", "started_at": NOW}
    counts = dict.fromkeys(
        (
            "total_steps",
            "finished_steps",
            "llm_calls",
            "prompt_tokens",
            "completion_tokens",
            "waited_seconds",
        ),
        0,
    )
    return MODELS.execution(**{**defaults, **counts, **columns})


def worker(name, silent):
    return SeenWorker(MODELS.worker(name=name, pool="prefork", concurrency=4, queues=["q"]), silent)


def look(**parts):
    held = dict.fromkeys(range(1, 11), 0)
    nothing = {"counts": {}, "inputs": OpenInputs(0, 0.0), "on_hold": held}
    parts = {**nothing, "workers": [], "running": [], "ended": [], **parts}
    return MonitorFrame(
        at=NOW,
        stale_after=60.0,
        depths=SourceError("away"),
        snapshot=QueueSnapshot(**parts),
        checks=WORKING,
    )


def printed(renderable, **options):
    file = io.StringIO()
    Console(file=file, **{"width": 100, **options}).print(renderable)
    return file.getvalue()


class TestPage:
    def test_silent_workers_stand_out(self):
        workers = [
            worker("alive", 59.0),
            worker("silent", 61.0),
            worker("new", 0.0),
        ]
        shown = printed(page(look(workers=workers)), force_terminal=True, color_system="standard")
        (red,) = [line for line in shown.splitlines() if "\x1b[1;31m" in line and "ago" in line]
        assert "silent" in red
        assert "1 min ago" in red
        assert "0 s ago" in Text.from_ansi(shown).plain

    def test_says_how_long_people_have_been_asked(self):
        week = 7 * 24 * 3600.0
        asked = look(counts={"waiting_input": 2}, inputs=OpenInputs(3, week))
        assert "2 waiting_input   input requests: 3 open, oldest 7 d" in printed(page(asked))
        assert "input requests" not in printed(page(look()))

    def test_says_how_many_run_that_are_not_shown(self):
        running = [execution() for _ in range(3)]
        shown = printed(page(look(running=running, counts={"running": 7, "queued": 2})))
        assert "2 queued   7 running" in shown
        assert "Running (7)" in shown

    @pytest.mark.parametrize("height", [24, 40])
    def test_uses_the_height_of_the_terminal(self, height):
        workers = [worker(f"w{number}", 0.0) for number in range(30)]
        running = [execution() for _ in range(30)]
        ended = [execution(status="failed", finished_at=NOW) for _ in range(30)]
        depths = {queue: dict.fromkeys(range(1, 11), 0) for queue in ("a", "b")}
        full = look(workers=workers, running=running, ended=ended)
        full = dataclasses.replace(full, depths=depths)
        assert len(printed(page(full, height)).splitlines()) == height

    def test_problems_take_their_lines_from_the_tables(self):
        problem = Check("full", "The broker is full.", "Empty it. " * 8)
        ended = [execution(status="failed", finished_at=NOW) for _ in range(30)]
        depths = {"a": dict.fromkeys(range(1, 11), 0)}
        shown = dataclasses.replace(
            look(ended=ended), depths=depths, checks={**WORKING, "broker": problem}
        )
        lines = printed(page(shown, 24)).splitlines()
        assert "The broker is full. Empty it." in lines[2]
        assert len(lines) <= 24
        assert not shown.complete

    def test_ids_and_numbers_stay_whole_on_a_narrow_terminal(self):
        running = execution(owner_id="o" * 99, current_step="s" * 99, total_steps=10)
        (line,) = [
            line
            for line in printed(page(look(running=[running])), width=80).splitlines()
            if str(running.id) in line
        ]
        assert len(line) <= 80
        assert " 0/10 " in line
        assert line.count("…") == 2


def test_nothing_draws_unless_the_monitor_runs():
    """Celery imports the command for every worker, Flask the others for every web process."""
    code = "import flask_crewexec.cli.monitor, sys; print('rich' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"
