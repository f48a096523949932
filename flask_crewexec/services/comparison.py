"""Compare two executions: what differs, and what it costs."""

from __future__ import annotations

import typing as t

from sqlalchemy.orm import defer
from sqlalchemy.orm import Session

from .. import clock
from .. import graphs
from ..app_state import AppState
from ..models import ExecutionMixin
from ..models import StepMixin
from ..schemas import ComparisonSchema
from ..storage.bounded_outputs import BoundedOutputs
from ..storage.bounded_outputs import load_outputs
from ..storage.call_totals import call_totals
from ..storage.call_totals import CallKey
from ..storage.call_totals import CallTotal
from ..storage.execution_queries import find_execution
from ..storage.execution_queries import Id
from ..storage.execution_queries import with_graph_name
from ..storage.ownership import Requester
from .text_diffs import NOT_READ
from .text_diffs import TextComparer
from .text_diffs import TextDifference

Json = dict[str, t.Any]

_COMPARISON: t.Final = ComparisonSchema()


class _Side(t.NamedTuple):
    """One of the two executions."""

    execution: ExecutionMixin
    document: Json
    """Of its graph."""
    outputs: BoundedOutputs
    calls: dict[CallKey, CallTotal]

    @property
    def steps(self) -> dict[str, StepMixin]:
        return {step.name: step for step in self.outputs.steps}


def compare(app_state: AppState, first: Id, second: Id, requester: Requester) -> Json:
    """Return how the execution *second* differs from *first*, as :class:`ComparisonSchema` says.

    :raises NotFound: if there is no such execution, or not for *requester*.
    """
    with app_state.database.read_session() as session:
        a = _read(session, app_state, first, requester)
        b = _read(session, app_state, second, requester)
    comparer = TextComparer()
    difference = {
        "a": a.execution,
        "b": b.execution,
        "difference": _totals(a.execution, b.execution),
        "inputs": _inputs(a.execution.inputs, b.execution.inputs),
        "graph": [change.as_json() for change in graphs.find_changes(a.document, b.document)],
        "steps": _steps(a, b, comparer),
        "result": _result(a, b, comparer),
        "calls": _calls(a.calls, b.calls),
    }
    return t.cast(Json, _COMPARISON.dump(difference))


def _read(session: Session, app_state: AppState, id: Id, requester: Requester) -> _Side:
    models = app_state.models
    options = (defer(models.execution.result, raiseload=True), with_graph_name(models))
    execution = find_execution(session, models, id, requester, *options)
    key = (execution.graph_id, execution.graph_version)
    document = session.get_one(models.graph_version, key).document
    # Half of what one status may have.
    max_chars = app_state.settings.max_status_chars // 2
    outputs = load_outputs(session, models, execution, max_chars)
    return _Side(execution, document, outputs, call_totals(session, models, execution.id))


def _totals(a: ExecutionMixin, b: ExecutionMixin) -> Json:
    before, after = a.progress.elapsed_seconds, b.progress.elapsed_seconds
    seconds = None if before is None or after is None else after - before
    names = ("llm_calls", "tool_calls", "total_tokens", "cost")
    return {
        "seconds": seconds,
        **{name: getattr(b.usage, name) - getattr(a.usage, name) for name in names},
    }


def _inputs(a: Json, b: Json) -> list[Json]:
    differing = [name for name in sorted({*a, *b}) if not _is_same(a, b, name)]
    sides = {"a": a, "b": b}
    return [
        {"name": name, **{side: of[name] for side, of in sides.items() if name in of}}
        for name in differing
    ]


def _is_same(a: Json, b: Json, name: str) -> bool:
    return name in a and name in b and graphs.digest(a[name]) == graphs.digest(b[name])


def _steps(a: _Side, b: _Side, comparer: TextComparer) -> list[Json]:
    before, after = a.steps, b.steps
    names = [*after, *(name for name in before if name not in after)]
    omitted = {
        *(step.name for step in a.outputs.steps if step.position in a.outputs.omitted_steps),
        *(step.name for step in b.outputs.steps if step.position in b.outputs.omitted_steps),
    }
    return [
        {
            "name": name,
            "a": _step(before.get(name)),
            "b": _step(after.get(name)),
            "output": NOT_READ
            if name in omitted
            else comparer.compare(_text(before.get(name)), _text(after.get(name))),
        }
        for name in names
    ]


def _step(step: StepMixin | None) -> Json | None:
    if step is None:
        return None
    start, end = clock.as_utc(step.started_at), clock.as_utc(step.finished_at)
    seconds = None if start is None or end is None else (end - start).total_seconds()
    names = ("position", "status", "origin", "agent", "usage")
    return {"seconds": seconds, **{name: getattr(step, name) for name in names}}


def _text(step: StepMixin | None) -> str | None:
    return None if step is None else step.text


def _result(a: _Side, b: _Side, comparer: TextComparer) -> TextDifference:
    if a.outputs.result_omitted or b.outputs.result_omitted:
        return NOT_READ
    return comparer.compare(_raw(a.outputs.result), _raw(b.outputs.result))


def _raw(result: Json | None) -> str | None:
    return None if result is None else result["raw"]


def _calls(a: dict[CallKey, CallTotal], b: dict[CallKey, CallTotal]) -> list[Json]:
    return [
        {"kind": key.kind, "name": key.name, "a": a.get(key), "b": b.get(key)}
        for key in sorted({*a, *b})
    ]
