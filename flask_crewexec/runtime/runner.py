"""Run one attempt of one execution, from its lease to its outcome."""

from __future__ import annotations

import contextlib
import contextvars
import functools
import logging
import typing as t

from ..app_state import AppState
from ..errors import LeaseLost
from ..errors import NotRegistered
from ..graphs import find_unknown
from ..graphs import Graph
from ..graphs import strictest
from ..messaging import event_publisher
from ..observability.redaction import run_redactor
from ..process import drain
from ..process.termination import ends_process
from ..registry.secrets import SecretResolver
from ..scheduling.attempt_outcomes import AttemptCounters
from ..scheduling.attempt_outcomes import OutcomeKind
from ..storage.attempts import StartedAttempt
from ..text import storable
from ..text import truncate
from .approval_checks import ApprovalChecks
from .assignment import Assigner
from .budget import Budget
from .call_log.contents import ContentLimits
from .call_log.fingerprint import fingerprint_of
from .call_log.log import CallLog
from .call_log.run_calls import current_calls
from .call_log.run_calls import RunCalls
from .cancellation import check_cancelled
from .crew_builder import build_crew
from .crewai_shims.event_sinks import add_stream_sink
from .crewai_shims.hooks import scoped_hooks
from .crewai_shims.kickoff_context import prepare_run_context
from .crewai_shims.public_api import crewai
from .crewai_shims.public_api import InterceptionPoint
from .crewai_shims.tasks import skip_completed
from .crewai_shims.tasks import Step
from .database_retry import retry_while_unavailable
from .event_handler import CrewEventHandler
from .input_rendering import render_inputs
from .kickoff import kickoff
from .llm_fallbacks import build_llm_with_fallbacks
from .llm_fallbacks import LLMChain
from .mcp_servers import McpServers
from .model_connections import ModelConnections
from .outcome import outcome_of_error
from .outcome_writer import Interruption
from .outcome_writer import OutcomeWriter
from .planning import plan_crew
from .recorder import RunRecorder
from .resume_state import journal_of
from .resume_state import load_resume_state
from .resume_state import ResumeState
from .run_context import RunContext
from .run_control import RunControl
from .span_handler import trace_crew
from .stop_reasons import DrainStop
from .stop_reasons import LeaseLostStop
from .stop_reasons import StopRun
from .token_stream import TokenStream
from .tool_outcomes import InterruptedCalls
from .tool_requests import ToolRequests
from .watchdog import MonitoredRun
from .watchdog import renew
from .watchdog import watchdogs

log = logging.getLogger(__name__)


def run_attempt(app_state: AppState, started: StartedAttempt) -> OutcomeKind:
    """Run an attempt, store its outcome and return it."""
    try:
        return AttemptRunner(app_state, started).run()
    except (LeaseLost, LeaseLostStop):
        log.warning("This worker has lost the lease of execution %s.", started.lease.execution_id)
        return OutcomeKind.LEASE_LOST


class AttemptRunner:
    """Runs the crew of one attempt."""

    def __init__(self, app_state: AppState, started: StartedAttempt) -> None:
        self._app_state = app_state
        self._started = started
        self._lease = lease = started.lease
        self._recorder = RunRecorder(app_state, lease, started.start, started.time)
        self._budget = Budget()
        self._control = RunControl(
            self._must_stop, self._may_call, self._may_call_tool, self._should_drain
        )
        self._connections: ModelConnections | None = None
        self._redact = run_redactor(app_state)
        self._servers = McpServers()
        self._event_handler: CrewEventHandler | None = None
        self._calls: RunCalls | None = None
        self._writer = OutcomeWriter(
            app_state,
            lease,
            started.row.owner_id,
            self._recorder,
            self._interruption,
            self._begin_anew,
        )
        self._monitored = MonitoredRun(
            lease,
            renewed_at=started.requested_at,
            check_deadline=lambda: self._budget.check_deadline(),
            stop=self._control.stop,
            abort_calls=self._abort_calls,
            abort_overdue_calls=self._abort_overdue_calls,
        )

    def run(self) -> OutcomeKind:
        """Run the crew and store the outcome, whatever ends the run.

        :raises LeaseLost: if another process has taken the execution over.
        :raises BaseException: only if it was raised to end this process.
        """
        with contextlib.ExitStack() as resources:
            try:
                resources.enter_context(watchdogs.current().monitor(self._monitored))
                resources.enter_context(self._servers)
                self._connections = resources.enter_context(
                    ModelConnections(self._app_state.settings.max_answer_bytes, self._check_lease)
                )
                output = self._run_to_completion(self._connections)
                return self._writer.complete(self._result(output))
            except BaseException as error:
                if ends_process(error):
                    self._release_after_crash(error)
                    raise
                return self._finish_with_error(error)

    def _run_to_completion(self, connections: ModelConnections) -> crewai.CrewOutput:
        """Run the crew; raise the reason of a stop, whatever CrewAI has turned it into."""
        resume = load_resume_state(self._app_state, self._started)
        self._budget = resume.budget
        approvals = ApprovalChecks(self._app_state, resume, self._recorder)
        approvals.check_registered(self._app_state.registry.tools)
        self._check_names(resume.graph)
        try:
            # In a copy: each aborted run leaves entries in CrewAI's context variables.
            output = contextvars.copy_context().run(self._run_crew, resume, connections, approvals)
        except BaseException as error:
            if not ends_process(error):
                self._control.raise_if_stopped()
            raise
        finally:
            self._monitored.mark_finished()
            if self._calls is not None:
                self._calls.log.close()
        self._control.raise_if_stopped()
        return output

    def _check_names(self, graph: Graph) -> None:
        """Check that this worker knows all names in the graph, which the web process knew.

        :raises NotRegistered: if not; the next attempt may find a worker that was upgraded.
        """
        registered = self._app_state.registry.permissions_for(None)
        unknown = find_unknown(graph.references, registered)
        names = dict.fromkeys(
            f"{each.kind.removeprefix('default-')} '{each.name}'" for each in unknown
        )
        if names:
            raise NotRegistered(f"This worker has not registered {', '.join(names)}.")

    def _run_crew(
        self, resume: ResumeState, connections: ModelConnections, approvals: ApprovalChecks
    ) -> crewai.CrewOutput:
        self._event_handler = event_handler = self._new_event_handler(resume.graph)
        prepare_run_context(self._lease.execution_id)
        hooks = self._control.hooks
        hooks[InterceptionPoint.PRE_MODEL_CALL] = [
            lambda context: self._before_foreign_call(context, event_handler)
        ]
        hooks[InterceptionPoint.PRE_TOOL_CALL].append(event_handler.count_tool_call)
        with scoped_hooks(hooks):
            log = self._call_log(resume)
            requests = self._tool_requests(resume, event_handler, log)
            calls = self._calls = self._run_calls(resume, event_handler, requests, log)
            current_calls.set(calls)
            event_handler.bind_calls(calls)
            run_context = self._run_context(resume, connections, event_handler, calls, requests)
            requests.assign = Assigner(self._app_state.registry.assign, run_context).assign
            graph = render_inputs(resume.graph, self._app_state, run_context)
            crew = build_crew(graph, self._app_state, run_context, event_handler, resume)
            if calls.log.is_on:
                calls.fingerprint = fingerprint_of(crew)
            approvals.check_unchanged(requests.gates)
            requests.withdraw_unless(calls.continues, resume.asked)
            event_handler.bind_tasks(crew, finished=len(resume.finished))
            add_stream_sink(event_handler)
            trace_crew(self._lease.execution_id, crew, self._app_state, self._redact)
            skip_completed(crew, resume.finished)
            self._add_plans(crew, graph, resume, run_context, event_handler)
            return kickoff(crew)

    def _new_event_handler(self, graph: Graph) -> CrewEventHandler:
        return CrewEventHandler(
            self._app_state.settings,
            graph,
            recorder=self._recorder,
            control=self._control,
            budget=self._budget,
            new_token_stream=functools.partial(TokenStream, self._publish_tokens, self._redact),
            redact=self._redact,
        )

    def _before_foreign_call(self, context: t.Any, event_handler: CrewEventHandler) -> None:
        """Check and count a call of a model that is none of the graph's, in a tool for instance."""
        if not isinstance(context.llm, LLMChain):  # those are checked when they are made
            self._control.before_call()
            event_handler.call_allowed(context)

    def _tool_requests(
        self, resume: ResumeState, event_handler: CrewEventHandler, log: CallLog
    ) -> ToolRequests:
        steps = [task.name for task in resume.graph.tasks]
        return ToolRequests(
            self._app_state,
            resume.context,
            steps,
            event_handler.write,
            event_handler.stop,
            log,
            InterruptedCalls(self._app_state.registry.tools, resume.graph.approvals).settle,
        )

    def _call_log(self, resume: ResumeState) -> CallLog:
        settings, earlier = self._app_state.settings, resume.earlier
        last, size = (0, 0) if earlier is None else (earlier.last_number, earlier.size)
        left = max(0, settings.max_calls_chars - size)
        limits = ContentLimits(self._redact, settings.max_call_chars, left)
        return CallLog(
            self._recorder, self._lease.attempt, limits if settings.records_calls else None, last
        )

    def _run_calls(
        self,
        resume: ResumeState,
        event_handler: CrewEventHandler,
        requests: ToolRequests,
        log: CallLog,
    ) -> RunCalls:
        continues = self._app_state.settings.resume_in_step
        journal, steps = journal_of(resume.earlier, continues=continues)
        wanted = resume.graph.on_unknown
        on_unknown = {
            name: strictest(least, wanted.get(name))
            for name, least in self._app_state.registry.on_unknown.items()
        }
        return RunCalls(
            log,
            journal,
            steps,
            event_handler,
            requests,
            on_unknown=on_unknown,
            settled=resume.settled.keys(),
        )

    def _run_context(
        self,
        resume: ResumeState,
        connections: ModelConnections,
        event_handler: CrewEventHandler,
        calls: RunCalls,
        requests: ToolRequests,
    ) -> RunContext:
        def before_call() -> None:
            self._control.before_call()
            event_handler.count_call()

        user_id = resume.context.user_id
        return RunContext(
            execution=resume.context,
            secrets=SecretResolver(self._app_state.secret_providers, user_id, self._redact.add),
            redact=self._redact,
            connections=connections,
            servers=self._servers,
            before_call=before_call,
            before_tool=self._check_lease,
            calls=calls,
            requests=requests,
            approvals=resume.graph.approvals,
            question=resume.graph.question,
            note_length=event_handler.calls.note_length,
            model_call_failed=event_handler.calls.model_call_failed,
            stop=event_handler.stop,
        )

    def _add_plans(
        self,
        crew: crewai.Crew,
        graph: Graph,
        resume: ResumeState,
        run_context: RunContext,
        event_handler: CrewEventHandler,
    ) -> None:
        """Add the crew's plans to its steps; they are made once per execution."""
        if graph.planner is None or len(resume.finished) == len(graph.tasks):
            return
        plans = resume.plans
        if plans is None:
            chain = self._app_state.registry.fallback_chain(graph.planner)
            timeout = self._app_state.settings.llm_timeout
            llm = build_llm_with_fallbacks(chain, None, run_context, timeout)
            plans = event_handler.record_plans(plan_crew(graph, llm))
        for step, task in zip(crew.tasks, graph.tasks, strict=True):
            if isinstance(step, Step) and task.name in plans:
                step.add_plan(plans[task.name])

    def _must_stop(self) -> StopRun | None:
        return self._budget.check_deadline() or check_cancelled(self._app_state, self._lease)

    def _may_call(self) -> StopRun | None:
        drain = self._should_drain() if self._app_state.settings.resume_in_step else None
        return drain or self._budget.reserve_call()

    def _may_call_tool(self) -> StopRun | None:
        return self._budget.reserve_tool_call()

    def _check_lease(self) -> None:
        """Raise the reason why a model call must not be sent, or a tool must not be called.

        This process may have been frozen after its last look at the database.
        """
        self._control.check_allowed_call(self._lost_lease)

    def _lost_lease(self) -> StopRun | None:
        settings = self._app_state.settings
        if not self._monitored.may_have_lost_lease(settings.lease_seconds):
            return None
        retry_while_unavailable(
            lambda: renew(self._app_state, [self._monitored]), settings.database_retry_seconds
        )
        if self._monitored.may_have_lost_lease(settings.lease_seconds):
            return LeaseLostStop("Another worker has taken the execution over.")
        return None

    def _should_drain(self) -> StopRun | None:
        return DrainStop("The worker is shutting down.") if drain.deadline_passed() else None

    def _publish_tokens(self, tokens: dict[str, t.Any]) -> None:
        event_publisher.publish_tokens(self._lease.execution_id, tokens)

    def _abort_calls(self) -> None:
        if self._connections is not None:
            self._connections.abort()
        self._servers.abort()

    def _abort_overdue_calls(self) -> None:
        if self._connections is not None:
            self._connections.abort_overdue()

    def _interruption(self, error: BaseException | None) -> Interruption:
        step = self._event_handler.step_ended_by(error) if self._event_handler else None
        return Interruption(step, self._calls.log.ended_by if self._calls else None)

    def _begin_anew(self) -> None:
        if self._event_handler is not None:
            self._event_handler.begin_failed_steps_anew()

    def _result(self, output: crewai.CrewOutput) -> dict[str, t.Any]:
        answer = self._redact(storable(output.raw))
        raw = truncate(answer, self._app_state.settings.max_output_chars)
        return {"raw": raw, "json": self._redact.value(output.json_dict)}

    def _finish_with_error(self, error: BaseException) -> OutcomeKind:
        row = self._started.row
        counters = AttemptCounters(row.retries, row.lost_attempts)
        outcome = outcome_of_error(error, counters, self._app_state.settings)
        if outcome.kind is OutcomeKind.LEASE_LOST:
            raise error
        return self._writer.store(outcome.map_message(self._redact), error)

    def _release_after_crash(self, error: BaseException) -> None:
        """Store the outcome; the *error* is raised in any case."""
        try:
            self._finish_with_error(error)
        except Exception:  # the reconciler will find the expired lease
            log.warning(
                "Execution %s could not be released.", self._lease.execution_id, exc_info=True
            )
