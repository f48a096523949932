"""Callbacks of the host, called in an application context on behalf of an execution."""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import typing as t
from collections.abc import Callable
from collections.abc import Iterator

from flask import current_app
from flask import Flask

from ..execution_context import execution_var
from ..registry.secrets import current_secrets
from .call_log.run_calls import current_call_id
from .run_context import RunContext

P = t.ParamSpec("P")
R = t.TypeVar("R")


def with_run_context(function: Callable[P, R], run_context: RunContext) -> Callable[P, R]:
    """Let the function run in its own application context, with ``current_execution`` and secrets.

    CrewAI may call it from a thread that has inherited none of them.
    """
    app: Flask = current_app._get_current_object()  # type: ignore[attr-defined]

    @functools.wraps(function)
    def call(*args: P.args, **kwargs: P.kwargs) -> R:
        with _set(run_context), app.app_context():
            return function(*args, **kwargs)

    return call


@contextlib.contextmanager
def _set(run_context: RunContext) -> Iterator[None]:
    call_id = current_call_id.get()
    execution = execution_var.set(dataclasses.replace(run_context.execution, call_id=call_id))
    secrets = current_secrets.set(run_context.secrets)
    try:
        yield
    finally:
        current_secrets.reset(secrets)
        execution_var.reset(execution)
