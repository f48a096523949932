"""Which step has interrupted a run, where several run in parallel."""

from __future__ import annotations

import contextvars
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
from flask_crewexec.runtime.stop_reasons import WaitForPersonStop
from support.graphs import documents

NOTHING: t.Final[t.Any] = None


@pytest.fixture
def handler() -> CrewEventHandler:
    """That of a run with the steps ``a`` and ``b``, which records nothing."""
    handler = CrewEventHandler(
        NOTHING,
        parse(documents.chain("a", "b")),
        recorder=NOTHING,
        control=RunControl(*[lambda: None] * 4),
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
    fail(handler, "b", ValueError("broken"))
    assert handler.interrupted_step == "b"


def test_the_step_that_stops_the_run_counts_although_others_fail_first(handler):
    reason = InputExpiredStop("late")
    within(1, lambda: handler.stop(reason))
    fail(handler, "a", reason)
    fail(handler, "b", reason)
    assert handler.interrupted_step == "b"
