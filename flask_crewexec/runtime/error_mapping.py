"""Exception -> failure reason: what the owner may know, and whether a retry may help."""

from __future__ import annotations

import typing as t
from collections.abc import Iterator

from sqlalchemy.exc import SQLAlchemyError

from ..errors import InvalidGraph
from ..errors import InvalidInputs
from ..errors import ModelMisconfigured
from ..errors import NotRegistered
from ..errors import SecretMissing
from ..errors import SecretProviderUnavailable
from ..errors import ToolServerUnavailable
from ..errors import ToolUnavailable
from ..errors import UserLoaderUnavailable
from ..errors import UserMissing
from ..errors import WorkerMisconfigured
from ..storage.database_errors import is_refused_value
from ..storage.database_errors import is_transient
from ..storage.database_errors import missing_object
from ..storage.failures import FailureReason
from .crewai_shims.agent_iterations import IterationsExhausted
from .crewai_shims.public_api import ToolExecutionFailedError
from .input_files import InputFileError
from .model_failures import failure_of_call
from .stop_reasons import AssignmentFailedStop
from .stop_reasons import OutdatedSchemaStop
from .stop_reasons import RefusedValueStop
from .stop_reasons import StopRun
from .stop_reasons import StorageFailedStop

_STORAGE: t.Final = FailureReason(
    StorageFailedStop.code, "The database could not store the progress of the run.", transient=True
)
REFUSED_VALUE: t.Final = FailureReason(
    RefusedValueStop.code, "The database refuses to store what the run has produced."
)
_REPEATED_CALL: t.Final = FailureReason(
    "tool-call-repeated", "An agent called a tool again and again with the same arguments."
)
_ITERATIONS: t.Final = FailureReason(
    "iterations-exhausted", "An agent still called tools after the last of its iterations."
)
_EXITED: t.Final = FailureReason("crew-exited", "Something in the crew tried to end the worker.")
_OTHER: t.Final = FailureReason("crew-failed", "The crew ended with an error.")

_UNAVAILABLE: t.Final = (
    NotRegistered,
    SecretProviderUnavailable,
    ToolServerUnavailable,
    UserLoaderUnavailable,
)
_PERMANENT: t.Final = (
    InvalidGraph,
    InvalidInputs,
    ModelMisconfigured,
    SecretMissing,
    ToolUnavailable,
    UserMissing,
    WorkerMisconfigured,
)

_OF_CONTENT: t.Final = frozenset(
    {
        "approval-outdated",
        "guardrail-failed",
        "input-expired",
        "iterations-exhausted",
        "model-answer-truncated",
        "model-content-filtered",
        "model-context-exceeded",
        "model-refused-answer",
        "rejected-by-reviewer",
        "tool-call-repeated",
    }
)
"""Codes of failures that the same answers would lead to again."""


def to_failure(error: BaseException) -> FailureReason:
    """Return the failure reason of *error*, found in the chain of its causes."""
    for cause in causes(error):
        if failure := _from_run_error(cause) or failure_of_call(cause):
            return failure
    return _OTHER if isinstance(error, Exception) else _EXITED


def demands_restart(error: BaseException) -> bool:
    """Return whether a step that *error* has ended would fail again if it went on from there."""
    return to_failure(error).code in _OF_CONTENT


def model_failure(error: BaseException) -> FailureReason | None:
    """Return the failure reason of *error* if a model, or the connection to it, has failed."""
    for cause in causes(error):
        if _from_run_error(cause):
            return None
        if failure := failure_of_call(cause):
            return failure
    return None


def _from_run_error(cause: BaseException) -> FailureReason | None:
    if isinstance(cause, SQLAlchemyError):
        return _from_database_error(cause)
    if isinstance(cause, StopRun):
        is_transient_stop = isinstance(cause, StorageFailedStop | AssignmentFailedStop)
        return FailureReason(cause.code, cause.reason, is_transient_stop)
    if isinstance(cause, InputFileError):
        return cause.failure
    if isinstance(cause, _PERMANENT):
        return FailureReason(cause.code, cause.detail)
    if isinstance(cause, _UNAVAILABLE):
        return FailureReason(cause.code, cause.detail, transient=True)
    if isinstance(cause, IterationsExhausted):
        return _ITERATIONS
    return _REPEATED_CALL if isinstance(cause, ToolExecutionFailedError) else None


def _from_database_error(error: SQLAlchemyError) -> FailureReason:
    return failure_of_write(error) or _STORAGE._replace(transient=is_transient(error))


def failure_of_write(error: BaseException) -> FailureReason | None:
    """Return why a write that raised *error* would always fail; None if it may succeed."""
    if is_refused_value(error):
        return REFUSED_VALUE
    if missing := missing_object(error):
        return FailureReason(OutdatedSchemaStop.code, f"The database has no {missing}.")
    return None


def causes(error: BaseException) -> Iterator[BaseException]:
    """Return *error*, its cause, the cause of that and so on."""
    seen: list[BaseException] = []
    cause: BaseException | None = error
    while cause is not None and cause not in seen:
        seen.append(cause)
        yield cause
        cause = cause.__cause__ or cause.__context__
