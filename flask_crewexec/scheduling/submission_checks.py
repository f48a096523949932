"""Checks of a submission against the settings, the registry and its graph."""

from __future__ import annotations

import json
import typing as t
import uuid
from collections.abc import Collection
from collections.abc import Mapping
from types import MappingProxyType

from sqlalchemy.orm import Session

from .. import graphs
from ..app_state import AppState
from ..config.per_user_limits import resolve_priority
from ..errors import InvalidGraph
from ..errors import InvalidInputs
from ..errors import InvalidPriority
from ..errors import PriorityTooUrgent
from ..errors import Problem
from ..models import ExecutionMixin
from ..schemas import load
from ..schemas import SubmissionSchema
from ..schemas.notifications import ENDS
from ..statuses import DEFAULT_PRIORITY
from ..statuses import PRIORITIES
from .own_columns import check_own_columns
from .run_limits import Limits
from .webhook_checks import check_webhook_url
from .webhook_checks import require_webhooks

Json = dict[str, t.Any]

# Created once, because creating a schema takes longer than using it.
_SCHEMA: t.Final = SubmissionSchema()
_encode: t.Final = json.JSONEncoder(ensure_ascii=False, allow_nan=False).encode


class Submission(t.NamedTuple):
    """A request to run a graph."""

    graph_id: uuid.UUID | str
    thread_id: uuid.UUID | str | None
    user_id: object
    inputs: Mapping[str, t.Any]
    priority: int | None
    """None for the default."""
    limits: Limits
    """Values of ``LimitsSchema``, as far as they were given."""
    idempotency_key: str | None
    """A submission that is repeated with the same key is queued once."""
    roles: Collection[str] | None = ()
    """Roles of the user, who may use everything with None. They are not part of its content."""
    is_loaded: bool = False
    """Whether user, thread, key, limits and webhook were loaded by the schemas of a request."""
    webhook: Mapping[str, t.Any] | None = None
    """``{"url", "events"?}``, to be told of this execution."""
    extra: Mapping[str, t.Any] = MappingProxyType({})
    """Values of the host's own columns."""

    def fingerprint(self) -> str:
        """Return a digest that tells it from other submissions with the same key."""
        ids = [str(self.graph_id), self.thread_id and str(self.thread_id)]
        limits = {name: value for name, value in self.limits.items() if value is not None}
        priority = DEFAULT_PRIORITY if self.priority is None else self.priority
        content: list[t.Any] = [*ids, self.inputs, priority, limits]
        if self.webhook is not None:
            content.append(_told(self.webhook))
        if self.extra:
            content.append({name: str(value) for name, value in self.extra.items()})
        return graphs.digest(content)


def _told(webhook: Mapping[str, t.Any]) -> list[t.Any]:
    return [webhook["url"], sorted(set(webhook.get("events", ENDS)))]


class ValidSubmission(t.NamedTuple):
    """A submission whose form is valid."""

    submission: Submission
    owner_id: str
    thread_id: str | None
    priority: int
    limits: Limits
    webhook: Json | None
    """``{"url", "events"}``."""


def validate_request(app_state: AppState, submission: Submission) -> ValidSubmission:
    """Check everything that needs no query.

    :raises InvalidPriority: if the priority is out of range.
    :raises InvalidInputs: if the inputs are no JSON or too large.
    :raises InvalidRequest: if another value cannot be stored, the URL of a webhook not be used, or
        the host has no such column.
    :raises WebhooksOff: if it has a webhook, and the host offers none.
    """
    priority = DEFAULT_PRIORITY if submission.priority is None else submission.priority
    _check_priority(priority)
    check_own_columns(app_state, submission.extra, "/extra")
    check_size(app_state, submission.inputs)
    loaded = _form(submission) if submission.is_loaded else load(_SCHEMA, _form(submission))
    owner_id, thread_id = loaded.pop("user_id"), loaded.pop("thread_id")
    webhook = loaded.pop("webhook")
    del loaded["idempotency_key"]
    if webhook is not None:
        require_webhooks(app_state)
        check_webhook_url(app_state, webhook["url"], "/webhook/url")
    return ValidSubmission(submission, owner_id, thread_id, priority, loaded, webhook)


def _form(submission: Submission) -> Json:
    thread_id = submission.thread_id
    return {
        "user_id": submission.user_id,
        "thread_id": None if thread_id is None else str(thread_id),
        "idempotency_key": submission.idempotency_key,
        "webhook": submission.webhook,
        **submission.limits,
    }


def check_graph_use(app_state: AppState, graph: graphs.Graph, submission: Submission) -> Json:
    """Check that the user may run the graph; return the inputs, with the graph's defaults.

    :raises InvalidGraph: with each tool and model that is not registered, or not allowed.
    :raises InvalidInputs: if the inputs do not fit the graph or are too large.
    """
    registry = app_state.registry
    graphs.check_use(graph, registry.permissions_for(submission.roles))
    inputs = graphs.check_inputs(graph, submission.inputs, registry.storages)
    if len(inputs) > len(submission.inputs):  # it was checked without the defaults
        check_size(app_state, inputs)
    return inputs


def recheck(
    session: Session,
    app_state: AppState,
    execution: ExecutionMixin,
    roles: Collection[str] | None,
) -> None:
    """Check that everything that an execution uses is still registered.

    :param roles: of its owner; None if another user, who may use everything, makes the request.
    :raises InvalidGraph: with each tool and model that is not registered any more, or that the
        roles do not allow.
    :raises InvalidInputs: with each input that is not valid any more.
    """
    registry = app_state.registry
    key = (execution.graph_id, execution.graph_version)
    graph = graphs.parse(session.get_one(app_state.models.graph_version, key).document)
    if problems := graphs.check_names(graph, registry.permissions_for(roles)):
        raise InvalidGraph(problems[0].detail, problems)
    graphs.check_inputs(graph, execution.inputs, registry.storages)


def _check_priority(priority: object) -> None:
    if type(priority) is not int or priority not in PRIORITIES:
        detail = f"A priority is an integer from 1 (most urgent) to 10, not {priority!r}."
        raise InvalidPriority(detail, [Problem("/priority", "invalid-priority", detail)])


def effective_priority(app_state: AppState, owner_id: str, priority: int | None) -> int:
    """Return the priority of a submission; the default if *priority* is None.

    :raises PriorityTooUrgent: if the user may only use less urgent ones.
    """
    allowed = most_urgent_priority(app_state, owner_id)
    if priority is None:
        return max(DEFAULT_PRIORITY, allowed)
    if priority < allowed:
        detail = f"Your most urgent priority is {allowed}, not {priority}; 10 is the least urgent."
        problem = Problem("/priority", PriorityTooUrgent.code, detail)
        raise PriorityTooUrgent(detail, [problem])
    return priority


def most_urgent_priority(app_state: AppState, owner_id: str) -> int:
    """Return the most urgent priority that a user may use."""
    limit = app_state.settings.most_urgent_priority
    return resolve_priority("CREWEXEC_MOST_URGENT_PRIORITY", limit, owner_id)


def check_size(app_state: AppState, inputs: Mapping[str, t.Any]) -> None:
    """Check that *inputs* are JSON, and not too large.

    :raises InvalidInputs: if they are not.
    """
    try:
        size = len(_encode(inputs).encode())
    except (TypeError, ValueError, RecursionError) as error:
        detail = "Inputs must be plain JSON: text, finite numbers, booleans, lists and objects."
        raise InvalidInputs(detail, [Problem("/inputs", "not-json", detail)]) from error
    if size > app_state.settings.max_inputs_bytes:
        detail = (
            f"Inputs may have at most {app_state.settings.max_inputs_bytes} bytes as JSON, not"
            f" {size}."
        )
        raise InvalidInputs(detail, [Problem("/inputs", "too-large", detail)])
