"""Database queries of the pages, in short sessions."""

from __future__ import annotations

import functools
import json
import typing as t
import uuid
from collections.abc import Mapping
from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy.orm import defer
from sqlalchemy.orm import load_only
from sqlalchemy.orm import Session

from .. import graphs
from ..app_state import AppState
from ..errors import InvalidGraph
from ..identity import Identity
from ..models import EventMixin
from ..models import ExecutionMixin
from ..models import GraphVersionMixin
from ..models import Models
from ..models import StepMixin
from ..statuses import STEP_DONE
from ..statuses import TERMINAL
from ..storage.call_log import CallSpan
from ..storage.call_log import read_spans
from ..storage.event_log import events_of_types
from ..storage.event_log import Mark
from ..storage.event_log import newest_events
from ..storage.execution_queries import find_execution
from ..storage.execution_queries import find_step
from ..storage.execution_queries import output_excerpts
from ..storage.execution_queries import result_excerpt
from ..storage.execution_queries import steps_of
from ..storage.execution_queries import with_graph_name
from .event_calls import CALL_MARKS
from .event_calls import find_calls
from .formatting import SHOWN_CHARS
from .periods import MARKS

MAX_EVENTS: t.Final = 100
"""How many of the newest events a page shows."""
_MAX_MARKS: t.Final = 20_000
"""How many calls, and how many events about attempts and steps, a timeline shows."""
_EXCERPT_CHARS: t.Final = SHOWN_CHARS + 1
"""One more than a page shows, so that it knows whether there is more."""


@dataclass(frozen=True, kw_only=True)
class ExecutionView:
    """An execution with everything that its page shows."""

    execution: ExecutionMixin
    graph: graphs.Graph | None
    """None if the stored document is not valid under the current rules."""
    result: str | None
    """The beginning of the result."""
    steps: Sequence[StepMixin]
    outputs: Mapping[int, str | None]
    """The beginnings of the steps' outputs, by position; whole ones may be large."""
    events: Sequence[EventMixin]
    """The newest events, oldest first."""
    marks: Sequence[Mark]
    """The events that tell when attempts and steps began and ended, in order."""
    calls: Sequence[CallSpan]
    """All calls, in order, without their contents."""


def read_execution(app_state: AppState, execution_id: str, requester: Identity) -> ExecutionView:
    """Return an execution as it is now.

    :raises NotFound: if there is none, or not for *requester*.
    """
    models = app_state.models
    with app_state.database.read_session() as session:
        options = (defer(models.execution.result, raiseload=True), with_graph_name(models))
        execution = find_execution(session, models, execution_id, requester, *options)
        key = (execution.graph_id, execution.graph_version)
        version = session.get_one(models.graph_version, key)
        steps = steps_of(session, models, execution.id, defer(models.step.output, raiseload=True))
        return ExecutionView(
            execution=execution,
            graph=_parse_version(version),
            result=result_excerpt(session, models, execution.id, _EXCERPT_CHARS),
            steps=steps,
            outputs=output_excerpts(session, models, execution.id, _EXCERPT_CHARS),
            events=newest_events(session, models, execution.id, MAX_EVENTS),
            marks=events_of_types(session, models, execution.id, MARKS, _MAX_MARKS),
            calls=_read_calls(session, models, execution.id, steps),
        )


def _read_calls(
    session: Session, models: Models, execution_id: uuid.UUID, steps: Sequence[StepMixin]
) -> Sequence[CallSpan]:
    calls = read_spans(session, models, execution_id, _MAX_MARKS)
    if calls or not steps:
        return calls
    events = events_of_types(session, models, execution_id, CALL_MARKS, _MAX_MARKS)
    return [*find_calls(events, {step.name: step.position for step in steps})]


@functools.lru_cache(maxsize=64)
def _parse_text(document: str) -> graphs.Graph | None:
    return parse_stored(json.loads(document))


def _parse_version(version: GraphVersionMixin) -> graphs.Graph | None:
    """Return the graph of a version; pages that update themselves ask for the same again."""
    return _parse_text(json.dumps(version.document))


def parse_stored(document: object) -> graphs.Graph | None:
    """Return a stored graph; None if its document is not valid under the current rules."""
    try:
        return graphs.parse(document)
    except InvalidGraph:
        return None


@dataclass(frozen=True, kw_only=True)
class CallsView:
    """The execution to which calls belong."""

    execution: ExecutionMixin
    steps: Mapping[int, StepMixin]
    """By position, those that have started."""

    def may_go_on(self, position: int | None) -> bool:
        """Return whether there may be further calls, of a step or of the execution."""
        step = None if position is None else self.steps.get(position)
        is_done = step is not None and step.status in STEP_DONE
        return self.execution.status not in TERMINAL and not is_done


def read_calls_view(app_state: AppState, execution_id: str, requester: Identity) -> CallsView:
    """Return what pages about calls tell of their execution.

    :raises NotFound: if there is none, or not for *requester*.
    """
    models = app_state.models
    execution, step = models.execution, models.step
    with app_state.database.read_session() as session:
        needed = (load_only(execution.status, execution.owner_id), with_graph_name(models))
        found = find_execution(session, models, execution_id, requester, *needed)
        names = load_only(step.position, step.name, step.status)
        steps = steps_of(session, models, found.id, names)
        return CallsView(
            execution=found,
            steps={step.position: step for step in steps},
        )


class StepView(t.NamedTuple):
    """One step of an execution."""

    execution: ExecutionMixin
    step: StepMixin


def read_step(
    app_state: AppState, execution_id: str, position: int, requester: Identity
) -> StepView:
    """Return a step with its whole output.

    :raises NotFound: if there is none, or not for *requester*.
    """
    models = app_state.models
    with app_state.database.read_session() as session:
        options = (defer(models.execution.result, raiseload=True), with_graph_name(models))
        execution = find_execution(session, models, execution_id, requester, *options)
        return StepView(execution, find_step(session, models, execution_id, position, requester))
