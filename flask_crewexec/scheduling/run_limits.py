"""Limits of one run: what a submission may ask for, and what applies without it."""

from __future__ import annotations

import typing as t

from ..app_state import AppState
from ..errors import InvalidRequest
from ..errors import Problem
from ..graphs import Graph
from ..models import ExecutionMixin
from ..schemas import LimitsSchema
from ..schemas import load

Limits = dict[str, float | int | None]
"""The values of :class:`LimitsSchema`, or some of them."""

_SCHEMA: t.Final = LimitsSchema()

MIN_DEFAULT_CALLS: t.Final = 50
MAX_DEFAULT_CALLS: t.Final = 1_000
"""Between these numbers the default number of model calls follows the estimate of the graph."""


def validate_limits(app_state: AppState, given: Limits, pointer: str = "") -> Limits:
    """Return those of the *given* limits that are set.

    :param pointer: JSON pointer to them in the request.
    :raises InvalidRequest: if one is invalid, or greater than the settings allow.
    """
    return _enforce_maximum(default_limits(app_state), load(_SCHEMA, given), pointer)


def limits_of(app_state: AppState, execution: ExecutionMixin) -> Limits:
    """Return the limits of an execution, as far as the settings allow them by now."""
    maximum = default_limits(app_state)
    stored: Limits = {name: getattr(execution, name) for name in maximum}
    return {
        name: min((each for each in (value, maximum[name]) if each is not None), default=None)
        for name, value in stored.items()
    }


def effective_limits(app_state: AppState, limits: Limits) -> Limits:
    """Return the valid *limits* of a submission, with the defaults of those that are not set.

    :raises InvalidRequest: if one is greater than the settings allow.
    """
    maximum = default_limits(app_state)
    return {**maximum, **_enforce_maximum(maximum, limits)}


def default_limits(app_state: AppState) -> Limits:
    """Return the limits of an execution that sets none itself."""
    settings = app_state.settings
    return {
        "timeout": settings.max_runtime,
        "max_llm_calls": settings.max_llm_calls,
        "max_tool_calls": settings.max_tool_calls,
        "max_tokens": settings.max_tokens,
    }


def with_graph_limits(limits: Limits, graph: Graph) -> Limits:
    """Return *limits* with a number of model calls, if neither submission nor settings give one.

    It is three times the upper estimate, so that automatic retries fit in, but not so much that the
    iterations and guardrail retries of a graph multiply to hours of calls.
    """
    if limits["max_llm_calls"] is not None:
        return limits
    calls = graph.model_calls
    highest = max(MAX_DEFAULT_CALLS, 10 * calls.lower)
    return {**limits, "max_llm_calls": max(MIN_DEFAULT_CALLS, min(3 * calls.upper, highest))}


def _enforce_maximum(maximum: Limits, limits: Limits, pointer: str = "") -> Limits:
    problems = [
        Problem(
            f"{pointer}/{name}",
            "above-limit",
            f"{name} may be {maximum[name]} at most, not {value}.",
        )
        for name, value in limits.items()
        if value is not None and maximum[name] is not None and value > maximum[name]  # type: ignore[operator]
    ]
    if problems:
        raise InvalidRequest(problems[0].detail, problems)
    return {name: value for name, value in limits.items() if value is not None}
