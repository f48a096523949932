"""What an execution did when: attempts, pauses, steps and calls, and where the axis shows them."""

from __future__ import annotations

import datetime as dt

import pytest

from flask_crewexec.dashboard.event_calls import find_calls
from flask_crewexec.dashboard.periods import find_periods
from flask_crewexec.dashboard.periods import find_segments
from flask_crewexec.dashboard.periods import Period
from flask_crewexec.dashboard.periods import running_seconds
from flask_crewexec.dashboard.time_axis import TimeAxis
from flask_crewexec.storage.event_log import Mark

NOON = dt.datetime(2026, 11, 23, 12, tzinfo=dt.UTC)


def at(second: float) -> dt.datetime:
    return NOON + dt.timedelta(seconds=second)


def mark(type: str, second: float, **data: object) -> Mark:
    return Mark(type, data, at(second))


def spans(periods: list[Period]) -> list[tuple[str, float]]:
    return [(period.kind, period.seconds) for period in periods]


class TestPeriods:
    def test_attempts_and_the_pauses_between_them_follow_each_other(self) -> None:
        marks = [
            mark("queued", 0),
            mark("started", 1, attempt=1),
            mark("retrying", 4, code="provider-rate-limit"),
            mark("queued", 64),
            mark("started", 65, attempt=2),
            mark("worker_lost", 70),
            mark("started", 72, attempt=3),
            mark("waiting_input", 73),
            mark("queued", 1000),
            mark("started", 1001, attempt=4),
            mark("completed", 1005),
        ]
        periods = find_periods(marks, at(1005))
        assert spans(periods) == [
            ("queue", 1),
            ("run", 3),
            ("retry", 60),
            ("queue", 1),
            ("run", 5),
            ("lost", 2),
            ("run", 1),
            ("people", 927),
            ("queue", 1),
            ("run", 4),
        ]
        assert periods[1].title == "Attempt 1: 3.0 s"
        assert periods[2].title == "Pause before a retry, after provider-rate-limit: 1 min"

    def test_what_goes_on_lasts_until_now(self) -> None:
        assert spans(find_periods([mark("queued", 0), mark("started", 2)], at(9))) == [
            ("queue", 2),
            ("run", 7),
        ]

    def test_an_ended_execution_that_was_retried_has_a_gap(self) -> None:
        marks = [mark("started", 0), mark("failed", 3), mark("queued", 100), mark("started", 101)]
        assert spans(find_periods(marks, at(102))) == [
            ("run", 3),
            ("ended", 97),
            ("queue", 1),
            ("run", 1),
        ]

    def test_only_attempts_count_as_running(self) -> None:
        periods = find_periods(
            [mark("started", 0), mark("retrying", 10), mark("started", 70)], at(80)
        )
        assert running_seconds(periods, at(5), at(75)) == 10


class TestSegments:
    def test_a_step_has_a_segment_for_each_attempt(self) -> None:
        marks = [
            mark("step_started", 0, step="a"),
            mark("step_completed", 2, step="a"),
            mark("step_started", 2, step="b"),
            mark("retrying", 5),
            mark("step_continued", 65, step="b"),
            mark("waiting_input", 70),
            mark("step_continued", 500, step="b"),
        ]
        found = find_segments(marks, at(503))
        assert found["a"] == [(at(0), at(2), False)]
        assert found["b"] == [
            (at(2), at(5), True),
            (at(65), at(70), False),
            (at(500), at(503), False),
        ]

    def test_a_restart_within_an_attempt_begins_no_second_segment(self) -> None:
        marks = [mark("step_continued", 0, step="a"), mark("step_restarted", 1, step="a")]
        assert find_segments(marks, at(4)) == {"a": [(at(0), at(4), False)]}


class TestAxis:
    def test_a_long_pause_is_folded_and_the_attempts_share_the_rest(self) -> None:
        marks = [mark("started", 0), mark("retrying", 10), mark("started", 100_000)]
        axis = TimeAxis(find_periods(marks, at(100_010)))
        assert axis.position(at(0)) == 0
        assert axis.position(at(10)) == pytest.approx(48.5)
        assert axis.position(at(100_000)) == pytest.approx(51.5)
        assert axis.position(at(100_010)) == pytest.approx(100)
        assert [fold.period.kind for fold in axis.folds] == ["retry"]

    def test_a_short_pause_is_in_proportion(self) -> None:
        marks = [mark("started", 0), mark("retrying", 49), mark("started", 51)]
        axis = TimeAxis(find_periods(marks, at(100)))
        assert axis.position(at(50)) == pytest.approx(50)
        assert [*axis.folds] == []

    def test_many_folds_leave_most_of_the_width(self) -> None:
        marks = []
        for number in range(100):
            marks += [mark("started", 1000 * number), mark("retrying", 1000 * number + 1)]
        axis = TimeAxis(find_periods(marks, at(99_500)))
        assert sum(fold.width for fold in axis.folds) <= 30.1
        assert axis.position(at(99_500)) == pytest.approx(100)

    @pytest.mark.parametrize("seconds", [0.05, 0.7, 9, 100, 4000, 90_000])
    def test_ticks_are_few_and_in_order(self, seconds: float) -> None:
        axis = TimeAxis(find_periods([mark("started", 0)], at(seconds)))
        places = [tick.x for tick in axis.ticks]
        assert places == sorted(places)
        assert 1 <= len(places) <= 11
        assert places[0] == 0

    def test_ticks_count_what_is_not_folded(self) -> None:
        marks = [mark("started", 0), mark("retrying", 5), mark("started", 1000)]
        axis = TimeAxis(find_periods(marks, at(1005)))
        assert [tick.text for tick in axis.ticks] == ["0 s", "2 s", "4 s", "6 s", "8 s"]
        assert [*axis.ticks][3].x == pytest.approx(axis.position(at(1001)), abs=0.01)

    def test_nothing_has_happened_yet(self) -> None:
        axis = TimeAxis([])
        assert axis.position(at(3)) == 0
        assert [*axis.ticks] == []


class TestCallsOfEvents:
    def test_they_last_from_their_start_to_their_end_or_until_now(self) -> None:
        calls = find_calls(
            [
                mark("model_call_started", 0, step="a", model="gpt"),
                mark("model_call_completed", 2, step="a"),
                mark("tool_started", 2, step="a", tool="pay"),
                mark("tool_failed", 5, step="a"),
                mark("tool_finished", 6, step="a"),
                mark("model_call_started", 7, step="a", model="gpt"),
            ],
            {"a": 4},
        )
        assert [(call.step, call.name, call.status, call.finished_at) for call in calls] == [
            (4, "gpt", "done", at(2)),
            (4, "pay", "failed", at(5)),
            (4, "gpt", "started", None),
        ]

    @pytest.mark.parametrize("end", ["worker_lost", "released", "retrying", "queued", "started"])
    def test_none_outlives_its_attempt(self, end: str) -> None:
        events = [mark("model_call_started", 0), mark(end, 3), mark("tool_finished", 4)]
        (call,) = find_calls(events, {})
        assert call.finished_at == at(3)

    def test_asking_to_cancel_ends_none(self) -> None:
        events = [mark("tool_started", 0), mark("cancel_requested", 3), mark("tool_failed", 4)]
        (call,) = find_calls(events, {})
        assert call.finished_at == at(4)
