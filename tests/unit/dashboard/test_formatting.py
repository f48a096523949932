"""How the dashboard says things: durations, events, charts."""

from __future__ import annotations

import datetime as dt
import typing as t

import pytest

from flask_crewexec.dashboard import charts
from flask_crewexec.dashboard import event_descriptions
from flask_crewexec.dashboard import formatting
from flask_crewexec.models import EventMixin
from flask_crewexec.storage.hourly_stats import Hour

NOON = dt.datetime(2026, 11, 23, 12, tzinfo=dt.UTC)


class Event(EventMixin):
    """A row without a table."""

    def __init__(self, type: str, second: float = 0, **data: object) -> None:
        self.seq: t.Any = 1
        self.type: t.Any = type
        self.data: t.Any = data
        self.created_at: t.Any = NOON + dt.timedelta(seconds=second)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (None, ""),
        (0, "0 ms"),
        (0.0471, "47 ms"),
        (3.24, "3.2 s"),
        (59.96, "1 min"),
        (75, "1 min 15 s"),
        (3600, "1 h"),
        (3700, "1 h 1 min"),
        (200_000, "2 d 7 h"),
    ],
)
def test_durations_have_two_units_at_most(seconds: float | None, text: str) -> None:
    assert formatting.duration(seconds) == text


def test_long_texts_are_cut_for_a_page() -> None:
    text = "x" * (formatting.SHOWN_CHARS + 1)
    assert formatting.is_cut(text)
    assert len(formatting.shown(text)) == formatting.SHOWN_CHARS
    assert not formatting.is_cut(formatting.shown(text))


def test_an_event_is_described_in_words() -> None:
    line = event_descriptions.describe(
        Event(
            "model_call_completed",
            model="m",
            agent="Writer",
            seconds=1.26,
            tokens=7,
            cost=8.295e-05,
        ),
        "USD",
    )
    assert line.title == "Model answered"
    assert line.values == ("m", "Writer", "1.3 s", "7 tokens", "cost 0.000083 USD")
    assert line.blocks == ()


def test_long_values_and_outputs_get_blocks() -> None:
    line = event_descriptions.describe(
        Event("tool_finished", tool="t", output="ok", note="a\nb"), ""
    )
    assert line.values == ("t",)
    assert line.blocks == (("output", "ok"), ("note", "a\nb"))


def test_events_of_unknown_types_are_described() -> None:
    line = event_descriptions.describe(
        Event("guardrail_checked", passed=True, by=None, list=[1]), ""
    )
    assert line.title == "Guardrail checked"
    assert line.values == ("passed true",)
    assert line.blocks == (("list", "[\n  1\n]"),)


def test_columns_are_as_high_as_their_values() -> None:
    hours = [Hour(NOON, completed=3, other=1, waiting=4.0), Hour(NOON, completed=8, waiting=None)]
    chart = charts.throughput(hours)
    heights: list[tuple[str, t.Any]] = [(column.kind, column.height) for column in chart.columns]
    unit = heights[0][1] / 3
    assert heights == [
        ("completed", pytest.approx(3 * unit)),
        ("other", pytest.approx(unit, abs=0.02)),
        ("completed", pytest.approx(8 * unit, abs=0.05)),
    ]
    assert chart.values[0].text == "10"
    assert chart.columns[1].y + chart.columns[1].height == pytest.approx(chart.columns[0].y)
    (waiting,) = charts.waiting(hours).columns
    assert waiting.title == "12:00 to 13:00: 4.0 s"


def test_a_quiet_day_has_a_chart_without_columns() -> None:
    chart = charts.throughput([Hour(NOON), Hour(NOON)])
    assert chart.columns == ()
    assert charts.waiting([Hour(NOON)]).columns == ()
