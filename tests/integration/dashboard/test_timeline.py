"""The timeline of an execution's page: what is drawn is what was logged."""

from __future__ import annotations

import datetime as dt
import gzip
import re
import typing as t
from collections import Counter
from xml.etree import ElementTree

import pytest
import sqlalchemy as sa

from flask_crewexec.app_state import current_app_state
from flask_crewexec.testing import ScriptedModel
from support import long_run
from support.api_client import Api
from support.dashboard_pages import Pages
from support.dashboard_pages import section
from support.dashboard_pages import text_of
from support.graphs import documents
from support.in_process import run

pytestmark = pytest.mark.usefixtures("registered")

BEGIN = dt.datetime(2026, 11, 20, 8, tzinfo=dt.UTC)


class Line(t.NamedTuple):
    """What one line of the timeline shows."""

    name: str
    bars: list[tuple[str, float, float, str]]
    """Kind, position, width and title."""

    def of(self, *kinds: str) -> list[tuple[str, float, float, str]]:
        return [bar for bar in self.bars if bar[0] in kinds]

    def calls(self) -> Counter[str]:
        """How many calls of each kind are drawn."""
        found: Counter[str] = Counter()
        for kind, _, _, title in self.of("model", "tool", "check", "failed"):
            many = re.match(r"(\d+) calls", title)
            found[kind] += int(many[1]) if many else 1
        return found


def lines(page: str) -> list[Line]:
    """The lines of a page's timeline: that of the attempts, then those of the steps."""
    items = re.findall(
        r'<li class="(?:axis|row[^"]*)"[^>]*>.*?</li>', section(page, "timeline"), re.DOTALL
    )
    return [_line(item) for item in items]


def _line(item: str) -> Line:
    name = re.search(r"<(?:a|span)[^>]*>(.*?)</", item, re.DOTALL)
    assert name
    bars = []
    for svg in re.findall(r"<svg.*?</svg>", item, re.DOTALL):
        for bar in ElementTree.fromstring(svg).findall("rect"):
            kind = bar.attrib["class"].removeprefix("bar bar-")
            x, width = (float(bar.attrib[each].rstrip("%")) for each in ("x", "width"))
            bars.append((kind, x, width, bar.findtext("title") or ""))
    return Line(name[1].strip(), bars)


@pytest.fixture
def long_page(api: Api, pages: Pages) -> str:
    id = long_run.insert(current_app_state(), api.graph(long_run.document()), "ada", BEGIN)
    return pages.read(f"/executions/{id}")


class TestALongRun:
    def test_attempts_and_the_pauses_between_them_have_names(self, long_page: str) -> None:
        attempts = lines(long_page)[0]
        assert [bar[3].split(":")[0] for bar in attempts.of("run")] == [
            f"Attempt {number}" for number in (1, 2, 3, 4)
        ]
        pauses = [bar[3] for bar in attempts.of("retry")]
        assert pauses == ["Pause before a retry, after provider-unavailable: 10 min"] * 3
        told = text_of(section(long_page, "timeline"))
        assert told.count("Pause before a retry, after provider-unavailable: 10 min") == 6

    def test_attempts_are_as_wide_as_they_were_long(self, long_page: str) -> None:
        widths = [bar[2] for bar in lines(long_page)[0].of("run")]
        steps = [13, 13, 15, 9]
        for width, count in zip(widths, steps, strict=True):
            assert width / sum(widths) == pytest.approx(count / 50, abs=0.02)
        assert sum(widths) > 80

    def test_every_call_of_every_step_is_drawn(self, long_page: str) -> None:
        _, *steps = lines(long_page)
        assert [line.name for line in steps] == long_run.NAMES
        for position, line in enumerate(steps):
            failed = {"failed": 1} if position in long_run.BREAKS else {}
            expected = Counter({"model": 6, "tool": 6 - len(failed), **failed})
            assert line.calls() == expected, line
        total = sum((line.calls() for line in steps), Counter[str]())
        assert total.total() == long_run.CALLS

    def test_steps_run_one_after_the_other_and_are_broken_where_attempts_end(
        self, long_page: str
    ) -> None:
        _, *steps = lines(long_page)
        ends = 0.0
        for position, line in enumerate(steps):
            runs = line.of("run", "broken")
            kinds = ["broken", "run"] if position in long_run.BREAKS else ["run"]
            assert [bar[0] for bar in runs] == kinds
            assert runs[0][1] >= ends - 0.35
            ends = runs[-1][1] + runs[-1][2]
            for _, x, width, _ in line.of("model", "tool"):
                assert runs[0][1] - 0.01 <= x
                assert x + width <= ends + 0.35

    def test_nothing_waited_while_the_execution_paused(self, long_page: str) -> None:
        _, *steps = lines(long_page)
        assert not any(line.of("wait") for line in steps)
        assert "waited" not in text_of(section(long_page, "steps"))

    def test_the_duration_of_a_step_leaves_pauses_out(self, long_page: str) -> None:
        assert "10 min" not in text_of(section(long_page, "steps"))
        row = re.search(r'id="timeline-step-12".*?</li>', long_page, re.DOTALL)
        assert row
        assert "12.0 s" in row[0]

    def test_the_page_is_small(self, long_page: str) -> None:
        assert len(gzip.compress(long_page.encode(), 6)) <= 30_000


def test_a_step_with_many_calls_has_few_bars_for_all_of_them(api: Api, pages: Pages) -> None:
    graph, size = api.graph(long_run.document(1)), {"steps": 1, "calls_of_step": 180}
    id = long_run.insert(current_app_state(), graph, "ada", BEGIN, **size)
    _, line = lines(pages.read(f"/executions/{id}"))
    bars = line.of("model", "tool")
    assert len(bars) == 90
    assert line.calls() == {"model": 90, "tool": 90}
    assert max(x + width for _, x, width, _ in bars) == pytest.approx(100, abs=0.5)


def test_without_stored_calls_events_tell_of_them(
    api: Api, pages: Pages, model: ScriptedModel
) -> None:
    model.on("Do a", tool=("count_words", {"text": "x y"}), times=1)
    id = api.queue(documents.chain("a", tools=("count_words",)))
    run(id)
    with_calls = lines(pages.read(f"/executions/{id}"))[1].calls()
    app_state = current_app_state()
    with app_state.database.write_transaction() as session:
        session.execute(sa.delete(app_state.models.call))
    assert lines(pages.read(f"/executions/{id}"))[1].calls() == with_calls
    assert with_calls == {"model": 2, "tool": 1}


def test_the_bar_of_a_failed_step_says_so(api: Api, pages: Pages, model: ScriptedModel) -> None:
    model.on("Do b", status=401)
    id = api.queue(documents.chain("a", "b"))
    run(id)
    _, first, second = lines(pages.read(f"/executions/{id}"))
    assert [bar[0] for bar in first.of("run", "broken")] == ["run"]
    (bar,) = second.of("run", "broken")
    assert (bar[0], bar[3].split()[0]) == ("broken", "Failed")


def test_before_an_execution_starts_there_is_no_timeline(api: Api, pages: Pages) -> None:
    id = api.queue(documents.chain("a"))
    assert 'id="timeline"' not in pages.read(f"/executions/{id}")
