"""Fork executions: run them again from a step on, with other inputs, outputs or another version."""

from __future__ import annotations

import functools
import typing as t
from collections.abc import Collection
from collections.abc import Mapping

from sqlalchemy.orm import defer

from .. import graphs
from ..app_state import AppState
from ..database import CHANGED_EXECUTIONS
from ..errors import NotFound
from ..errors import NotOwner
from ..graphs import Crew
from ..graphs import Graph
from ..graphs import StepPlan
from ..models import copied_values
from ..models import ExecutionMixin
from ..observability import tracing
from ..scheduling.admission import admit
from ..scheduling.enqueueing import enqueue
from ..scheduling.enqueueing import find_duplicate
from ..scheduling.enqueueing import Idempotency
from ..scheduling.enqueueing import Submitted
from ..scheduling.run_limits import effective_limits
from ..scheduling.run_limits import limits_of
from ..scheduling.run_limits import validate_limits
from ..scheduling.submission import CheckedSubmission
from ..scheduling.submission import column_values
from ..scheduling.submission import log_queued
from ..scheduling.submission import queued_event
from ..scheduling.submission_checks import check_graph_use
from ..scheduling.submission_checks import check_size
from ..scheduling.submission_checks import most_urgent_priority
from ..scheduling.submission_checks import Submission
from ..scheduling.submission_checks import validate_request
from ..scheduling.submission_statements import look_up
from ..scheduling.submission_statements import Lookup
from ..schemas import ForkSchema
from ..schemas import load
from ..schemas.forks import explained
from ..schemas.forks import stored_plan
from ..storage import event_log
from ..storage import forks
from ..storage.execution_queries import find_execution
from ..storage.execution_queries import Id
from ..storage.graph_cache import load_graph
from ..storage.graph_cache import Version
from ..storage.new_event import CREW_PLANNED
from ..storage.new_event import NewEvent
from ..storage.ownership import belongs_to
from ..storage.ownership import Requester
from .forked_steps import check_steps
from .forked_steps import new_steps

Json = dict[str, t.Any]

_SCHEMA: t.Final = ForkSchema()


class _Source(t.NamedTuple):
    """The execution that is forked."""

    execution: ExecutionMixin
    graph: Graph
    finished: dict[str, int]
    """The positions of the steps that have an output, by name."""
    plans: Json | None
    """What the crew's planner has planned."""


class _NewFork(t.NamedTuple):
    """A fork that may be stored."""

    source: _Source
    checked: CheckedSubmission
    crew: Crew
    texts: Mapping[str, str]
    """They replace outputs, by the names of steps."""
    plan: list[StepPlan]
    keeps_plan: bool


@tracing.trace_submission()
def fork(
    app_state: AppState,
    execution_id: Id,
    requester: Requester,
    given: Json,
    extra: Mapping[str, t.Any],
) -> Submitted:
    """Queue a new execution that takes over finished steps of another one, and return it.

    :param extra: values of the host's own columns; the others are copied.

    Raises what :meth:`~.AsyncExecutionService.fork` says.
    """
    request = load(_SCHEMA, given)
    check_size(app_state, request["inputs"])
    former = _find_own(app_state, execution_id, requester)
    key = _idempotency(former, request, extra)
    if duplicate := find_duplicate(app_state, key):
        return Submitted(duplicate, is_replay=True)
    source = _read_source(app_state, former)
    roles = None if requester is None else requester.roles
    checked = _check(app_state, source, roles, request, extra)
    new = _plan(source, checked, request)
    execution = _build(app_state, new, key)
    tracing.set_execution_attribute(execution.id)
    insert = functools.partial(_insert, app_state, execution, new)
    submitted = enqueue(app_state, execution, key, insert)
    log_queued(submitted.execution)
    return submitted


def _find_own(app_state: AppState, execution_id: Id, requester: Requester) -> ExecutionMixin:
    models = app_state.models
    with app_state.database.read_session() as session:
        without_result = defer(models.execution.result, raiseload=True)
        found = find_execution(session, models, execution_id, requester, without_result)
    if not belongs_to(found, requester):
        raise NotOwner("Only its owner can fork this execution: a fork acts in the owner's name.")
    return found


def _idempotency(former: ExecutionMixin, request: Json, extra: Mapping[str, t.Any]) -> Idempotency:
    content = {**request}
    key = content.pop("idempotency_key")
    if extra:
        content["extra"] = {name: str(value) for name, value in extra.items()}
    digest = None if key is None else graphs.digest({"fork": str(former.id), **content})
    return Idempotency(former.owner_id, key, digest)


def _read_source(app_state: AppState, former: ExecutionMixin) -> _Source:
    models = app_state.models
    with app_state.database.read_session() as session:
        version = Version(former.graph_id, former.graph_version)
        return _Source(
            former,
            load_graph(session, models, version),
            forks.finished_steps(session, models, former.id),
            forks.last_plans(session, models, former.id),
        )


def _check(
    app_state: AppState,
    source: _Source,
    roles: Collection[str] | None,
    request: Json,
    extra: Mapping[str, t.Any],
) -> CheckedSubmission:
    """Do every check of a submission."""
    former = source.execution
    # The owner may have been allowed more when it was submitted.
    priority = max(former.priority, most_urgent_priority(app_state, former.owner_id))
    lookup = look_up(app_state, former.owner_id, former.graph_id, priority)
    version, graph = _target(source, lookup, request["graph_version"])
    limits = validate_limits(app_state, request["limits"], "/limits")
    submission = Submission(
        graph_id=former.graph_id,
        thread_id=former.thread_id,
        user_id=former.owner_id,
        inputs={**_kept_inputs(former.inputs, graph), **request["inputs"]},
        priority=priority,
        limits={**limits_of(app_state, former), **limits},
        idempotency_key=request["idempotency_key"],
        roles=roles,
        extra={**copied_values(former), **extra},
    )
    valid = validate_request(app_state, submission)
    valid = valid._replace(limits=effective_limits(app_state, valid.limits))
    inputs = check_graph_use(app_state, graph, submission)
    max_chars = app_state.settings.max_output_chars
    check_steps(graph, request["from_step"], request["outputs"], max_chars)
    admission = admit(app_state, former.owner_id, lookup.admission)
    return CheckedSubmission(valid, version, graph, inputs, admission, lookup.now)


def _kept_inputs(inputs: Json, graph: Graph) -> Json:
    """Return the inputs that the graph still takes."""
    if not graph.declared:
        return inputs
    return {name: value for name, value in inputs.items() if name in graph.inputs}


def _target(source: _Source, lookup: Lookup, wanted: str) -> tuple[Version, Graph]:
    """Return the version that the fork runs."""
    if wanted == "latest":
        return lookup.version, lookup.graph
    former = source.execution
    return Version(former.graph_id, former.graph_version), source.graph


def _plan(source: _Source, checked: CheckedSubmission, request: Json) -> _NewFork:
    """Decide what becomes of each step."""
    old = Crew(source.graph, source.execution.inputs)
    new = Crew(checked.graph, checked.inputs)
    texts = request["outputs"]
    changes = graphs.Fork(old, new, request["from_step"], texts.keys())
    plan = graphs.plan_steps(changes, source.finished.keys())
    return _NewFork(source, checked, new, texts, plan, graphs.keeps_plan(changes))


def _build(app_state: AppState, new: _NewFork, key: Idempotency) -> ExecutionMixin:
    """Return the row, mapped: its steps are inserted with it."""
    values = {
        **column_values(new.checked, key),
        "forked_from": new.source.execution.id,
        "finished_steps": sum(step.origin is not None for step in new.plan),
    }
    return app_state.models.execution(**values)


def _insert(app_state: AppState, execution: ExecutionMixin, new: _NewFork) -> None:
    source, models = new.source, app_state.models
    events = [*_events(new), queued_event(execution)]
    execution.last_event = len(events)
    steps = new_steps(execution.id, new.crew, new.plan, source.finished, new.texts)
    with app_state.database.write_transaction() as session:
        session.add(execution)
        session.flush()
        if not forks.insert_steps(session, models, steps, source.execution.id):
            raise NotFound(f"There is no execution '{source.execution.id}' any more.")
        dated = [event.at(execution.queued_at) for event in events]
        event_log.insert_numbered(session, app_state, execution.id, dated, last=len(dated))
        # No subscriber is notified, because nobody knows the id yet.
        session.info[CHANGED_EXECUTIONS].clear()


def _events(new: _NewFork) -> list[NewEvent]:
    """Return the events before it is queued; attempts find the crew's plans among them."""
    steps = [stored_plan(step) for step in new.plan]
    forked = NewEvent("forked", {"execution": str(new.source.execution.id), "steps": steps})
    if new.source.plans is None or not new.keeps_plan:
        return [forked]
    return [forked, NewEvent(CREW_PLANNED, {"plans": new.source.plans})]


def read_plan(app_state: AppState, execution: ExecutionMixin) -> list[Json]:
    """Return what a fork does with each step."""
    with app_state.database.read_session() as session:
        first = event_log.read_events(session, app_state.models, execution.id, after=0, limit=1)
    return [explained(step) for event in first for step in event.data["steps"]]
