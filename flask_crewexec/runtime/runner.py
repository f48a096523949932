"""Run one attempt of one execution, from the claim to its last state."""

from __future__ import annotations

import contextvars
import functools
import logging
import typing as t
from collections.abc import Mapping

from .. import announcements
from .. import claims
from .. import draining
from .. import events
from ..attempts import Begun
from ..binding import Binding
from ..errors import ClaimLost
from ..errors import InvalidGraph
from ..events import clean
from ..events import shorten
from ..failures import Failure
from ..failures import LOST
from ..graphs import check_names
from ..graphs import Graph
from ..queueing import announce
from ..redaction import redactor_of_run
from ..secrets import KeyRing
from ..states import State
from .budget import Budget
from .crewai_setup import add_stream_sink
from .crewai_setup import crewai
from .crewai_setup import enter_run
from .crewai_setup import InterceptionPoint
from .crewai_setup import scoped_hooks
from .crewai_setup import TaskOutput
from .failures import describe
from .fallbacks import build_chain
from .filling import fill_in
from .guards import Guards
from .guards import RunCancelled
from .guards import RunHandedBack
from .guards import RunStopped
from .guards import RunTakenAway
from .ledger import Ledger
from .llms import Connections
from .mcp import McpServers
from .means import Means
from .orders import must_stop
from .planning import plan_crew
from .progress import Progress
from .steps import Step
from .tracing import trace_crew
from .translate import translate
from .watch import WatchedRun
from .watch import watches
from .words import Words
from .work import load_work
from .work import Work

log = logging.getLogger(__name__)


def run_attempt(binding: Binding, begun: Begun) -> State | None:
    """Run an attempt; return the state that it left, or None if it was taken away."""
    try:
        return _Attempt(binding, begun).run()
    except (ClaimLost, RunTakenAway):
        log.warning("Execution %s was taken away from this worker.", begun.claim.execution_id)
        return None


class _Attempt:
    def __init__(self, binding: Binding, begun: Begun) -> None:
        self._binding = binding
        self._begun = begun
        self._claim = claim = begun.claim
        self._ledger = Ledger(binding, claim, begun.start)
        self._budget = Budget()
        self._guards = Guards(self._must_stop, self._may_call, self._is_unwanted)
        self._connections = Connections()
        self._redact = redactor_of_run(binding)
        self._servers = McpServers()
        self._progress: Progress | None = None
        self._watched = WatchedRun(
            claim,
            is_over=lambda: self._budget.is_over(),
            stop=self._guards.stop,
            cut=self._cut,
        )

    def run(self) -> State:
        with self._connections, self._servers, watches.current().over(self._watched):
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
        work = load_work(self._binding, self._begun)
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

    def _run_crew(self, work: Work) -> crewai.CrewOutput:
        graph, settings = work.graph, self._binding.settings
        words = functools.partial(Words, self._tell, self._redact)
        recorders = (self._ledger, self._guards, self._budget, words, self._redact)
        progress = Progress(settings, graph, *recorders)
        self._progress = progress
        enter_run(self._claim.execution_id)
        hooks = self._guards.hooks
        hooks[InterceptionPoint.PRE_MODEL_CALL].append(progress.call_allowed)
        with scoped_hooks(hooks):
            means = self._means(work, progress)
            filled = fill_in(graph, self._binding, means)
            crew = translate(filled, self._binding, means, progress, work)
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

    def _means(self, work: Work, progress: Progress) -> Means:
        def before_call() -> None:
            self._guards.before_call()
            progress.count_call()

        user_id = work.context.user_id
        return Means(
            execution=work.context,
            keys=KeyRing(self._binding.secret_providers, user_id, self._redact.learn),
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
        self, crew: crewai.Crew, graph: Graph, work: Work, means: Means, progress: Progress
    ) -> None:
        """Let the steps follow the crew's plans, which are made once."""
        if graph.planner is None or len(work.finished) == len(graph.tasks):
            return
        plans = work.plans
        if plans is None:
            chain = self._binding.registry.chain(graph.planner)
            llm = build_chain(chain, None, means, self._binding.settings.llm_timeout)
            plans = progress.planned(plan_crew(graph, llm))
        for step, task in zip(crew.tasks, graph.tasks, strict=True):
            if isinstance(step, Step) and task.name in plans:
                step.follow(plans[task.name])

    def _must_stop(self) -> RunStopped | None:
        return self._budget.is_over() or must_stop(self._binding, self._claim)

    def _tell(self, words: dict[str, t.Any]) -> None:
        announcements.announce(self._claim.execution_id, words)

    def _may_call(self) -> RunStopped | None:
        return self._budget.take_call()

    def _is_unwanted(self) -> RunStopped | None:
        return RunHandedBack("The worker is about to end.") if draining.is_over() else None

    def _completed(self, output: crewai.CrewOutput) -> State:
        raw = shorten(self._redact(clean(output.raw)), self._binding.settings.max_output_chars)
        result = {"raw": raw, "json": self._redact.value(output.json_dict)}
        return self._end(State.COMPLETED, result=result, error=None)

    def _stopped(self, error: Exception) -> State:
        """Store what follows from an *error*, or from a reason to stop."""
        if isinstance(error, RunTakenAway | ClaimLost):
            raise error
        if isinstance(error, RunHandedBack):
            return self._hand_back()
        if isinstance(error, RunCancelled):
            return self._end(State.CANCELLED)
        failure = describe(error)
        told = failure.shown(self._claim.execution_id, self._step, cause=error)
        if self._retry_later(failure, told):
            return State.RETRYING
        state = error.state if isinstance(error, RunStopped) and error.state else State.FAILED
        return self._end_or_cancel(state, told)

    def _end_or_cancel(self, state: State, told: dict[str, t.Any]) -> State:
        """End what cannot go on; as cancelled if somebody has asked for that meanwhile."""
        if isinstance(must_stop(self._binding, self._claim), RunCancelled):
            return self._end(State.CANCELLED)
        return self._end(state, error=told)

    @property
    def _step(self) -> str | None:
        """Name of the step that is under way."""
        return self._progress.interrupted_step if self._progress else None

    def _end(self, state: State, **values: t.Any) -> State:
        """Store the last state, together with what became of the step that was under way."""
        self._ledger.end(state, **values)
        return state

    def _hand_back(self) -> State:
        """Queue the next attempt, for a worker that stays."""
        models, claim = self._binding.models, self._claim
        if not self._ledger.finish(
            lambda session: claims.hand_back(session, models, claim),
            events.Entry("handed_back", {}),
        ):
            return self._end_or_cancel(State.FAILED, self._lost_error())
        announce(self._binding, claim.execution_id)
        return State.QUEUED

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
            lambda session: claims.lose(session, models, claim, limit),
            events.Entry("worker_lost", {"reason": type(error).__name__}),
        ):
            announce(self._binding, claim.execution_id)
        else:
            self._end_or_cancel(State.FAILED, self._lost_error())

    def _lost_error(self) -> dict[str, t.Any]:
        return LOST.shown(self._claim.execution_id, self._step)

    def _retry_later(self, failure: Failure, told: dict[str, t.Any]) -> bool:
        """Let the next attempt begin later, if the cause may pass; False if there is none."""
        if not failure.passing:
            return False
        settings = self._binding.settings
        seconds = max(settings.retry_delay, failure.wait)
        models, claim, limit = self._binding.models, self._claim, settings.max_retries
        return self._ledger.finish(
            lambda session: claims.retry_later(
                session, models, claim, error=told, seconds=seconds, limit=limit
            ),
            events.Entry("retrying", {"code": failure.code, "seconds": seconds}),
        )


def _skip_finished(crew: crewai.Crew, finished: Mapping[int, dict[str, t.Any]]) -> None:
    """Let the crew begin behind the steps whose outputs are known."""
    for position, output in finished.items():
        crew.tasks[position].output = TaskOutput.model_validate(output)
    if finished:
        crew.checkpoint_kickoff_event_id = "resume"
