"""A current execution for tests of tools, guardrails and storages alone."""

from __future__ import annotations

import contextlib
import typing as t
import uuid
from collections.abc import Iterator
from collections.abc import Mapping

from flask import Flask

from ..execution_context import execution_var
from ..execution_context import ExecutionContext
from ..observability.redaction import run_redactor
from ..registry.secrets import current_secrets
from ..registry.secrets import SecretResolver
from .in_process import state_of


@contextlib.contextmanager
def as_execution(
    app: Flask,
    user_id: str = "user",
    *,
    inputs: Mapping[str, t.Any] | None = None,
    thread_id: str | None = None,
    attempt: int = 1,
    secrets: Mapping[str, str] | None = None,
) -> Iterator[ExecutionContext]:
    """Let the block work as a tool, guardrail, predicate or storage does in a run.

    It has an application context, ``current_execution`` and ``crewexec.secret``; nothing is
    stored.

    :param secrets: secrets of the user by name, instead of those of the secret provider.
    :return: what ``current_execution`` is.
    """
    app_state = state_of(app)
    given = dict(secrets or {})
    providers = app_state.secret_providers
    if secrets is not None:
        providers = [lambda name, user: given.get(name)]
    execution = ExecutionContext(
        id=uuid.uuid4(),
        user_id=user_id,
        thread_id=thread_id,
        graph_id=uuid.uuid4(),
        attempt=attempt,
        call_id=str(uuid.uuid4()),
        inputs=dict(inputs or {}),
    )
    with app.app_context(), contextlib.ExitStack() as stack:
        redact = run_redactor(app_state)
        secret = current_secrets.set(SecretResolver(providers, user_id, redact.add))
        stack.callback(current_secrets.reset, secret)
        stack.callback(execution_var.reset, execution_var.set(execution))
        yield execution
