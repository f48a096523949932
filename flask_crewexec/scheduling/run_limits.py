"""Limits of one run: what a submission may ask for, and what applies without it."""

from __future__ import annotations

import typing as t

from ..app_state import AppState
from ..errors import InvalidRequest
from ..errors import Problem
from ..schemas import LimitsSchema
from ..schemas import load

Json = dict[str, t.Any]
Limits = dict[str, float | int | None]

_LIMITS: t.Final = LimitsSchema()


def validate_limits(app_state: AppState, given: Limits) -> Limits:
    """Return *given* as limits that are within those of the settings.

    :raises InvalidRequest: if one is no limit, or above what the settings allow.
    """
    return _enforce_maximum(default_limits(app_state), load(_LIMITS, given))


def _enforce_maximum(most: Limits, limits: Limits) -> Limits:
    problems = [
        Problem(f"/{name}", "above-limit", f"{name} may be {most[name]} at most, not {value}.")
        for name, value in limits.items()
        if value is not None and most[name] is not None and value > most[name]  # type: ignore[operator]
    ]
    if problems:
        raise InvalidRequest(problems[0].detail, problems)
    return {name: value for name, value in limits.items() if value is not None}


def default_limits(app_state: AppState) -> Limits:
    """Return the limits of an execution that brings none of its own."""
    settings = app_state.settings
    return {
        "timeout": settings.max_runtime,
        "max_llm_calls": settings.max_llm_calls,
        "max_tokens": settings.max_tokens,
    }


def _effective_limits(app_state: AppState, form: Json) -> Limits:
    most = default_limits(app_state)
    return {**most, **_enforce_maximum(most, {name: form[name] for name in most})}
