"""The status of an execution as the API, the service and full webhooks give it."""

from __future__ import annotations

import typing as t
from collections.abc import Callable

from ..app_state import AppState
from ..models import ExecutionMixin
from ..schemas import ResultSchema
from ..schemas import StepSchema
from ..schemas import WholeExecutionSchema
from ..statuses import ExecutionStatus
from ..storage.bounded_outputs import BoundedOutputs
from ..storage.bounded_outputs import load_outputs
from ..storage.bounded_outputs import NO_OUTPUTS
from ..storage.execution_queries import Id
from ..storage.input_requests import open_ids
from ..storage.ownership import Requester
from ..storage.status_query import find_for_status
from .queue_position import queue_position

Json = dict[str, t.Any]

_STATUS: t.Final = WholeExecutionSchema(
    exclude=("result", "result_omitted", "result_url", "steps", "input_requests")
)
_MAY_HAVE_ASKED: t.Final = (ExecutionStatus.RUNNING, ExecutionStatus.WAITING_INPUT)
_STEP: t.Final = StepSchema()
_RESULT: t.Final = ResultSchema()


def read_status_document(app_state: AppState, execution_id: Id, requester: Requester) -> Json:
    """Return the status of an execution, with its steps and result.

    :raises NotFound: if there is none, or not for *requester*.
    """
    execution = find_for_status(app_state, execution_id, requester)
    status = status_document(execution, _read_outputs(app_state, execution))
    status["progress"]["queue_position"] = queue_position(app_state, execution)
    if execution.status in _MAY_HAVE_ASKED:
        status["input_requests"] = open_ids(app_state, execution.id)
    return status


def _read_outputs(app_state: AppState, execution: ExecutionMixin) -> BoundedOutputs:
    if execution.started_at is None and execution.forked_from is None:
        return NO_OUTPUTS
    limit = app_state.settings.max_status_chars
    with app_state.database.read_session() as session:
        return load_outputs(session, app_state.models, execution, limit)


def status_document(execution: ExecutionMixin, outputs: BoundedOutputs) -> Json:
    """Return the status of an execution that was read."""
    steps = (
        {**_STEP.dump(step), "output_omitted": step.position in outputs.omitted_steps}
        for step in outputs.steps
    )
    return {
        **_STATUS.dump(execution),
        "result": None if outputs.result is None else _RESULT.dump(outputs.result),
        "result_omitted": outputs.result_omitted,
        "steps": list(steps),
        "input_requests": [],
    }


def with_links(status: Json, url_of: Callable[..., str]) -> Json:
    """Return a status with the URLs of what was left out.

    :param url_of: returns the URL of a view, as ``flask.url_for`` does.
    """
    one = {"execution_id": status["id"]}
    steps = [
        {
            **step,
            "output_url": url_of("get_step", **one, position=step["position"])
            if step["output_omitted"]
            else None,
        }
        for step in status["steps"]
    ]
    result_url = url_of("get_result", **one) if status["result_omitted"] else None
    return {**status, "result_url": result_url, "steps": steps}
