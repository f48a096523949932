"""Event sink of one run: CrewAI's events -> steps, usage and history.

CrewAI calls it synchronously and in order, so a completed step is committed before the next one
starts.
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
from contextvars import ContextVar

from ..config.pricing import cost_nanos
from ..config.settings import Settings
from ..errors import LeaseLost
from ..graphs import Graph
from ..models import Usage
from ..observability.redaction import Redactor
from ..statuses import ExecutionStatus
from ..statuses import StepStatus
from ..text import storable
from ..text import truncate
from .budget import Budget
from .crewai_shims.public_api import crewai
from .crewai_shims.public_api import TaskOutput
from .error_mapping import failure_of_write
from .finish_reasons import note_finish_reason
from .model_failures import is_length_limit
from .openai_protocol.usage import read_usage
from .recorder import RunRecorder
from .recorder import Values
from .resume_state import CONDITION_MET
from .resume_state import CREW_PLANNED
from .run_control import RunControl
from .stop_reasons import LeaseLostStop
from .stop_reasons import OutdatedSchemaStop
from .stop_reasons import RefusedValueStop
from .stop_reasons import StopRun
from .stop_reasons import StorageFailedStop
from .token_stream import TokenStream

log = logging.getLogger(__name__)

_current_step: ContextVar[int | None] = ContextVar("crewexec_step", default=None)
"""Position of the step that runs in the current context; several steps may run in parallel."""

_NOT_STORED: t.Final = {"messages", "summary", "tool_failures"}
MAX_ROLE: t.Final = 200
"""Maximum length of a stored role; inputs may make roles longer."""


class CrewEventHandler:
    """The event sink of one run."""

    def __init__(
        self,
        settings: Settings,
        graph: Graph,
        *,
        recorder: RunRecorder,
        control: RunControl,
        budget: Budget,
        new_token_stream: Callable[[], TokenStream],
        redact: Redactor,
    ) -> None:
        self._settings = settings
        self._graph = graph
        self._recorder = recorder
        self._control = control
        self._budget = budget
        self._new_token_stream = new_token_stream
        self._token_streams: dict[int | None, TokenStream] = {}
        self._redact = redact
        self._positions: dict[str, int] = {}
        self._call_starts: dict[str, float] = {}
        self._lock = threading.Lock()
        self._finished_steps = 0
        self._running: dict[int, str | None] = {}
        self._failed: int | None = None
        self._truncated: set[int | None] = set()

    def bind_tasks(self, crew: crewai.Crew, finished: int) -> None:
        """Map CrewAI's tasks to steps.

        :param finished: number of steps that earlier attempts have finished.
        """
        self._positions = {str(task.id): position for position, task in enumerate(crew.tasks)}
        self._finished_steps = finished

    @property
    def current_step(self) -> str | None:
        """Name of the step that runs in the current context."""
        return self._name(_current_step.get())

    @property
    def interrupted_step(self) -> str | None:
        """Name of the step that has failed, or else of the last one that is still running."""
        return self._name(
            next(reversed(self._running), None) if self._failed is None else self._failed
        )

    def _name(self, position: int | None) -> str | None:
        return None if position is None else self._graph.tasks[position].name

    def __call__(self, source: object, event: t.Any) -> None:
        """Handle an event; errors stop the run, since CrewAI would only log them."""
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
        except LeaseLost as error:
            self._control.stop(LeaseLostStop(str(error)))
        except Exception as error:
            log.exception("Could not store the progress of a run; the run stops.")
            self._control.stop(_stop_of_storage_error(error))

    def call_allowed(self, context: t.Any) -> None:
        """Count a model call that the run control allows.

        It is counted before it is made, since it is paid for even if its end is never seen.
        """
        self.count_call()
        if context.executor is None:  # with one, the start of the call follows, which is written
            with self._recording():
                self._recorder.flush()
        self._control.raise_if_stopped()

    def count_call(self) -> None:
        """Count a model call before it is made."""
        with self._recording():
            self._recorder.add_usage(_current_step.get(), Usage(llm_calls=1))

    def count_tool_call(self, context: object) -> None:
        """Count a tool call before it is made; the count is written with the next change."""
        with self._recording():
            self._recorder.add_usage(_current_step.get(), Usage(tool_calls=1))

    def add_event(self, type: str, **data: object) -> None:
        """Add an event to the history."""
        with self._lock:
            self._recorder.add_event(type, **data)

    def _step_started(self, source: object, event: t.Any) -> None:
        """Record the start of a step; it is written together with its first call."""
        position = self._positions.get(event.task_id)
        if position is None or self._control.stopped is not None:
            return  # delegated work belongs to the step around it
        _current_step.set(position)
        assigned = event.task.agent
        step, agent = self.current_step, assigned and truncate(assigned.role, MAX_ROLE)
        self._running[position] = agent
        self._recorder.add_event("step_started", step=step, agent=agent)
        self._recorder.change_step(
            position,
            {
                "status": ExecutionStatus.RUNNING,
                "agent": agent,
                "started_at": self._recorder.now(),
                "finished_at": None,
            },
            {"current_step": step, "current_agent": agent},
        )

    def _step_completed(self, source: object, event: t.Any) -> None:
        position, stopped = self._positions.get(event.task_id), self._control.stopped
        if position is None:
            return
        if stopped is not None and not stopped.finish_running_steps:
            return
        agent = truncate(event.output.agent, MAX_ROLE)
        self._recorder.add_event("step_completed", step=self.current_step, agent=agent)
        self._running.pop(position, None)
        output = {"output": self._storable(event.output, position), "agent": agent}
        end = {"finished_at": self._recorder.now(), "truncated": position in self._truncated}
        self._recorder.change_step(
            position,
            {"status": ExecutionStatus.COMPLETED, **output, **end},
            self._count_finished_step(),
        )
        self._recorder.flush()
        _current_step.set(None)

    def _step_failed(self, source: object, event: t.Any) -> None:
        if self._failed is None:
            self._failed = self._positions.get(event.task_id)

    def _count_finished_step(self) -> Values:
        """Count a finished step and return the columns of the execution that change."""
        self._finished_steps += 1
        other = next(reversed(self._running), None)
        return {
            "finished_steps": self._finished_steps,
            "current_step": self._name(other),
            "current_agent": None if other is None else self._running[other],
        }

    def record_plans(self, plans: dict[str, str]) -> dict[str, str]:
        """Store the crew's plans, by the names of its steps, and return them as they are stored."""
        limit = self._settings.max_event_chars
        stored = {
            name: truncate(self._redact(storable(plan)), limit) for name, plan in plans.items()
        }
        with self._recording():
            self._recorder.add_event(CREW_PLANNED, plans=stored)
            self._recorder.flush()
        self._control.raise_if_stopped()
        return stored

    def record_condition(self, position: int, skipped: TaskOutput | None) -> None:
        """Store the decision of a step's condition before the crew continues.

        :param skipped: the output of the step if it is skipped.
        """
        self._control.raise_if_stopped()
        task = self._graph.tasks[position]
        data = {"step": task.name, "condition": task.condition}
        with self._recording():
            if skipped is None:
                self._recorder.add_event(CONDITION_MET, **data)
            else:
                self._recorder.add_event("step_skipped", **data)
                values = {
                    "output": self._storable(skipped, position),
                    "finished_at": self._recorder.now(),
                }
                changes = {"status": StepStatus.SKIPPED, **values}
                self._recorder.change_step(position, changes, self._count_finished_step())
            self._recorder.flush()
        self._control.raise_if_stopped()

    def _call_started(self, source: object, event: t.Any) -> None:
        self._call_starts[event.call_id] = time.monotonic()
        self._recorder.add_event(
            "model_call_started",
            model=event.model,
            agent=_agent_of(event),
            step=self.current_step,
        )
        self._recorder.flush()

    def _call_completed(self, source: object, event: t.Any) -> None:
        usage = self._with_cost(event.model, usage_of(event.usage or {}))
        self._recorder.add_usage(_current_step.get(), usage)
        self._budget.add_usage(usage)
        cost = {"cost": usage.cost} if event.model in self._settings.prices else {}
        self._end_call("model_call_completed", event, tokens=usage.total_tokens, **cost)
        note_finish_reason(event.finish_reason)
        self._note_length(event)

    def _note_length(self, event: t.Any) -> None:
        """Note whether the latest answer of a step's agent has reached its maximum length."""
        position, agent = _current_step.get(), _agent_of(event)
        if is_length_limit(event.finish_reason):
            model = {"model": event.model, "agent": agent, "step": self.current_step}
            self._recorder.add_event("answer_truncated", **model)
            self._truncated.add(position)
        elif agent is not None:  # not the judge of an answer
            self._truncated.discard(position)

    def _call_failed(self, source: object, event: t.Any) -> None:
        if event.call_id in self._call_starts:  # CrewAI reports some failures twice
            self._end_call("model_call_failed", event)

    def _on_token(self, source: object, event: t.Any) -> None:
        stream = self._token_streams.setdefault(_current_step.get(), self._new_token_stream())
        stream.feed(event.chunk, step=self.current_step, agent=_agent_of(event))

    def _with_cost(self, model: str, usage: Usage) -> Usage:
        tokens = (usage.prompt_tokens, usage.completion_tokens)
        return usage._replace(cost_nanos=cost_nanos(self._settings.prices, model, *tokens))

    def _end_call(self, type: str, event: t.Any, **data: object) -> None:
        if stream := self._token_streams.get(_current_step.get()):
            stream.flush(step=self.current_step, agent=_agent_of(event))
        started_at = self._call_starts.pop(event.call_id, None)
        seconds = None if started_at is None else round(time.monotonic() - started_at, 3)
        common = {
            "model": event.model,
            "agent": _agent_of(event),
            "step": self.current_step,
            "seconds": seconds,
        }
        self._recorder.add_event(type, **common, **data)

    def _tool_started(self, source: object, event: t.Any) -> None:
        self._recorder.add_event("tool_started", **self._tool_data(event))
        self._recorder.flush()

    def _tool_finished(self, source: object, event: t.Any) -> None:
        output = self._shorten(str(event.output))
        self._recorder.add_event("tool_finished", **self._tool_data(event), output=output)

    def _tool_failed(self, source: object, event: t.Any) -> None:
        reason = self._shorten(str(event.error))
        self._recorder.add_event("tool_failed", **self._tool_data(event), reason=reason)

    def _tool_data(self, event: t.Any) -> Values:
        tool = truncate(event.tool_name, MAX_ROLE)  # a model may have made it up
        return {"tool": tool, "agent": _agent_of(event), "step": self.current_step}

    def _shorten(self, text: str) -> str:
        return truncate(self._redact(storable(text)), self._settings.max_event_chars)

    def _storable(self, output: t.Any, position: int) -> dict[str, t.Any]:
        """Return the part of an output that a later attempt needs to resume after the step.

        The task's texts are those of the graph, so that contents of input files are not stored;
        nor are the arguments of failed tool calls.
        """
        task = self._graph.tasks[position]
        raw = truncate(storable(output.raw), self._settings.max_output_chars)
        texts = {"description": task.description, "expected_output": task.expected_output}
        agent = truncate(output.agent, MAX_ROLE)
        cleaned = output.model_copy(update={"raw": raw, "agent": agent, **texts})
        dumped = json.loads(cleaned.model_dump_json(exclude=_NOT_STORED))
        stored: dict[str, t.Any] = self._redact.value(dumped)
        return stored

    _HANDLERS: t.ClassVar[dict[str, Callable[[CrewEventHandler, object, t.Any], None]]] = {
        "task_started": _step_started,
        "task_completed": _step_completed,
        "task_failed": _step_failed,
        "llm_call_started": _call_started,
        "llm_stream_chunk": _on_token,
        "llm_call_completed": _call_completed,
        "llm_call_failed": _call_failed,
        "tool_usage_started": _tool_started,
        "tool_usage_finished": _tool_finished,
        "tool_usage_error": _tool_failed,
    }


def _stop_of_storage_error(error: Exception) -> StopRun:
    failure = failure_of_write(error)
    if failure is None:
        return StorageFailedStop("The progress of the run could not be stored.")
    kinds = {kind.code: kind for kind in (RefusedValueStop, OutdatedSchemaStop)}
    return kinds[failure.code](failure.message)


def _agent_of(event: t.Any) -> str | None:
    """Return the agent's role, at its stored length."""
    role: str | None = event.agent_role
    return role and truncate(role, MAX_ROLE)


def usage_of(reported: dict[str, t.Any]) -> Usage:
    """Return the usage that a provider has reported, in OpenAI's or Anthropic's terms."""
    usage = read_usage(reported)
    return Usage(
        prompt_tokens=usage.get("prompt_tokens", 0),
        completion_tokens=usage.get("completion_tokens", 0),
    )
