"""Event sink of one run: CrewAI's events -> steps, usage and history.

CrewAI calls it synchronously and in order, so a completed step is committed before the next one
starts.
"""

from __future__ import annotations

import contextlib
import itertools
import json
import logging
import sys
import threading
import typing as t
from collections.abc import Callable
from collections.abc import Iterator

from sqlalchemy.orm import Session

from ..config.settings import Settings
from ..errors import LeaseLost
from ..graphs import Graph
from ..models import Usage
from ..observability.redaction import Redactor
from ..statuses import ExecutionStatus
from ..statuses import StepStatus
from ..storage.new_event import CONDITION_MET
from ..storage.new_event import CREW_PLANNED
from ..storage.new_event import NewEvent
from ..text import storable
from ..text import truncate
from .budget import Budget
from .call_events import CallEvents
from .call_events import current_step
from .call_events import MAX_ROLE
from .call_log.run_calls import RunCalls
from .call_log.scopes import enter_step
from .crewai_shims.public_api import crewai
from .crewai_shims.public_api import TaskOutput
from .error_mapping import causes
from .error_mapping import demands_restart
from .error_mapping import failure_of_write
from .recorder import RunRecorder
from .recorder import Values
from .run_control import RunControl
from .stop_reasons import LeaseLostStop
from .stop_reasons import OutdatedSchemaStop
from .stop_reasons import RefusedValueStop
from .stop_reasons import StopRun
from .stop_reasons import StorageFailedStop
from .stop_reasons import WaitForPersonStop
from .token_stream import TokenStream

log = logging.getLogger(__name__)

_NOT_STORED: t.Final = {"messages", "summary", "tool_failures"}


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
        self._redact = redact
        self.calls = CallEvents(
            settings,
            recorder,
            budget,
            new_token_stream,
            redact,
            step_name=lambda: self.current_step,
        )
        self._positions: dict[str, int] = {}
        self._lock = threading.Lock()
        self._finished_steps = 0
        self._running: dict[int, str | None] = {}
        self._failures: dict[int, BaseException] = {}

    def bind_calls(self, calls: RunCalls) -> None:
        """Let steps begin with the calls that earlier attempts have made."""
        self._calls = calls

    def bind_tasks(self, crew: crewai.Crew, finished: int) -> None:
        """Map CrewAI's tasks to steps.

        :param finished: number of steps that earlier attempts have finished.
        """
        self._positions = {str(task.id): position for position, task in enumerate(crew.tasks)}
        self._finished_steps = finished

    @property
    def current_step(self) -> str | None:
        """Name of the step that runs in the current context."""
        return self._name(current_step.get())

    def step_ended_by(self, error: BaseException | None) -> str | None:
        """Return the name of the step that has failed with *error*.

        If that is the failure of no step, the last one counts that is still running.
        """
        failures, running = self._failures.copy(), reversed(self._running.copy())
        own = (position for position, failure in failures.items() if failure is error)
        left = (position for position in running if position not in failures)
        return self._name(next(itertools.chain(own, left, failures), None))

    def begin_failed_steps_anew(self) -> None:
        """Let the next attempt restart all steps that would fail again otherwise."""
        for position, error in self._failures.copy().items():
            if demands_restart(error):
                generation = self._calls.generation_of(position) + 1
                self._recorder.change_step(position, {"generation": generation}, {})

    def _name(self, position: int | None) -> str | None:
        return None if position is None else self._graph.tasks[position].name

    def __call__(self, source: object, event: t.Any) -> None:
        """Handle an event; errors stop the run, since CrewAI would only log them."""
        handle = self._HANDLERS.get(event.type)
        handle_call = CallEvents.HANDLERS.get(event.type)
        if handle is None and handle_call is None:
            return
        with self._recording():
            with self._lock:
                must_write = handle and handle(self, event)
                must_write = must_write or (handle_call and handle_call(self.calls, event))
            if must_write:
                self._recorder.flush()

    @contextlib.contextmanager
    def _recording(self) -> Iterator[None]:
        """Let errors stop the run; threads do not wait for the database with the lock."""
        try:
            yield
        except LeaseLost as error:
            self._control.stop(LeaseLostStop(str(error)))
        except Exception as error:
            log.exception("Could not store the progress of a run; the run stops.")
            self._control.stop(_stop_of_storage_error(error))

    def call_allowed(self, context: t.Any) -> None:
        """Count a call that the run control allows, of a model that the graph does not name.

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
            self._recorder.add_usage(current_step.get(), Usage(llm_calls=1))

    def count_tool_call(self, context: object) -> None:
        """Count a tool call before it is made; the count is written with the next change."""
        with self._recording():
            self._recorder.add_usage(current_step.get(), Usage(tool_calls=1))

    def add_event(self, type: str, **data: object) -> None:
        """Add an event to the history."""
        self._recorder.add_event(type, **data)

    def add_tool_event(self, type: str, **data: object) -> None:
        """Add an event about a tool, with the name of the step, and its texts shortened."""
        self.calls.add_tool_event(type, **data)

    def begin_step_anew(self, position: int, generation: int) -> None:
        """Let the next attempt restart a step."""
        step = self._name(position)
        self._recorder.add_event("step_restarted", step=step, reason="diverged")
        self._recorder.change_step(position, {"generation": generation}, {})

    def flush(self) -> None:
        """Write what is collected; errors stop the run."""
        with self._recording():
            self._recorder.flush()
        self._control.raise_if_stopped()

    def write(self, change: Callable[[Session], None], *events: NewEvent) -> None:
        """Write what is collected, with another *change* and its *events*; errors stop the run."""
        with self._recording():
            self._recorder.flush_with_transition(change, *events)
        self._control.raise_if_stopped()

    def flush_soon(self) -> None:
        """Write what is collected, now or after what another thread writes."""
        with self._recording():
            self._recorder.flush_soon()

    def stop(self, reason: StopRun) -> None:
        """Let the run stop at its next boundary, because of the step of the current context.

        Steps that run in parallel stop for the same reason, maybe before this one has failed.
        """
        self._note_failure(current_step.get(), reason)
        self._control.stop(reason)

    @property
    def is_stopped(self) -> bool:
        """Whether the run stops."""
        return self._control.stopped is not None

    def _step_started(self, event: t.Any) -> bool:
        """Record the start of a step; it is written together with its first call."""
        position = self._positions.get(event.task_id)
        if position is None or self._control.stopped is not None:
            return False  # delegated work belongs to the step around it
        current_step.set(position)
        assigned = event.task.agent
        step, agent = self.current_step, assigned and truncate(assigned.role, MAX_ROLE)
        self._running[position] = agent
        self.calls.note_length(self._calls.settled_finish_reason(position), agent)
        self._recorder.add_event("step_started", step=step, agent=agent)
        self._recorder.change_step(
            position,
            {
                "status": ExecutionStatus.RUNNING,
                "agent": agent,
                "started_at": self._recorder.now(),
                "finished_at": None,
                **self._calls.begin_step(position, self._graph.tasks[position].name),
            },
            {"current_step": step, "current_agent": agent},
        )
        return False

    def _step_completed(self, event: t.Any) -> bool:
        position, stopped = self._positions.get(event.task_id), self._control.stopped
        if position is None:
            return False
        if stopped is not None and not stopped.finish_running_steps:
            return False
        agent = truncate(event.output.agent, MAX_ROLE)
        self._recorder.add_event("step_completed", step=self.current_step, agent=agent)
        self._running.pop(position, None)
        output = {"output": self._storable(event.output, position), "agent": agent}
        end = {"finished_at": self._recorder.now(), "truncated": self.calls.is_truncated(position)}
        self._recorder.change_step(
            position,
            {"status": ExecutionStatus.COMPLETED, **output, **end},
            self._count_finished_step(),
        )
        current_step.set(None)
        enter_step(None)
        return True

    def _step_failed(self, event: t.Any) -> bool:
        error = sys.exception()  # CrewAI tells of an exception while it handles it
        if error is not None and not isinstance(error, WaitForPersonStop):
            self._note_failure(self._positions.get(event.task_id), self._reason_of(error))
        return False

    def _reason_of(self, error: BaseException) -> BaseException:
        """Return why a step has failed: aborted calls, for instance, fail since the run stops."""
        stopped = self._control.stopped
        if stopped is None or (demands_restart(error) and stopped not in causes(error)):
            return error
        return stopped

    def _note_failure(self, position: int | None, error: BaseException) -> None:
        """Note how a step has failed, unless it only stops as another one has failed so."""
        known = self._failures.copy().values()
        if position is not None and all(error is not each for each in known):
            self._failures.setdefault(position, error)

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
        with self._recording(), self._lock:
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

    # Each returns whether its change is written before the run goes on.
    _HANDLERS: t.ClassVar[dict[str, Callable[[CrewEventHandler, t.Any], bool]]] = {
        "task_started": _step_started,
        "task_completed": _step_completed,
        "task_failed": _step_failed,
    }


def _stop_of_storage_error(error: Exception) -> StopRun:
    failure = failure_of_write(error)
    if failure is None:
        return StorageFailedStop("The progress of the run could not be stored.")
    kinds = {kind.code: kind for kind in (RefusedValueStop, OutdatedSchemaStop)}
    return kinds[failure.code](failure.message)
