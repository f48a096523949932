"""Which step has interrupted a run, where several run in parallel."""

from __future__ import annotations

import contextvars
import functools
import types
import typing as t
from collections.abc import Callable

import pytest

from flask_crewexec.graphs import parse
from flask_crewexec.runtime.budget import Budget
from flask_crewexec.runtime.call_events import current_step
from flask_crewexec.runtime.event_handler import CrewEventHandler
from flask_crewexec.runtime.run_control import RunControl
from flask_crewexec.runtime.stop_reasons import InputExpiredStop
from flask_crewexec.runtime.stop_reasons import RunTimedOut
from flask_crewexec.runtime.stop_reasons import WaitForPersonStop
from support.graphs import documents

NOTHING: t.Final[t.Any] = None


@pytest.fixture
def control() -> RunControl:
    return RunControl(*[lambda: None] * 4)


@pytest.fixture
def handler(control) -> CrewEventHandler:
    """That of a run with the steps ``a`` and ``b``, which records nothing."""
    handler = CrewEventHandler(
        NOTHING,
        parse(documents.chain("a", "b")),
        recorder=NOTHING,
        control=control,
        budget=Budget(),
        new_token_stream=NOTHING,
        redact=NOTHING,
    )
    tasks: t.Any = types.SimpleNamespace(tasks=[types.SimpleNamespace(id=id) for id in "ab"])
    handler.bind_tasks(tasks, finished=0)
    return handler


def within(step: int, work: Callable[[], None]) -> None:
    context = contextvars.copy_context()
    context.run(current_step.set, step)
    context.run(work)


def fail(handler: CrewEventHandler, task: str, error: Exception) -> None:
    """Tell of a task that has failed, as CrewAI does."""
    try:
        raise error
    except Exception:  # noqa: BLE001  # CrewAI handles all of them
        handler(None, types.SimpleNamespace(type="task_failed", task_id=task))


def test_a_step_that_waits_for_a_person_interrupts_nothing(handler):
    fail(handler, "a", WaitForPersonStop("waits"))
    broken = ValueError("broken")
    fail(handler, "b", broken)
    assert handler.step_ended_by(broken) == "b"


def test_the_step_that_stops_the_run_counts_although_others_fail_first(handler):
    reason = InputExpiredStop("late")
    within(1, lambda: handler.stop(reason))
    fail(handler, "a", reason)
    fail(handler, "b", reason)
    assert handler.step_ended_by(reason) == "b"


def test_each_step_that_fails_by_itself_has_its_own_error(handler):
    errors = [ValueError("a"), ValueError("b")]
    fail(handler, "b", errors[1])
    fail(handler, "a", errors[0])
    assert [handler.step_ended_by(error) for error in errors] == ["a", "b"]


def test_a_step_may_have_its_own_reason_to_stop_a_run_that_stops(handler):
    reasons = [InputExpiredStop("a"), InputExpiredStop("b")]
    for step, reason in enumerate(reasons):
        within(step, functools.partial(handler.stop, reason))
    fail(handler, "b", reasons[0])
    assert [handler.step_ended_by(reason) for reason in reasons] == ["a", "b"]


def test_what_the_end_of_the_run_has_caused_is_no_failure_of_a_step(handler):
    reason, error = InputExpiredStop("late"), ValueError("broken")
    error.__cause__ = reason
    within(0, lambda: handler.stop(reason))
    fail(handler, "b", error)
    assert handler.step_ended_by(error) == "a"


def test_a_call_that_is_aborted_fails_because_the_run_stops(handler, control):
    reason = RunTimedOut("late")
    fail(handler, "a", ValueError("broken"))
    control.stop(reason)
    fail(handler, "b", ConnectionError("aborted"))
    assert handler.step_ended_by(reason) == "b"
