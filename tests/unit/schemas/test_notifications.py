"""Types of notifications, and patterns that match them."""

from __future__ import annotations

import pytest

from flask_crewexec.schemas import EVENT_TYPES
from flask_crewexec.schemas import notifications
from flask_crewexec.schemas.notifications import check_patterns
from flask_crewexec.schemas.notifications import matches
from flask_crewexec.schemas.notifications import notification_type
from flask_crewexec.schemas.notifications import NOTIFICATION_TYPES
from flask_crewexec.schemas.notifications import status_told
from flask_crewexec.statuses import ExecutionStatus


def test_every_type_comes_from_an_event():
    assert notifications._TYPES_OF_EVENTS.keys() <= EVENT_TYPES.keys()
    assert set(notifications._TYPES_OF_EVENTS.values()) == NOTIFICATION_TYPES.keys()


@pytest.mark.parametrize("status", ["queued", "failed", "cancelled", "timed_out"])
def test_what_becomes_of_an_execution_whose_worker_was_lost(status):
    assert notification_type("worker_lost", {"then": status}) == f"execution.{status}"


def test_a_worker_that_tells_of_its_own_end_queues_the_execution():
    assert notification_type("worker_lost", {"reason": "WorkerLostError"}) == "execution.queued"


def test_other_events_are_not_told():
    assert notification_type("model_call_started", {}) is None


@pytest.mark.parametrize("type", NOTIFICATION_TYPES)
def test_every_notification_has_a_status(type):
    assert status_told(type, {}) in list(ExecutionStatus)


def test_statuses_are_those_after_the_event():
    assert status_told("execution.timed_out", {}) == "timed_out"
    assert status_told("execution.started", {}) == "running"
    assert status_told("budget.exhausted", {}) == "running"
    assert status_told("input.answered", {"then": "queued"}) == "queued"


@pytest.mark.parametrize(
    ("pattern", "is_met"),
    [("*", True), ("step.*", True), ("step.completed", True), ("step.skipped", False)],
)
def test_patterns(pattern, is_met):
    assert matches(["execution.*", pattern], "step.completed") is is_met


def test_repeated_patterns_count_once():
    assert check_patterns(["*", "step.*", "*"]) == ("*", "step.*")


@pytest.mark.parametrize("pattern", ["", "execution", "execution.*.*", "step.complete", "exec*"])
def test_unknown_patterns_are_refused_with_the_known_ones(pattern):
    with pytest.raises(ValueError, match=r"no event.*'execution\.\*'.*'step\.completed'"):
        check_patterns([pattern])


def test_no_pattern_is_refused():
    with pytest.raises(ValueError, match="at least one event"):
        check_patterns([])
