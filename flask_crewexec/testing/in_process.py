"""Lets crews run in the process of a test: without a broker, a worker or a real model."""

from __future__ import annotations

import contextlib
import dataclasses
import threading
import typing as t
import warnings
from collections.abc import Iterator

from flask import Flask

from ..app_state import AppState
from ..registry.specs import LLMSpec
from ..worker.preload import import_runtime
from .scripted_model import ScriptedModel

_WATCHDOG: t.Final = "crewexec-watchdog"
_JOIN_SECONDS: t.Final = 10.0


@contextlib.contextmanager
def eager(app: Flask, model: ScriptedModel | None = None) -> Iterator[None]:
    """Let executions run to their end where they are queued, in this process.

    Within the block, Celery's ``task_always_eager`` is set. No broker is used, handlers are told
    of what has happened after each run, and an answer to an input request continues its execution
    at once. Commit what the run should see before you queue it.

    :param model: answers the calls of all registered models, so that no real one is asked.
    :raises UnrecordedCall: at the end, if the model was asked what was not recorded.
    """
    __tracebackhide__ = True
    app_state = state_of(app)
    conf = app_state.celery.conf
    before, conf.task_always_eager = conf.task_always_eager, True
    try:
        _import_engine()
        with contextlib.nullcontext() if model is None else _standing_in(app_state, model):
            yield
    finally:
        conf.task_always_eager = before
        _end_watchdogs()


def state_of(app: Flask) -> AppState:
    """Return the state of an application.

    :raises RuntimeError: if it has no ``CrewExec``.
    """
    app_state = app.extensions.get("crewexec")
    if app_state is None:
        raise RuntimeError(
            "This application has no 'CrewExec'. Call 'CrewExec(app, db=db)', or 'init_app(app)'"
            " in your application factory."
        )
    return t.cast(AppState, app_state)


@contextlib.contextmanager
def _standing_in(app_state: AppState, model: ScriptedModel) -> Iterator[None]:
    """Let *model* answer for all registered models."""
    __tracebackhide__ = True
    llms = app_state.registry.llms
    before = dict(llms)
    llms.update({name: _scripted(spec, model) for name, spec in before.items()})
    try:
        yield
    finally:
        llms.update(before)
    model.check()


def _scripted(spec: LLMSpec, model: ScriptedModel) -> LLMSpec:
    # Options of other providers mean nothing to OpenAI's client.
    kept = spec.options.keys() if spec.provider == "openai" else {"stream"}
    return dataclasses.replace(
        spec,
        model=spec.name if callable(spec.model) else spec.model,
        provider="openai",
        base_url=model.base_url,
        api_key=model.key,
        options={name: value for name, value in spec.options.items() if name in kept},
    )


def _import_engine() -> None:
    """Import CrewAI, whose warnings are not for the host's tests to fail of."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import_runtime()


def _end_watchdogs() -> None:
    """Wait for the threads that looked after runs: their connections would outlive the database."""
    for thread in threading.enumerate():
        if thread.name == _WATCHDOG:
            thread.join(_JOIN_SECONDS)
