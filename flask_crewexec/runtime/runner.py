"""Run one attempt of one execution, from the claim to its last state."""

from __future__ import annotations

import contextvars
import functools
import logging
import typing as t

from ..app_state import AppState
from ..errors import InvalidGraph
from ..errors import LeaseLost
from ..graphs import check_names
from ..graphs import Graph
from ..messaging import event_publisher
from ..observability.redaction import run_redactor
from ..process import drain
from ..registry.secrets import SecretResolver
from ..scheduling.delivery import republish
from ..statuses import ExecutionStatus
from ..storage import leases
from ..storage.attempts import StartedAttempt
from ..storage.failures import FailureReason
from ..storage.failures import WORKER_LOST
from ..storage.new_event import NewEvent
from ..text import replace_surrogates
from ..text import truncate
from .budget import Budget
from .cancellation import check_cancelled
from .crew_builder import build_crew
from .crewai_shims.event_sinks import add_stream_sink
from .crewai_shims.hooks import scoped_hooks
from .crewai_shims.kickoff_context import prepare_run_context
from .crewai_shims.public_api import crewai
from .crewai_shims.public_api import InterceptionPoint
from .crewai_shims.tasks import skip_completed
from .crewai_shims.tasks import Step
from .error_mapping import to_failure
from .event_handler import CrewEventHandler
from .input_rendering import render_inputs
from .llm_builder import ModelConnections
from .llm_fallbacks import build_llm_with_fallbacks
from .mcp_servers import McpServers
from .planning import plan_crew
from .recorder import RunRecorder
from .resume_state import load_resume_state
from .resume_state import ResumeState
from .run_context import RunContext
from .run_control import RunControl
from .span_handler import trace_crew
from .stop_reasons import DrainStop
from .stop_reasons import LeaseLostStop
from .stop_reasons import RunCancelled
from .stop_reasons import StopRun
from .token_stream import TokenStream
from .watchdog import MonitoredRun
from .watchdog import watchdogs

log = logging.getLogger(__name__)


def run_attempt(app_state: AppState, begun: StartedAttempt) -> ExecutionStatus | None:
    """Run an attempt; return the state that it left, or None if it was taken away."""
    try:
        return AttemptRunner(app_state, begun).run()
    except (LeaseLost, LeaseLostStop):
        log.warning("Execution %s was taken away from this worker.", begun.lease.execution_id)
        return None


class AttemptRunner:
    def __init__(self, app_state: AppState, begun: StartedAttempt) -> None:
        self._app_state = app_state
        self._begun = begun
        self._lease = lease = begun.lease
        self._recorder = RunRecorder(app_state, lease, begun.start)
        self._budget = Budget()
        self._control = RunControl(self._must_stop, self._may_call, self._is_unwanted)
        self._connections = ModelConnections()
        self._redact = run_redactor(app_state)
        self._servers = McpServers()
        self._events: CrewEventHandler | None = None
        self._watched = MonitoredRun(
            lease,
            is_over=lambda: self._budget.check_deadline(),
            stop=self._control.stop,
            cut=self._abort_calls,
        )

    def run(self) -> ExecutionStatus:
        with self._connections, self._servers, watchdogs.current().monitor(self._watched):
            try:
                output = self._run_to_completion()
            except Exception as error:  # noqa: BLE001  # it is stored and logged
                return self._finish_with_error(error)
            except BaseException as error:  # the process is told to end, or a tool tells it to
                self._release_after_crash(error)
                raise
            return self._completed(output)

    def _run_to_completion(self) -> crewai.CrewOutput:
        """Run the crew; whatever CrewAI made of a stop, the stop itself is raised."""
        resume = load_resume_state(self._app_state, self._begun)
        self._budget = resume.budget
        self._check(resume.graph)
        try:
            # Each aborted run leaves entries behind in CrewAI's context variables.
            output = contextvars.copy_context().run(self._run_crew, resume)
        except Exception:
            self._control.raise_if_stopped()
            raise
        finally:
            self._watched.mark_finished()
        self._control.raise_if_stopped()
        return output

    def _check(self, graph: Graph) -> None:
        registry = self._app_state.registry
        if problems := check_names(graph, registry.permissions_for(None)):
            raise InvalidGraph("This worker lacks something that the graph names.", problems)

    def _run_crew(self, resume: ResumeState) -> crewai.CrewOutput:
        graph, settings = resume.graph, self._app_state.settings
        words = functools.partial(TokenStream, self._tell, self._redact)
        recorders = (self._recorder, self._control, self._budget, words, self._redact)
        progress = CrewEventHandler(settings, graph, *recorders)
        self._events = progress
        prepare_run_context(self._lease.execution_id)
        hooks = self._control.hooks
        hooks[InterceptionPoint.PRE_MODEL_CALL].append(progress.call_allowed)
        with scoped_hooks(hooks):
            run_context = self._run_context(resume, progress)
            filled = render_inputs(graph, self._app_state, run_context)
            crew = build_crew(filled, self._app_state, run_context, progress, resume)
            progress.bind_tasks(crew, finished=len(resume.finished))
            add_stream_sink(progress)
            trace_crew(self._lease.execution_id, crew)
            skip_completed(crew, resume.finished)
            self._plan(crew, filled, resume, run_context, progress)
            try:
                # Without inputs, since CrewAI would look for placeholders in their values, too.
                return t.cast(crewai.CrewOutput, crew.kickoff())
            except Exception:
                for task in crew.tasks:
                    if isinstance(task, Step):
                        task.join()  # it may run beside the one that failed, and be paid for
                raise

    def _run_context(self, resume: ResumeState, progress: CrewEventHandler) -> RunContext:
        def before_call() -> None:
            self._control.before_call()
            progress.count_call()

        user_id = resume.context.user_id
        return RunContext(
            execution=resume.context,
            secrets=SecretResolver(self._app_state.secret_providers, user_id, self._redact.add),
            redact=self._redact,
            connections=self._connections,
            servers=self._servers,
            before_call=before_call,
            stop=self._control.stop,
        )

    def _abort_calls(self) -> None:
        self._connections.abort()
        self._servers.cut()

    def _plan(
        self,
        crew: crewai.Crew,
        graph: Graph,
        resume: ResumeState,
        run_context: RunContext,
        progress: CrewEventHandler,
    ) -> None:
        """Let the steps follow the crew's plans, which are made once."""
        if graph.planner is None or len(resume.finished) == len(graph.tasks):
            return
        plans = resume.plans
        if plans is None:
            chain = self._app_state.registry.fallback_chain(graph.planner)
            llm = build_llm_with_fallbacks(
                chain, None, run_context, self._app_state.settings.llm_timeout
            )
            plans = progress.record_plans(plan_crew(graph, llm))
        for step, task in zip(crew.tasks, graph.tasks, strict=True):
            if isinstance(step, Step) and task.name in plans:
                step.add_plan(plans[task.name])

    def _must_stop(self) -> StopRun | None:
        return self._budget.check_deadline() or check_cancelled(self._app_state, self._lease)

    def _tell(self, words: dict[str, t.Any]) -> None:
        event_publisher.publish_tokens(self._lease.execution_id, words)

    def _may_call(self) -> StopRun | None:
        return self._budget.reserve_call()

    def _is_unwanted(self) -> StopRun | None:
        return DrainStop("The worker is about to end.") if drain.deadline_passed() else None

    def _completed(self, output: crewai.CrewOutput) -> ExecutionStatus:
        raw = truncate(
            self._redact(replace_surrogates(output.raw)), self._app_state.settings.max_output_chars
        )
        result = {"raw": raw, "json": self._redact.value(output.json_dict)}
        return self._end(ExecutionStatus.COMPLETED, result=result, error=None)

    def _finish_with_error(self, error: Exception) -> ExecutionStatus:
        """Store what follows from an *error*, or from a reason to stop."""
        if isinstance(error, LeaseLostStop | LeaseLost):
            raise error
        if isinstance(error, DrainStop):
            return self._hand_back()
        if isinstance(error, RunCancelled):
            return self._end(ExecutionStatus.CANCELLED)
        failure = to_failure(error)
        told = failure.as_error(self._lease.execution_id, self._step, cause=error)
        if self._retry_later(failure, told):
            return ExecutionStatus.RETRYING
        state = (
            error.state if isinstance(error, StopRun) and error.state else ExecutionStatus.FAILED
        )
        return self._end_or_cancel(state, told)

    def _end_or_cancel(self, state: ExecutionStatus, told: dict[str, t.Any]) -> ExecutionStatus:
        """End what cannot go on; as cancelled if somebody has asked for that meanwhile."""
        if isinstance(check_cancelled(self._app_state, self._lease), RunCancelled):
            return self._end(ExecutionStatus.CANCELLED)
        return self._end(state, error=told)

    @property
    def _step(self) -> str | None:
        """Name of the step that is under way."""
        return self._events.interrupted_step if self._events else None

    def _end(self, state: ExecutionStatus, **values: t.Any) -> ExecutionStatus:
        """Store the last state, together with what became of the step that was under way."""
        self._recorder.end(state, **values)
        return state

    def _hand_back(self) -> ExecutionStatus:
        """Queue the next attempt, for a worker that stays."""
        models, lease = self._app_state.models, self._lease
        if not self._recorder.flush_with_transition(
            lambda session: leases.release(session, models, lease),
            NewEvent("released", {}),
        ):
            return self._end_or_cancel(ExecutionStatus.FAILED, self._lost_error())
        republish(self._app_state, lease.execution_id)
        return ExecutionStatus.QUEUED

    def _release_after_crash(self, error: BaseException) -> None:
        """Queue the next attempt as after a crash, only sooner; too many are a failure."""
        try:
            self._release(error)
        except Exception:  # the order to end must not get lost; the lease will tell
            log.warning("Execution %s was left behind.", self._lease.execution_id, exc_info=True)

    def _release(self, error: BaseException) -> None:
        models, lease = self._app_state.models, self._lease
        limit = self._app_state.settings.max_worker_losses
        if self._recorder.flush_with_transition(
            lambda session: leases.release_after_loss(session, models, lease, limit),
            NewEvent("worker_lost", {"reason": type(error).__name__}),
        ):
            republish(self._app_state, lease.execution_id)
        else:
            self._end_or_cancel(ExecutionStatus.FAILED, self._lost_error())

    def _lost_error(self) -> dict[str, t.Any]:
        return WORKER_LOST.as_error(self._lease.execution_id, self._step)

    def _retry_later(self, failure: FailureReason, told: dict[str, t.Any]) -> bool:
        """Let the next attempt begin later, if the cause may pass; False if there is none."""
        if not failure.transient:
            return False
        settings = self._app_state.settings
        seconds = max(settings.retry_delay, failure.retry_after)
        models, lease, limit = self._app_state.models, self._lease, settings.max_retries
        return self._recorder.flush_with_transition(
            lambda session: leases.schedule_retry(
                session, models, lease, error=told, seconds=seconds, limit=limit
            ),
            NewEvent("retrying", {"code": failure.code, "seconds": seconds}),
        )
