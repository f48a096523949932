"""Values for the columns that a host has added to the model of executions."""

from __future__ import annotations

import typing as t
from collections.abc import Collection
from collections.abc import Mapping

from ..app_state import AppState
from ..errors import InvalidRequest
from ..errors import Problem
from ..models import own_columns


def check_own_columns(app_state: AppState, names: Collection[str], pointer: str) -> None:
    """Check that the host has added each of the columns.

    :param pointer: JSON pointer to where they are named.
    :raises InvalidRequest: if it has not.
    """
    if not names:
        return
    known = own_columns(app_state.models.execution)
    problems = [_unknown(name, known, pointer) for name in names if name not in known]
    if problems:
        raise InvalidRequest(problems[0].detail, problems)


def _unknown(name: str, known: Mapping[str, t.Any], pointer: str) -> Problem:
    listed = ", ".join(f"'{each}'" for each in sorted(known)) or "none"
    detail = f"Your model of executions has no column '{name}' of its own. It has: {listed}."
    return Problem(f"{pointer}/{name}", "unknown-column", detail)
