"""Calls in a line, and why they have failed."""

from __future__ import annotations

import typing as t

import pytest

from flask_crewexec.dashboard.call_descriptions import describe_error
from flask_crewexec.dashboard.call_descriptions import describe_line
from flask_crewexec.dashboard.call_descriptions import is_withheld
from flask_crewexec.schemas import FAILURE_CODES

CALL = {
    "number": 3,
    "kind": "tool",
    "name": "count",
    "agent": None,
    "step": 0,
    "parent": None,
    "status": "done",
    "error": None,
    "altered": False,
    "cut": False,
    "size": 5,
    "attempt": 1,
    "usage": {"total_tokens": 0, "cost": 0.0},
    "started_at": "2026-11-29T04:00:00+00:00",
    "finished_at": "2026-11-29T04:00:01.500000+00:00",
}


def call(**more: t.Any) -> dict[str, t.Any]:
    return {**CALL, **more}


def test_figures_are_duration_tokens_and_cost() -> None:
    usage = {"total_tokens": 1200, "cost": 0.0025}
    assert describe_line(call(usage=usage), "EUR").figures == (
        "1.5 s",
        "1,200 tokens",
        "0.0025 EUR",
    )
    assert describe_line(call(finished_at=None), "").figures == ()


@pytest.mark.parametrize(
    ("more", "status", "marks"),
    [
        ({"status": "started"}, "started", ()),
        ({"status": "unknown"}, "outcome unknown", ()),
        ({"altered": True, "cut": True}, "done", ("altered", "cut")),
        ({"cut": True, "size": 0}, "done", ("contents not kept",)),
        ({"attempt": 2}, "done", ("attempt 2",)),
        (
            {"status": "failed", "error": {"code": "timeout", "may_have_acted": True}},
            "failed: timeout",
            ("may have acted",),
        ),
        (
            {"kind": "model", "status": "failed", "error": {"code": "model-rate-limited"}},
            "failed: model rate limited",
            (),
        ),
    ],
)
def test_what_is_unusual_is_said_in_words(
    more: dict[str, t.Any], status: str, marks: tuple[str, ...]
) -> None:
    line = describe_line(call(**more), "")
    assert (line.status, line.marks) == (status, marks)
    assert line.has_ended == (status != "started")


def test_failures_have_a_sentence() -> None:
    error = {"code": "model-rate-limited", "status": 429}
    failure = describe_error(call(kind="model", error=error))
    assert failure is not None
    assert failure.text == "The model's provider limited the rate of calls."
    assert (failure.code, failure.status, failure.may_have_acted) == (*error.values(), False)
    other = describe_error(call(error={"code": "new", "may_have_acted": True}))
    assert other == ("The call has failed.", "new", None, True)
    assert describe_error(call()) is None


def test_a_failed_call_is_not_said_to_have_been_tried_again() -> None:
    for code in FAILURE_CODES:
        failure = describe_error(call(kind="model", error={"code": code}))
        assert failure is not None
        assert "attempt" not in failure.text
        assert failure.text.endswith(".")


def test_contents_that_are_not_kept() -> None:
    assert is_withheld(call(cut=True, size=0))
    assert not is_withheld(call(cut=True))
    assert not is_withheld(call(size=0))
