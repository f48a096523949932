"""Fixtures for pytest. Nothing else is imported until a test asks for one of them."""

from __future__ import annotations

import contextlib
import functools
import typing as t
from collections.abc import Callable
from collections.abc import Iterator

import pytest

if t.TYPE_CHECKING:
    from flask import Flask

    from ..execution_context import ExecutionContext
    from .running import Run
    from .scripted_model import ScriptedModel


_WARNINGS_OF_CREWAI: t.Final = (
    "ignore:function_calling_llm is deprecated:DeprecationWarning",
    "ignore:Cannot set an attribute on 'crewai:ImportWarning",
    "ignore::DeprecationWarning:crewai",
)


def pytest_configure(config: pytest.Config) -> None:
    """Let no test fail of what CrewAI warns itself of."""
    for line in _WARNINGS_OF_CREWAI:
        config.addinivalue_line("filterwarnings", line)


@pytest.fixture
def crewexec_app(request: pytest.FixtureRequest) -> Flask:
    """The application that the other fixtures use: your fixture ``app``, unless you override this.

    Its database must have its tables. It needs no broker.
    """
    return t.cast("Flask", request.getfixturevalue("app"))


@pytest.fixture(scope="session")
def crewexec_model_server() -> Iterator[ScriptedModel]:
    """The server of ``crewexec_model``, for applications that live as long as the session.

    Use its ``base_url`` and ``key``; what it answers is for each test to say.
    """
    from .scripted_model import ScriptedModel

    with ScriptedModel() as model:
        yield model


@pytest.fixture
def crewexec_model(crewexec_model_server: ScriptedModel) -> Iterator[ScriptedModel]:
    """A language model that follows a script, without rules and calls at the start of a test.

    The test fails at its end if a recording is replayed and a call was not recorded.
    """
    crewexec_model_server.reset()
    yield crewexec_model_server
    try:
        crewexec_model_server.check()
    finally:
        crewexec_model_server.reset()


@pytest.fixture
def crewexec_run(crewexec_app: Flask, crewexec_model: ScriptedModel) -> Callable[..., Run]:
    """Run a graph with the real engine in this process: ``crewexec_run(graph, inputs)``.

    It needs neither a broker nor a worker, and ``crewexec_model`` answers for all models. It takes
    the keyword arguments of ``flask_crewexec.testing.run``, and returns a ``Run`` with ``status``,
    ``text``, ``result``, ``steps``, ``calls``, ``events`` and ``error``.
    """
    from .running import run

    return functools.partial(run, crewexec_app, model=crewexec_model)


@pytest.fixture
def crewexec_eager(crewexec_app: Flask, crewexec_model: ScriptedModel) -> Iterator[None]:
    """Let what your own views queue run to its end before they return.

    It needs neither a broker nor a worker, and ``crewexec_model`` answers for all models.
    """
    from .in_process import eager

    with eager(crewexec_app, crewexec_model):
        yield


@pytest.fixture
def crewexec_as_execution(
    crewexec_app: Flask,
) -> Callable[..., contextlib.AbstractContextManager[ExecutionContext]]:
    """Test a tool alone: ``with crewexec_as_execution(user_id="ada"): …``.

    Within the block, there is an application context, ``current_execution`` and
    ``crewexec.secret``, as in a run. It takes the arguments of
    ``flask_crewexec.testing.as_execution``.
    """
    from .execution import as_execution

    return functools.partial(as_execution, crewexec_app)
