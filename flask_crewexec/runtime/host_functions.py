"""Functions that the host registered, called for an execution."""

from __future__ import annotations

import functools
import typing as t
from collections.abc import Callable

from flask import current_app
from flask import Flask

from ..execution_context import execution_var
from ..execution_context import ExecutionContext

P = t.ParamSpec("P")
R = t.TypeVar("R")


def in_context(function: Callable[P, R], execution: ExecutionContext) -> Callable[P, R]:
    """Give the function an application context of its own and ``current_execution``.

    CrewAI may call it from a thread that inherited neither.
    """
    app: Flask = current_app._get_current_object()  # type: ignore[attr-defined]

    @functools.wraps(function)
    def call(*args: P.args, **kwargs: P.kwargs) -> R:
        token = execution_var.set(execution)
        try:
            with app.app_context():
                return function(*args, **kwargs)
        finally:
            execution_var.reset(token)

    return call
