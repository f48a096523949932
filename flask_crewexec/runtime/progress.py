"""CrewAI's events -> steps, usage and history.

CrewAI calls the sink synchronously, in the order of what happens, so a finished step is committed
before the next one starts.
"""

from __future__ import annotations

import contextlib
import json
import logging
import threading
import time
import typing as t
from collections.abc import Callable
from collections.abc import Iterator

from .. import clock
from ..claims import SKIPPED
from ..errors import ClaimLost
from ..events import clean
from ..events import shorten
from ..graphs import Graph
from ..graphs import TaskNode
from ..models import Usage
from ..prices import cost_nanos
from ..redaction import Redactor
from ..settings import Settings
from ..states import State
from .budget import Budget
from .crewai_setup import crewai
from .crewai_setup import OpenAICompletion
from .crewai_setup import TaskOutput
from .guards import AnswerCutOff
from .guards import Guards
from .guards import RunTakenAway
from .guards import RunUnrecorded
from .ledger import Ledger
from .ledger import Values
from .words import Words
from .work import CONDITION_MET

log = logging.getLogger(__name__)

MAX_AGENT: t.Final = 200
"""Longest role that is kept; inputs may make it longer."""


class Progress:
    """The event sink of one run."""

    def __init__(
        self,
        settings: Settings,
        graph: Graph,
        ledger: Ledger,
        guards: Guards,
        budget: Budget,
        words: Words,
        redact: Redactor,
    ) -> None:
        self._settings = settings
        self._graph = graph
        self._ledger = ledger
        self._guards = guards
        self._budget = budget
        self._words = words
        self.redact = redact
        self._positions: dict[str, int] = {}
        self._calls: dict[str, float] = {}
        self._lock = threading.Lock()
        self._finished = 0
        self.current: int | None = None
        """Position of the step that is under way."""

    def watch(self, crew: crewai.Crew, finished: int) -> None:
        """Learn which of CrewAI's tasks is which step, and how many were finished before."""
        self._positions = {str(task.id): position for position, task in enumerate(crew.tasks)}
        self._finished = finished

    @property
    def current_step(self) -> str | None:
        """Name of the step that is under way."""
        return None if self.current is None else self._graph.tasks[self.current].name

    def __call__(self, source: object, event: t.Any) -> None:
        """Take an event; what goes wrong stops the run, since CrewAI would only log it."""
        handle = self._HANDLERS.get(event.type)
        if handle is None:
            return
        with self._recording():
            handle(self, source, event)

    @contextlib.contextmanager
    def _recording(self) -> Iterator[None]:
        try:
            with self._lock:
                yield
        except ClaimLost as error:
            self._guards.stop(RunTakenAway(str(error)))
        except Exception:
            log.exception("The progress of a run could not be stored; the run stops.")
            self._guards.stop(RunUnrecorded("What the run did could not be stored."))

    def call_allowed(self, context: t.Any) -> None:
        """Count a model call that the guards allow.

        Now: it is paid for even if we do not see its end. An agent's work asks before the call is
        said to have started, which writes; all else asks afterwards.
        """
        with self._recording():
            self._ledger.use(self.current, Usage(llm_calls=1))
            if context.executor is None:
                self._ledger.write()
        self._guards.raise_if_stopped()

    def note(self, type: str, **data: object) -> None:
        """Add an event to the history."""
        with self._lock:
            self._ledger.note(type, **data)

    def _step_started(self, source: object, event: t.Any) -> None:
        position = self._positions.get(event.task_id)
        if position is None or self._guards.stopped is not None:
            return  # what an agent delegated counts for the step around it
        self.current = position
        assigned = event.task.agent
        step, agent = self.current_step, assigned and shorten(assigned.role, MAX_AGENT)
        self._ledger.note("step_started", step=step, agent=agent)
        self._ledger.write_step(
            position,
            {
                "status": State.RUNNING,
                "agent": agent,
                "started_at": clock.now(),
                "finished_at": None,
            },
            {"current_step": step, "current_agent": agent},
        )

    def _step_completed(self, source: object, event: t.Any) -> None:
        position = self._positions.get(event.task_id)
        if position is None or self._guards.stopped is not None:
            return
        agent = shorten(event.output.agent, MAX_AGENT)
        self._ledger.note("step_completed", step=self.current_step, agent=agent)
        output = {"output": self._storable(event.output), "agent": agent}
        self._ledger.write_step(
            position,
            {"status": State.COMPLETED, "finished_at": clock.now(), **output},
            self._one_more_finished(),
        )
        self.current = None

    def _one_more_finished(self) -> Values:
        self._finished += 1
        return {"finished_steps": self._finished, "current_step": None, "current_agent": None}

    def step_decided(self, task: TaskNode, skipped: TaskOutput | None) -> None:
        """Store what a step's condition has decided, before anything follows from it.

        :param skipped: the output of a step that is not done.
        """
        self._guards.raise_if_stopped()
        told = {"step": task.name, "condition": task.condition}
        with self._recording():
            if skipped is None:
                self._ledger.note(CONDITION_MET, **told)
                self._ledger.write()
            else:
                self._ledger.note("step_skipped", **told)
                values = {"output": self._storable(skipped), "finished_at": clock.now()}
                self._ledger.write_step(
                    self._graph.tasks.index(task),
                    {"status": SKIPPED, **values},
                    self._one_more_finished(),
                )
        self._guards.raise_if_stopped()

    def _call_started(self, source: object, event: t.Any) -> None:
        self._calls[event.call_id] = time.monotonic()
        self._ledger.note("model_call_started", model=event.model, agent=event.agent_role)
        self._ledger.write()

    def _call_completed(self, source: object, event: t.Any) -> None:
        usage = self._priced(event.model, usage_of(event.usage or {}))
        self._ledger.use(self.current, usage)
        self._budget.spend(usage)
        self._note_call("model_call_completed", event, tokens=usage.total_tokens)
        if isinstance(source, OpenAICompletion) and source.stream and event.finish_reason is None:
            self._guards.stop(AnswerCutOff("The model's answer was cut off."))

    def _call_failed(self, source: object, event: t.Any) -> None:
        if event.call_id in self._calls:  # CrewAI reports some failures twice
            self._note_call("model_call_failed", event)

    def _word(self, source: object, event: t.Any) -> None:
        self._words.add(event.chunk, step=self.current_step, agent=event.agent_role)

    def _priced(self, model: str, usage: Usage) -> Usage:
        tokens = (usage.prompt_tokens, usage.completion_tokens)
        return usage._replace(cost_nanos=cost_nanos(self._settings.prices, model, *tokens))

    def _note_call(self, type: str, event: t.Any, **data: object) -> None:
        self._words.flush(step=self.current_step, agent=event.agent_role)
        began = self._calls.pop(event.call_id, None)
        seconds = None if began is None else round(time.monotonic() - began, 3)
        common = {"model": event.model, "agent": event.agent_role, "seconds": seconds}
        self._ledger.note(type, **common, **data)

    def _tool_started(self, source: object, event: t.Any) -> None:
        self._ledger.note("tool_started", tool=event.tool_name, agent=event.agent_role)
        self._ledger.write()

    def _tool_finished(self, source: object, event: t.Any) -> None:
        output = shorten(self.redact(str(event.output)), self._settings.max_event_chars)
        common = {"tool": event.tool_name, "agent": event.agent_role}
        self._ledger.note("tool_finished", **common, output=output)

    def _tool_failed(self, source: object, event: t.Any) -> None:
        self._ledger.note("tool_failed", tool=event.tool_name, agent=event.agent_role)

    def _storable(self, output: t.Any) -> dict[str, t.Any]:
        """What a later attempt needs to continue behind the step."""
        raw = shorten(clean(output.raw), self._settings.max_output_chars)
        cleaned = output.model_copy(update={"raw": raw})
        dumped = json.loads(cleaned.model_dump_json(exclude={"messages"}))
        stored: dict[str, t.Any] = self.redact.value(dumped)
        return stored

    _HANDLERS: t.ClassVar[dict[str, Callable[[Progress, object, t.Any], None]]] = {
        "task_started": _step_started,
        "task_completed": _step_completed,
        "llm_call_started": _call_started,
        "llm_stream_chunk": _word,
        "llm_call_completed": _call_completed,
        "llm_call_failed": _call_failed,
        "tool_usage_started": _tool_started,
        "tool_usage_finished": _tool_finished,
        "tool_usage_error": _tool_failed,
    }


def usage_of(reported: dict[str, t.Any]) -> Usage:
    """Read a provider's figures: OpenAI's names, or Anthropic's."""
    return Usage(
        prompt_tokens=reported.get("prompt_tokens") or reported.get("input_tokens") or 0,
        completion_tokens=reported.get("completion_tokens") or reported.get("output_tokens") or 0,
    )
