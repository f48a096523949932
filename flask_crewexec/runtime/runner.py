"""Run one attempt of one execution, from the claim to its last state."""

from __future__ import annotations

import contextvars
import functools
import logging
import typing as t
import uuid
from collections.abc import Callable

from .. import clock
from .. import states
from ..binding import Binding
from ..errors import ClaimLost
from ..errors import InvalidGraph
from ..events import clean
from ..events import shorten
from ..graphs import check_names
from ..graphs import Graph
from ..graphs import parse
from ..states import Claim
from ..states import State
from .crewai_setup import add_stream_sink
from .crewai_setup import crewai
from .crewai_setup import enter_run
from .crewai_setup import scoped_hooks
from .crewai_setup import TaskOutput
from .failures import describe
from .guards import Guards
from .guards import RunCancelled
from .guards import RunTakenAway
from .ledger import Ledger
from .llms import Connections
from .progress import Progress
from .translate import translate
from .work import load_work
from .work import must_stop
from .work import prepare_steps
from .work import Work

log = logging.getLogger(__name__)


def run_attempt(binding: Binding, claim: Claim) -> State | None:
    """Run a claimed attempt; return the state that it ended in, or None if it was taken away."""
    try:
        return _Attempt(binding, claim).run()
    except (ClaimLost, RunTakenAway):
        log.warning("Execution %s was taken away from this worker.", claim.execution_id)
        return None


class _Attempt:
    def __init__(self, binding: Binding, claim: Claim) -> None:
        self._binding = binding
        self._claim = claim
        self._ledger = Ledger(binding, claim)
        self._guards = Guards(functools.partial(must_stop, binding, claim))
        self._progress: Progress | None = None

    def run(self) -> State:
        try:
            output = self._kickoff()
        except RunTakenAway:
            raise
        except RunCancelled:
            return self._end(State.CANCELLED, states.cancel_claimed)
        except Exception as error:
            correlation_id = uuid.uuid4().hex
            log.exception(
                "Execution %s failed (correlation id %s).", self._claim.execution_id, correlation_id
            )
            shown = self._describe(error, correlation_id)
            return self._end(State.FAILED, states.fail, shown)
        except BaseException as error:  # the process is told to end, or a tool tells it to
            self._end(State.FAILED, states.fail, self._describe(error, uuid.uuid4().hex))
            raise
        raw = shorten(clean(output.raw), self._binding.settings.max_output_chars)
        result = {"raw": raw, "json": output.json_dict}
        return self._end(State.COMPLETED, states.complete, result)

    def _kickoff(self) -> crewai.CrewOutput:
        """Run the crew; whatever CrewAI made of a stop, the stop itself is raised."""
        work = load_work(self._binding, self._claim)
        graph = self._parse(work)
        prepare_steps(self._binding, self._claim, graph)
        try:
            # Each aborted run leaves entries behind in CrewAI's context variables.
            output = contextvars.copy_context().run(self._run_crew, graph, work)
        except Exception:
            self._guards.raise_if_stopped()
            raise
        self._guards.raise_if_stopped()
        return output

    def _parse(self, work: Work) -> Graph:
        graph = parse(work.document)
        registry = self._binding.registry
        if problems := check_names(graph, registry.tools, registry.models):
            raise InvalidGraph("This worker lacks tools or models that the graph names.", problems)
        return graph

    def _run_crew(self, graph: Graph, work: Work) -> crewai.CrewOutput:
        progress = Progress(self._binding.settings, graph, self._ledger, self._guards)
        self._progress = progress
        enter_run(self._claim.execution_id)
        with Connections() as connections, scoped_hooks(self._guards.hooks):
            crew = translate(graph, self._binding, work.context, connections)
            progress.watch(crew)
            add_stream_sink(progress)
            _skip_finished(crew, work.finished)
            if crew.manager_agent is not None and work.inputs:
                crew.manager_agent.interpolate_inputs(work.inputs)  # CrewAI leaves it out
            return t.cast(crewai.CrewOutput, crew.kickoff(inputs=work.inputs))

    def _describe(self, error: BaseException, correlation_id: str) -> dict[str, t.Any]:
        """Return what the owner of the execution may see of *error*."""
        code, message = describe(error)
        step = self._progress.current_step if self._progress else None
        return {"code": code, "message": message, "correlation_id": correlation_id, "step": step}

    def _end(self, state: State, transition: Callable[..., None], *values: t.Any) -> State:
        """Store the last state, together with what became of the step that was under way."""
        position = self._progress.current if self._progress else None
        step = None
        if position is not None:
            step = (position, {"status": state, "finished_at": clock.now()})
        self._ledger.note(state)
        self._ledger.finish(
            lambda session: transition(session, self._binding.models, self._claim, *values), step
        )
        return state


def _skip_finished(crew: crewai.Crew, finished: list[dict[str, t.Any]]) -> None:
    """Let the crew begin behind the steps whose outputs are known."""
    for task, output in zip(crew.tasks, finished, strict=False):
        task.output = TaskOutput.model_validate(output)
    if finished:
        crew.checkpoint_kickoff_event_id = "resume"
