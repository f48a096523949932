"""The rules of what follows from a failed or lost attempt."""

from __future__ import annotations

import pytest

from flask_crewexec.config.settings import Settings
from flask_crewexec.scheduling.attempt_outcomes import after_failure
from flask_crewexec.scheduling.attempt_outcomes import after_worker_loss
from flask_crewexec.scheduling.attempt_outcomes import AttemptCounters
from flask_crewexec.scheduling.attempt_outcomes import AttemptOutcome
from flask_crewexec.scheduling.attempt_outcomes import OutcomeKind
from flask_crewexec.scheduling.attempt_outcomes import without_next_attempt
from flask_crewexec.statuses import ExecutionStatus
from flask_crewexec.storage.failures import DEADLINE_EXCEEDED
from flask_crewexec.storage.failures import FailureReason
from flask_crewexec.storage.failures import WORKER_LOST

SETTINGS = Settings(max_retries=2, retry_delay=5.0, max_worker_losses=2)
BUSY = FailureReason("busy", "It is busy.", transient=True)
BROKEN = FailureReason("broken", "It is broken.")


def counters(retries: int = 0, lost_attempts: int = 0) -> AttemptCounters:
    return AttemptCounters(retries, lost_attempts)


class TestFailures:
    @pytest.mark.parametrize("retries", [0, 1])
    def test_a_transient_one_is_retried(self, retries):
        outcome = after_failure(BUSY, OutcomeKind.FAILED, counters(retries), SETTINGS)
        assert outcome == AttemptOutcome(kind=OutcomeKind.RETRYING, failure=BUSY, retry_in=5.0)

    def test_but_no_more_often_than_allowed(self):
        outcome = after_failure(BUSY, OutcomeKind.FAILED, counters(2), SETTINGS)
        assert outcome == AttemptOutcome(kind=OutcomeKind.FAILED, failure=BUSY)

    def test_lost_workers_do_not_count_as_retries(self):
        outcome = after_failure(BUSY, OutcomeKind.FAILED, counters(1, 9), SETTINGS)
        assert outcome.kind is OutcomeKind.RETRYING

    @pytest.mark.parametrize(("asked", "seconds"), [(0.0, 5.0), (4.0, 5.0), (7.0, 7.0)])
    def test_the_provider_may_ask_for_a_longer_delay(self, asked, seconds):
        failure = BUSY._replace(retry_after=asked)
        outcome = after_failure(failure, OutcomeKind.FAILED, counters(), SETTINGS)
        assert outcome.retry_in == seconds

    @pytest.mark.parametrize("kind", [OutcomeKind.FAILED, OutcomeKind.TIMED_OUT])
    def test_a_permanent_one_ends_the_execution(self, kind):
        outcome = after_failure(BROKEN, kind, counters(), SETTINGS)
        assert outcome == AttemptOutcome(kind=kind, failure=BROKEN)


class TestLostWorkers:
    @pytest.mark.parametrize("lost_attempts", [0, 1])
    def test_another_worker_resumes_the_execution(self, lost_attempts):
        outcome = after_worker_loss(counters(9, lost_attempts), SETTINGS)
        assert outcome == AttemptOutcome(kind=OutcomeKind.WORKER_LOST)
        assert outcome.status is ExecutionStatus.QUEUED

    def test_but_no_more_often_than_allowed(self):
        outcome = after_worker_loss(counters(0, 2), SETTINGS)
        assert outcome == AttemptOutcome(kind=OutcomeKind.FAILED, failure=WORKER_LOST)

    def test_an_overdue_execution_is_timed_out(self):
        outcome = after_worker_loss(counters(), SETTINGS, overdue=True)
        assert outcome == AttemptOutcome(kind=OutcomeKind.TIMED_OUT, failure=DEADLINE_EXCEEDED)

    @pytest.mark.parametrize("overdue", [False, True])
    def test_a_cancellation_comes_first(self, overdue):
        outcome = after_worker_loss(
            counters(0, 2), SETTINGS, cancel_requested=True, overdue=overdue
        )
        assert outcome == AttemptOutcome(kind=OutcomeKind.CANCELLED)


@pytest.mark.parametrize(
    ("outcome", "failure"),
    [
        (AttemptOutcome(kind=OutcomeKind.RETRYING, failure=BUSY), BUSY),
        (AttemptOutcome(kind=OutcomeKind.RELEASED), WORKER_LOST),
        (AttemptOutcome(kind=OutcomeKind.WORKER_LOST), WORKER_LOST),
    ],
)
def test_without_a_next_attempt_the_execution_fails(outcome, failure):
    end = without_next_attempt(outcome)
    assert end == AttemptOutcome(kind=OutcomeKind.FAILED, failure=failure)


@pytest.mark.parametrize(
    ("kind", "status"),
    [
        (OutcomeKind.COMPLETED, ExecutionStatus.COMPLETED),
        (OutcomeKind.FAILED, ExecutionStatus.FAILED),
        (OutcomeKind.CANCELLED, ExecutionStatus.CANCELLED),
        (OutcomeKind.TIMED_OUT, ExecutionStatus.TIMED_OUT),
        (OutcomeKind.RETRYING, ExecutionStatus.RETRYING),
        (OutcomeKind.RELEASED, ExecutionStatus.QUEUED),
        (OutcomeKind.WORKER_LOST, ExecutionStatus.QUEUED),
    ],
)
def test_the_status_that_an_outcome_leaves(kind, status):
    assert AttemptOutcome(kind=kind).status is status
