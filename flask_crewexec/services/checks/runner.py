"""Run checks one after the other, so that none keeps the others from running."""

from __future__ import annotations

import logging
import typing as t
from collections.abc import Iterable
from collections.abc import Iterator

import sqlalchemy as sa

from ...app_state import AppState
from ...errors import BrokerUnavailable
from ...storage.database_errors import missing_object
from ..time_bound_call import CallTimedOut
from ..time_bound_call import TimeBoundCall
from .check import Check
from .check import error
from .check import Finding
from .check import Result
from .check import skipped

log = logging.getLogger(__name__)

_call: t.Final = TimeBoundCall()


def run_checks(app_state: AppState, checks: Iterable[Check]) -> Iterator[Finding]:
    """Yield what the *checks* find, as soon as it is known; each yields at least one finding."""
    failed: set[str] = set()
    for check in checks:
        results = _results(app_state, check, failed)
        if any(result.status == "error" for result in results):
            failed.add(check.name)
        for result in results:
            yield Finding(check.name, *result)


def _results(app_state: AppState, check: Check, failed: set[str]) -> list[Result]:
    for name in check.needs:
        if name in failed:
            return [skipped(f"This needs what '{name}' checks.")]
    try:
        return _call(lambda: list(check.run(app_state)), check.seconds)
    except CallTimedOut:
        return [
            error(
                f"The check did not end within {check.seconds:g} seconds.",
                "Find out which server does not answer, and run the command again.",
            )
        ]
    except sa.exc.SQLAlchemyError as problem:
        log.debug("The check '%s' failed.", check.name, exc_info=True)
        return [skipped(_database_sentence(problem))]
    except BrokerUnavailable:
        log.debug("The check '%s' failed.", check.name, exc_info=True)
        return [skipped("The broker did not answer this check.")]
    except Exception as problem:  # also what functions of the host raise
        log.debug("The check '%s' failed.", check.name, exc_info=True)
        return [_broken(problem)]


def _database_sentence(problem: sa.exc.SQLAlchemyError) -> str:
    if missing_object(problem):
        return "The database lacks a table or column that this check reads."
    return "The database did not answer this check."


def _broken(problem: Exception) -> Result:
    """Return the result of a check that raised what nobody expected; its text may be a secret."""
    return error(
        f"The check itself failed with '{type(problem).__name__}'.",
        "Show the traceback with 'logging.basicConfig(level=logging.DEBUG)'.",
    )
