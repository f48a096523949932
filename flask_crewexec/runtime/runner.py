"""Run one attempt of one execution, from the claim to its last state."""

from __future__ import annotations

import contextvars
import functools
import logging
import typing as t
from collections.abc import Mapping

from ..app_state import AppState
from ..errors import InvalidGraph
from ..errors import LeaseLost
from ..graphs import check_names
from ..graphs import Graph
from ..messaging import event_publisher
from ..observability.redaction import run_redactor
from ..process import drain
from ..registry.secrets import SecretResolver
from ..scheduling.submission import republish
from ..storage import event_log
from ..storage import leases
from ..storage.attempts import StartedAttempt
from ..storage.event_log import replace_surrogates
from ..storage.event_log import truncate
from ..storage.failures import FailureReason
from ..storage.failures import WORKER_LOST
from ..storage.transitions import ExecutionStatus
from .budget import Budget
from .cancellation import check_cancelled
from .crew_builder import build_crew
from .crewai_shims.import_switches import add_stream_sink
from .crewai_shims.import_switches import crewai
from .crewai_shims.import_switches import InterceptionPoint
from .crewai_shims.import_switches import prepare_run_context
from .crewai_shims.import_switches import scoped_hooks
from .crewai_shims.import_switches import TaskOutput
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
from .run_control import DrainStop
from .run_control import LeaseLostStop
from .run_control import RunCancelled
from .run_control import RunControl
from .run_control import StopRun
from .span_handler import trace_crew
from .token_stream import TokenStream
from .watchdog import MonitoredRun
from .watchdog import watchdogs

log = logging.getLogger(__name__)


def run_attempt(binding: AppState, begun: StartedAttempt) -> ExecutionStatus | None:
    """Run an attempt; return the state that it left, or None if it was taken away."""
    try:
        return AttemptRunner(binding, begun).run()
    except (LeaseLost, LeaseLostStop):
        log.warning("Execution %s was taken away from this worker.", begun.claim.execution_id)
        return None


class AttemptRunner:
    def __init__(self, binding: AppState, begun: StartedAttempt) -> None:
        self._binding = binding
        self._begun = begun
        self._claim = claim = begun.claim
        self._ledger = RunRecorder(binding, claim, begun.start)
        self._budget = Budget()
        self._guards = RunControl(self._must_stop, self._may_call, self._is_unwanted)
        self._connections = ModelConnections()
        self._redact = run_redactor(binding)
        self._servers = McpServers()
        self._progress: CrewEventHandler | None = None
        self._watched = MonitoredRun(
            claim,
            is_over=lambda: self._budget.is_over(),
            stop=self._guards.stop,
            cut=self._cut,
        )

    def run(self) -> ExecutionStatus:
        with self._connections, self._servers, watchdogs.current().over(self._watched):
            try:
                output = self._kickoff()
            except Exception as error:  # noqa: BLE001  # it is stored and logged
                return self._stopped(error)
            except BaseException as error:  # the process is told to end, or a tool tells it to
                self._lost(error)
                raise
            return self._completed(output)

    def _kickoff(self) -> crewai.CrewOutput:
        """Run the crew; whatever CrewAI made of a stop, the stop itself is raised."""
        work = load_resume_state(self._binding, self._begun)
        self._budget = work.budget
        self._check(work.graph)
        try:
            # Each aborted run leaves entries behind in CrewAI's context variables.
            output = contextvars.copy_context().run(self._run_crew, work)
        except Exception:
            self._guards.raise_if_stopped()
            raise
        finally:
            self._watched.has_done()
        self._guards.raise_if_stopped()
        return output

    def _check(self, graph: Graph) -> None:
        registry = self._binding.registry
        if problems := check_names(graph, *registry.allowed(None)):
            raise InvalidGraph("This worker lacks something that the graph names.", problems)

    def _run_crew(self, work: ResumeState) -> crewai.CrewOutput:
        graph, settings = work.graph, self._binding.settings
        words = functools.partial(TokenStream, self._tell, self._redact)
        recorders = (self._ledger, self._guards, self._budget, words, self._redact)
        progress = CrewEventHandler(settings, graph, *recorders)
        self._progress = progress
        prepare_run_context(self._claim.execution_id)
        hooks = self._guards.hooks
        hooks[InterceptionPoint.PRE_MODEL_CALL].append(progress.call_allowed)
        with scoped_hooks(hooks):
            means = self._means(work, progress)
            filled = render_inputs(graph, self._binding, means)
            crew = build_crew(filled, self._binding, means, progress, work)
            progress.watch(crew, finished=len(work.finished))
            add_stream_sink(progress)
            trace_crew(self._claim.execution_id, crew)
            _skip_finished(crew, work.finished)
            self._plan(crew, filled, work, means, progress)
            try:
                # Without inputs, since CrewAI would look for placeholders in their values, too.
                return t.cast(crewai.CrewOutput, crew.kickoff())
            except Exception:
                for task in crew.tasks:
                    if isinstance(task, Step):
                        task.join()  # it may run beside the one that failed, and be paid for
                raise

    def _means(self, work: ResumeState, progress: CrewEventHandler) -> RunContext:
        def before_call() -> None:
            self._guards.before_call()
            progress.count_call()

        user_id = work.context.user_id
        return RunContext(
            execution=work.context,
            keys=SecretResolver(self._binding.secret_providers, user_id, self._redact.learn),
            redact=self._redact,
            connections=self._connections,
            servers=self._servers,
            before_call=before_call,
            stop=self._guards.stop,
        )

    def _cut(self) -> None:
        self._connections.cut()
        self._servers.cut()

    def _plan(
        self,
        crew: crewai.Crew,
        graph: Graph,
        work: ResumeState,
        means: RunContext,
        progress: CrewEventHandler,
    ) -> None:
        """Let the steps follow the crew's plans, which are made once."""
        if graph.planner is None or len(work.finished) == len(graph.tasks):
            return
        plans = work.plans
        if plans is None:
            chain = self._binding.registry.chain(graph.planner)
            llm = build_llm_with_fallbacks(chain, None, means, self._binding.settings.llm_timeout)
            plans = progress.planned(plan_crew(graph, llm))
        for step, task in zip(crew.tasks, graph.tasks, strict=True):
            if isinstance(step, Step) and task.name in plans:
                step.follow(plans[task.name])

    def _must_stop(self) -> StopRun | None:
        return self._budget.is_over() or check_cancelled(self._binding, self._claim)

    def _tell(self, words: dict[str, t.Any]) -> None:
        event_publisher.publish_tokens(self._claim.execution_id, words)

    def _may_call(self) -> StopRun | None:
        return self._budget.take_call()

    def _is_unwanted(self) -> StopRun | None:
        return DrainStop("The worker is about to end.") if drain.deadline_passed() else None

    def _completed(self, output: crewai.CrewOutput) -> ExecutionStatus:
        raw = truncate(
            self._redact(replace_surrogates(output.raw)), self._binding.settings.max_output_chars
        )
        result = {"raw": raw, "json": self._redact.value(output.json_dict)}
        return self._end(ExecutionStatus.COMPLETED, result=result, error=None)

    def _stopped(self, error: Exception) -> ExecutionStatus:
        """Store what follows from an *error*, or from a reason to stop."""
        if isinstance(error, LeaseLostStop | LeaseLost):
            raise error
        if isinstance(error, DrainStop):
            return self._hand_back()
        if isinstance(error, RunCancelled):
            return self._end(ExecutionStatus.CANCELLED)
        failure = to_failure(error)
        told = failure.shown(self._claim.execution_id, self._step, cause=error)
        if self._retry_later(failure, told):
            return ExecutionStatus.RETRYING
        state = (
            error.state if isinstance(error, StopRun) and error.state else ExecutionStatus.FAILED
        )
        return self._end_or_cancel(state, told)

    def _end_or_cancel(self, state: ExecutionStatus, told: dict[str, t.Any]) -> ExecutionStatus:
        """End what cannot go on; as cancelled if somebody has asked for that meanwhile."""
        if isinstance(check_cancelled(self._binding, self._claim), RunCancelled):
            return self._end(ExecutionStatus.CANCELLED)
        return self._end(state, error=told)

    @property
    def _step(self) -> str | None:
        """Name of the step that is under way."""
        return self._progress.interrupted_step if self._progress else None

    def _end(self, state: ExecutionStatus, **values: t.Any) -> ExecutionStatus:
        """Store the last state, together with what became of the step that was under way."""
        self._ledger.end(state, **values)
        return state

    def _hand_back(self) -> ExecutionStatus:
        """Queue the next attempt, for a worker that stays."""
        models, claim = self._binding.models, self._claim
        if not self._ledger.finish(
            lambda session: leases.release(session, models, claim),
            event_log.NewEvent("handed_back", {}),
        ):
            return self._end_or_cancel(ExecutionStatus.FAILED, self._lost_error())
        republish(self._binding, claim.execution_id)
        return ExecutionStatus.QUEUED

    def _lost(self, error: BaseException) -> None:
        """Queue the next attempt as after a crash, only sooner; too many are a failure."""
        try:
            self._release(error)
        except Exception:  # the order to end must not get lost; the lease will tell
            log.warning("Execution %s was left behind.", self._claim.execution_id, exc_info=True)

    def _release(self, error: BaseException) -> None:
        models, claim = self._binding.models, self._claim
        limit = self._binding.settings.max_lost_attempts
        if self._ledger.finish(
            lambda session: leases.release_after_loss(session, models, claim, limit),
            event_log.NewEvent("worker_lost", {"reason": type(error).__name__}),
        ):
            republish(self._binding, claim.execution_id)
        else:
            self._end_or_cancel(ExecutionStatus.FAILED, self._lost_error())

    def _lost_error(self) -> dict[str, t.Any]:
        return WORKER_LOST.shown(self._claim.execution_id, self._step)

    def _retry_later(self, failure: FailureReason, told: dict[str, t.Any]) -> bool:
        """Let the next attempt begin later, if the cause may pass; False if there is none."""
        if not failure.passing:
            return False
        settings = self._binding.settings
        seconds = max(settings.retry_delay, failure.wait)
        models, claim, limit = self._binding.models, self._claim, settings.max_retries
        return self._ledger.finish(
            lambda session: leases.schedule_retry(
                session, models, claim, error=told, seconds=seconds, limit=limit
            ),
            event_log.NewEvent("retrying", {"code": failure.code, "seconds": seconds}),
        )


def _skip_finished(crew: crewai.Crew, finished: Mapping[int, dict[str, t.Any]]) -> None:
    """Let the crew begin behind the steps whose outputs are known."""
    for position, output in finished.items():
        crew.tasks[position].output = TaskOutput.model_validate(output)
    if finished:
        crew.checkpoint_kickoff_event_id = "resume"
