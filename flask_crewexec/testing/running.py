"""Runs a graph in a test, with the real engine."""

from __future__ import annotations

import contextlib
import functools
import typing as t
import uuid
from collections.abc import Iterator
from collections.abc import Mapping

from flask import Flask

from ..app_state import current_app_state
from ..services.async_execution_service import AsyncExecutionService
from ..services.graph_service import GraphService
from ..services.input_requests import read_all
from .due_times import let_time_pass
from .in_process import eager
from .recording import Recording
from .requests import Json
from .scripted_model import ScriptedModel

Graph: t.TypeAlias = Mapping[str, t.Any] | uuid.UUID | str
"""A document, or the id of a stored graph."""

_CONTENTS: t.Final = ("text", "value", "arguments")
_service: t.Final = AsyncExecutionService()


def run(
    app: Flask,
    graph: Graph,
    inputs: Mapping[str, t.Any] | None = None,
    *,
    user_id: str = "user",
    model: ScriptedModel | None = None,
    **options: t.Any,
) -> Run:
    """Run a graph with the real engine in this process, and return what became of it.

    Neither a broker nor a worker is needed, but the tables must exist. The run has ended, or
    waits for people or for a retry.

    :param graph: a document, which is stored, or the id of a stored graph.
    :param user_id: owner of the execution, and of the graph.
    :param model: answers the calls of all registered models; without one, they are called.
    :param options: further arguments of ``AsyncExecutionService.queue_execution``.
    :raises CrewExecError: if the graph or the inputs are invalid.
    :raises UnrecordedCall: if *model* replays a recording, and was asked something else.
    """
    __tracebackhide__ = True
    with app.app_context():
        graph_id = _stored(graph, user_id) if isinstance(graph, Mapping) else graph
    with _working(app, model):
        id = _service.queue_execution(graph_id, None, user_id, inputs, **options)
    return Run(app, id, model)


def _stored(document: Mapping[str, t.Any], user_id: str) -> uuid.UUID:
    return GraphService().create(document, user_id).graph.id


class Run:
    """An execution in a test. Its properties are read from the database each time."""

    def __init__(self, app: Flask, id: str, model: ScriptedModel | None) -> None:
        self._app = app
        self._model = model
        self.id = id

    def __repr__(self) -> str:
        return f"<Run {self.id}: {self.status}, {self.error or self.text!r}>"

    @property
    def document(self) -> Json:
        """What ``AsyncExecutionService.get_task_status`` returns."""
        with self._app.app_context():
            return _service.get_task_status(self.id)

    @property
    def status(self) -> str:
        """The status, such as ``completed``."""
        return t.cast(str, self.document["status"])

    @property
    def text(self) -> str | None:
        """The text of the result, or None if there is none."""
        result = self.result
        return None if result is None else result["raw"]

    @property
    def result(self) -> Json | None:
        """The result: ``raw``, the text, and ``json``; or None."""
        return t.cast("Json | None", self.document["result"])

    @property
    def error(self) -> Json | None:
        """Why it has failed, with ``code`` and ``message``; or None."""
        return t.cast("Json | None", self.document["error"])

    @property
    def steps(self) -> list[Json]:
        """The steps in their order, each with ``name``, ``status``, ``output`` and ``json``."""
        return t.cast("list[Json]", self.document["steps"])

    @property
    def calls(self) -> list[Json]:
        """All calls of models and tools, and checks, in their order."""
        read = functools.partial(_service.get_calls, self.id, limit=100)
        return self._all(read, "number")

    @property
    def events(self) -> list[Json]:
        """All events, in their order."""
        return self._all(functools.partial(_service.get_events, self.id), "seq")

    @property
    def input_requests(self) -> list[Json]:
        """What it asks people at the moment, in the order in which it was asked."""
        with self._app.app_context():
            found = read_all(current_app_state(), None, execution_id=self.id, status="open")
            return [*found][::-1]

    def answer(self, decision: str, *, step: str | None = None, **content: t.Any) -> t.Self:
        """Answer the first open request, and let the execution continue.

        :param decision: ``"approve"``, ``"change"``, ``"edit"``, ``"respond"`` or ``"reject"``.
        :param step: the first request of the step with this name.
        :param content: further arguments of ``AsyncExecutionService.answer``, such as ``text``.
        :raises AssertionError: if there is no such request.
        """
        requests = [each for each in self.input_requests if step in (None, each["step_name"])]
        __tracebackhide__ = True
        assert requests, f"Nobody is asked anything at the moment: {self!r}."
        with _working(self._app, self._model):
            _service.answer(requests[0]["id"], decision, **content)
        return self

    def answer_as_recorded(self, recording: Recording) -> t.Self:
        """Answer everything that is asked as people did when an execution was recorded.

        :raises AssertionError: if something else is asked.
        """
        for each in recording.answers:
            content = {name: each[name] for name in _CONTENTS if name in each}
            self.answer(each["decision"], step=each["step_name"], bypass=True, **content)
        return self

    def advance(self, seconds: float) -> t.Self:
        """Let time pass for all executions, and let happen what is due then.

        Due times are moved, not the clock: retries begin, requests expire, deadlines end.
        """
        with _working(self._app, self._model):
            let_time_pass(seconds)
        return self

    def record(self) -> Json:
        """Return a recording of the execution, which a :class:`ScriptedModel` replays."""
        with self._app.app_context():
            return _service.record(self.id)

    def _all(self, read: t.Callable[..., list[Json]], number: str) -> list[Json]:
        found: list[Json] = []
        with self._app.app_context():
            while page := read(after=found[-1][number] if found else 0):
                found += page
        return found


@contextlib.contextmanager
def _working(app: Flask, model: ScriptedModel | None) -> Iterator[None]:
    __tracebackhide__ = True
    with app.app_context(), eager(app, model):
        yield
