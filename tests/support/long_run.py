"""A long execution as its rows tell it: four attempts, fifty steps and six hundred calls.

Each attempt ends in the middle of a step, with a failed call; the next one continues there.
"""

from __future__ import annotations

import datetime as dt
import typing as t
import uuid

from flask_crewexec.app_state import AppState

from .graphs import documents

STEPS: t.Final = 50
CALLS_OF_STEP: t.Final = 12
CALLS: t.Final = STEPS * CALLS_OF_STEP
BREAKS: t.Final = (12, 25, 40)
"""Positions of the steps in which attempts end, with the step's last call."""
PAUSE: t.Final = 600.0
SCRIPTS: t.Final = ("Summarise the news", "总结今天的新闻", "لخّص أخبار اليوم")
NAMES: t.Final = [f"{SCRIPTS[n % len(SCRIPTS)]} {n}" for n in range(STEPS)]
_SECOND: t.Final = 0.5
"""Duration of a call. The next one follows after as long a time."""

Json = dict[str, t.Any]


def document(steps: int = STEPS) -> documents.Document:
    """The graph: a chain of steps with names in three scripts."""
    chain = documents.chain(*(f"t{n}" for n in range(steps)))
    for n, name in enumerate(NAMES[:steps]):
        documents.with_data(chain, f"t{n}", name=name)
    return chain


def insert(
    app_state: AppState,
    graph_id: str,
    owner_id: str,
    begin: dt.datetime,
    *,
    steps: int = STEPS,
    calls_of_step: int = CALLS_OF_STEP,
) -> str:
    """Insert such an execution of a stored graph, with all its rows; return its id.

    With fewer steps, or fewer calls in each, it is a short one.
    """
    models, history = app_state.models, _History(begin, calls_of_step)
    history.write(NAMES[:steps])
    calls = len(history.calls)
    execution = models.execution(
        owner_id=owner_id,
        graph_id=uuid.UUID(graph_id),
        graph_version=1,
        status="completed",
        priority=5,
        inputs={},
        attempt=history.attempt,
        created_at=begin,
        queued_at=begin,
        started_at=begin,
        finished_at=history.now,
        total_steps=steps,
        finished_steps=steps,
        last_event=len(history.events),
        result={"raw": "Everything is done."},
        llm_calls=-(-calls // 2),
        tool_calls=calls // 2,
    )
    tables = {models.event: history.events, models.step: history.steps, models.call: history.calls}
    with app_state.database.write_transaction() as session:
        session.add(execution)
        session.flush()
        for model, rows in tables.items():
            session.add_all(model(execution_id=execution.id, **values) for values in rows)
        return str(execution.id)


class _History:
    """The rows of the run, with a clock of its own."""

    def __init__(self, begin: dt.datetime, calls_of_step: int) -> None:
        self._calls_of_step = calls_of_step
        self.now, self.attempt = begin, 1
        self.events: list[Json] = []
        self.steps: list[Json] = []
        self.calls: list[Json] = []

    def write(self, names: t.Sequence[str]) -> None:
        self._event("queued", priority=5)
        self._event("started", attempt=1)
        for position, name in enumerate(names):
            begin = self.now
            self._event("step_started", step=name, agent="Writer")
            for number in range(self._calls_of_step):
                is_break = position in BREAKS and number == self._calls_of_step - 1
                self._call(position, number, "failed" if is_break else "done")
                if is_break:
                    self._next_attempt(name)
            self._event("step_completed", step=name, agent="Writer")
            self._step(position, name, begin)
        self._event("completed")

    def _event(self, type: str, **data: object) -> None:
        seq = len(self.events) + 1
        self.events.append({"seq": seq, "type": type, "data": data, "created_at": self.now})

    def _call(self, position: int, number: int, status: str) -> None:
        begin = self.now
        self.now += dt.timedelta(seconds=_SECOND)
        is_model = number % 2 == 0
        self.calls.append(
            {
                "number": len(self.calls) + 1,
                "attempt": self.attempt,
                "step": position,
                "path": str(number),
                "kind": "model" if is_model else "tool",
                "name": "gpt-4o-mini" if is_model else "search",
                "agent": "Writer",
                "status": status,
                "started_at": begin,
                "finished_at": self.now,
            }
        )
        self.now += dt.timedelta(seconds=_SECOND)

    def _next_attempt(self, name: str) -> None:
        self._event("retrying", code="provider-unavailable", seconds=PAUSE)
        self.now += dt.timedelta(seconds=PAUSE)
        self.attempt += 1
        self._event("queued", attempt=self.attempt)
        self.now += dt.timedelta(seconds=_SECOND)
        self._event("started", attempt=self.attempt)
        self._event("step_continued", step=name, calls=self._calls_of_step)

    def _step(self, position: int, name: str, begin: dt.datetime) -> None:
        self.steps.append(
            {
                "position": position,
                "node_id": f"t{position}",
                "name": name,
                "agent": "Writer",
                "status": "completed",
                "output": {"raw": f"Output of {name}"},
                "llm_calls": -(-self._calls_of_step // 2),
                "started_at": begin,
                "finished_at": self.now,
            }
        )
