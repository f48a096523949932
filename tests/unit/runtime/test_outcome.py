"""How an attempt ended, by the error or the reason to stop that ended it."""

from __future__ import annotations

import signal
from collections.abc import Iterator

import pytest
from celery.exceptions import WorkerShutdown
from celery.exceptions import WorkerTerminate

from flask_crewexec.config.settings import Settings
from flask_crewexec.errors import InvalidGraph
from flask_crewexec.errors import LeaseLost
from flask_crewexec.runtime.outcome import outcome_of_error
from flask_crewexec.runtime.outcome import outcome_of_hung_run
from flask_crewexec.runtime.stop_reasons import BudgetSpent
from flask_crewexec.runtime.stop_reasons import DrainStop
from flask_crewexec.runtime.stop_reasons import LeaseLostStop
from flask_crewexec.runtime.stop_reasons import RunCancelled
from flask_crewexec.runtime.stop_reasons import RunTimedOut
from flask_crewexec.runtime.stop_reasons import StorageFailedStop
from flask_crewexec.scheduling.attempt_outcomes import AttemptCounters

SETTINGS = Settings(max_retries=1, max_worker_losses=1)
FIRST = AttemptCounters(retries=0, lost_attempts=0)
REPEATED = AttemptCounters(retries=1, lost_attempts=1)

ENDINGS = [
    (LeaseLost("lost"), "lease-lost", None),
    (LeaseLostStop("lost"), "lease-lost", None),
    (DrainStop("drain"), "released", None),
    (RunCancelled("cancelled"), "cancelled", None),
    (RunTimedOut("late"), "timed_out", "deadline-exceeded"),
    (BudgetSpent("spent"), "failed", "budget-exhausted"),
    (InvalidGraph("bad", []), "failed", "invalid-graph"),
    (ValueError("odd"), "failed", "crew-failed"),
]


@pytest.fixture(autouse=True)
def _python_takes_ctrl_c() -> Iterator[None]:
    """Let Ctrl+C raise ``KeyboardInterrupt``, as in a command, whatever other tests did."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.parametrize("counters", [FIRST, REPEATED])
@pytest.mark.parametrize(("error", "kind", "code"), ENDINGS)
def test_an_end_that_does_not_depend_on_earlier_attempts(error, kind, code, counters):
    outcome = outcome_of_error(error, counters, SETTINGS)
    assert (outcome.kind, outcome.failure and outcome.failure.code) == (kind, code)


@pytest.mark.parametrize(("counters", "kind"), [(FIRST, "retrying"), (REPEATED, "failed")])
def test_a_transient_failure_is_retried_as_often_as_allowed(counters, kind):
    outcome = outcome_of_error(StorageFailedStop("away"), counters, SETTINGS)
    assert (outcome.kind, outcome.failure.code) == (kind, "storage-unavailable")


@pytest.mark.parametrize("error", [WorkerShutdown(), WorkerTerminate(), KeyboardInterrupt()])
@pytest.mark.parametrize(("counters", "kind"), [(FIRST, "worker-lost"), (REPEATED, "failed")])
def test_the_end_of_a_process_is_a_lost_worker(error, counters, kind):
    assert outcome_of_error(error, counters, SETTINGS).kind == kind


@pytest.mark.parametrize("error", [SystemExit(), GeneratorExit()])
def test_what_only_pretends_to_end_a_process_is_a_failure(error):
    outcome = outcome_of_error(error, FIRST, SETTINGS)
    assert (outcome.kind, outcome.failure.code) == ("failed", "crew-exited")


@pytest.mark.parametrize(
    ("reason", "kind", "code"),
    [
        (RunCancelled("cancelled"), "cancelled", None),
        (RunTimedOut("late"), "timed_out", "deadline-exceeded"),
        (BudgetSpent("spent"), "failed", "budget-exhausted"),
    ],
)
def test_a_hung_run_ends_for_the_reason_it_was_stopped(reason, kind, code):
    outcome = outcome_of_hung_run(reason)
    assert (outcome.kind, outcome.failure and outcome.failure.code) == (kind, code)


@pytest.mark.parametrize("reason", [LeaseLostStop("lost"), StorageFailedStop("away")])
def test_a_hung_run_without_a_final_reason_is_left_to_the_reconciler(reason):
    assert outcome_of_hung_run(reason) is None
