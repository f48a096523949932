"""What comes in and goes out, as marshmallow schemas.

Requests refuse fields that they do not know. Answers are described by the same schemas that
make them, so the OpenAPI document cannot drift from the routes.
"""

from __future__ import annotations

import datetime as dt
import re
import typing as t
from collections.abc import Iterator
from collections.abc import Mapping

import marshmallow as ma
from marshmallow import fields
from marshmallow import validate

from . import clock
from .errors import InvalidRequest
from .errors import Problem
from .graphs.exporters import FORMATS as EXPORT_FORMATS
from .graphs.importers import FORMATS
from .graphs.wording import child
from .identity import user_id_text
from .states import PRIORITIES
from .states import State

MAX_PAGE = 200
MAX_INTEGER = 2**31 - 1
MAX_TIMEOUT = 366 * 86_400
MAX_WAIT_SECONDS = 30.0
"""How long a request may wait for something to happen; it holds a web thread meanwhile."""


class Moment(fields.DateTime):
    """A moment in UTC, as ISO 8601 with its offset, whatever the database made of it."""

    def _serialize(
        self, value: dt.datetime | None, attr: str | None, obj: t.Any, **kwargs: t.Any
    ) -> str | float | None:
        return super()._serialize(clock.as_utc(value), attr, obj, **kwargs)


_LINE: t.Final = r"^[^\u0000-\u001f\u007f-\u009f]*$"
_LINES: t.Final = r"^[^\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f-\u009f]*$"
"""What the checks of :class:`Text` allow, for OpenAPI."""


class Text(fields.String):
    """Text that every database stores: no control characters, no half of a surrogate pair."""

    def __init__(self, low: int, high: int, *, lines: bool = False, **options: t.Any) -> None:
        """Take from *low* to *high* characters; *lines* allows line breaks and tabs."""
        check = _check_lines if lines else _check_line
        said = {"pattern": _LINES if lines else _LINE, **options.pop("metadata", {})}
        super().__init__(validate=[validate.Length(low, high), check], metadata=said, **options)


# Not validate.Regexp: it would write Python's syntax into the OpenAPI document.
def _check_line(text: str) -> None:
    if re.search(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff]", text):
        raise ma.ValidationError(
            "Contains a control character or half of a surrogate pair. Remove it."
        )


def _check_lines(text: str) -> None:
    _check_line(re.sub(r"[\t\n\r]", " ", text))


class UserId(Text):
    """Whatever names a user for the host."""

    def __init__(self) -> None:
        super().__init__(1, 255, required=True)

    def _deserialize(
        self, value: t.Any, attr: str | None, data: Mapping[str, t.Any] | None, **kwargs: t.Any
    ) -> str:
        try:
            return user_id_text(value)
        except (TypeError, ValueError) as error:
            raise ma.ValidationError(str(error)) from error


class ProblemItemSchema(ma.Schema):
    """One thing that is wrong with the request."""

    pointer = fields.String(metadata={"description": "JSON pointer to the place"})
    code = fields.String(metadata={"description": "Stable kind of problem"})
    detail = fields.String(metadata={"description": "What is wrong and what to do"})
    hint = fields.String(metadata={"description": "What is allowed instead, if it helps"})


class ProblemSchema(ma.Schema):
    """An error as RFC 9457 describes it."""

    type = fields.String()
    title = fields.String()
    status = fields.Integer()
    code = fields.String(metadata={"description": "Stable kind of error"})
    detail = fields.String()
    instance = fields.String()
    correlation_id = fields.String(metadata={"description": "Quote it to the operator"})
    errors = fields.List(fields.Nested(ProblemItemSchema))


class LimitsSchema(ma.Schema):
    """What one execution may cost; the settings say what is allowed."""

    timeout = fields.Float(
        load_default=None,
        allow_none=True,
        validate=validate.Range(0, MAX_TIMEOUT, min_inclusive=False),
        metadata={"description": "Seconds from its first start on"},
    )
    max_llm_calls = fields.Integer(
        load_default=None, allow_none=True, strict=True, validate=validate.Range(1, MAX_INTEGER)
    )
    max_tokens = fields.Integer(
        load_default=None,
        allow_none=True,
        strict=True,
        validate=validate.Range(1, MAX_INTEGER),
        metadata={"description": "No further call is made once they are spent"},
    )


class ThreadSchema(ma.Schema):
    """What groups executions."""

    thread_id = Text(
        1,
        255,
        load_default=None,
        allow_none=True,
        metadata={"description": "Anything that groups executions, such as a conversation"},
    )


class IdempotencyKeySchema(ma.Schema):
    """What makes an order that is sent twice one order."""

    idempotency_key = Text(1, 255, load_default=None, allow_none=True)


class IdempotencyHeaderSchema(ma.Schema):
    """The same as a header."""

    idempotency_key = Text(
        1,
        255,
        data_key="Idempotency-Key",
        load_default=None,
        metadata={"description": "The same order with the same key is queued once"},
    )


class QueueRequestSchema(LimitsSchema, ThreadSchema):
    """An order to run a graph."""

    graph_id = fields.UUID(required=True)
    inputs = fields.Dict(load_default=dict, metadata={"description": "Values for placeholders"})
    priority = fields.Integer(
        load_default=5,
        strict=True,
        validate=validate.Range(min(PRIORITIES), max(PRIORITIES)),
        metadata={"description": "1 is the most urgent"},
    )


class GraphRequestSchema(ma.Schema):
    """A graph document. The graph room checks it in full; this is the outline for OpenAPI."""

    example: t.ClassVar[t.Any] = {
        "version": 1,
        "name": "Page about a topic",
        "process": "sequential",
        "nodes": [
            {
                "id": "writer",
                "type": "agent",
                "data": {"role": "Writer", "goal": "Write about {topic}"},
            },
            {
                "id": "facts",
                "type": "task",
                "data": {
                    "description": "Tell three facts about {topic}.",
                    "expected_output": "A list",
                },
            },
        ],
        "edges": [{"source": "writer", "target": "facts"}],
    }

    version = fields.Integer(required=True, metadata={"enum": [1]})
    name = fields.String(required=True)
    process = fields.String(metadata={"enum": ["sequential", "hierarchical"]})
    nodes = fields.List(fields.Dict(), required=True)
    edges = fields.List(fields.Dict(), required=True)
    inputs = fields.Dict(
        keys=fields.String(),
        values=fields.Dict(),
        metadata={"description": "By name: type, description, default, required, enum and bounds"},
    )


class ExecutionEventSchema(ma.Schema):
    """What wakes a worker up."""

    execution_id = fields.UUID(required=True)
    attempt = fields.Integer(
        load_default=None, strict=True, validate=validate.Range(1, MAX_INTEGER)
    )


class CleanupEventSchema(ma.Schema):
    """What the cleanup task is asked to do."""

    action = fields.String(required=True, validate=validate.OneOf(["purge", "reconcile"]))
    older_than_seconds = fields.TimeDelta(
        load_default=None, validate=validate.Range(dt.timedelta())
    )
    keep = fields.Integer(
        load_default=None, allow_none=True, strict=True, validate=validate.Range(0, MAX_INTEGER)
    )


class CancelRequestSchema(ma.Schema):
    """Why an execution is cancelled."""

    reason = Text(0, 500, lines=True, load_default=None, allow_none=True)


class CancelSchema(CancelRequestSchema):
    """Who cancels an execution, and why."""

    by = Text(0, 255, load_default=None, allow_none=True)


class OwnerSchema(ma.Schema):
    """Whose something is."""

    user_id = UserId()


class PageQuerySchema(ma.Schema):
    """Which page of a list."""

    limit = fields.Integer(load_default=50, validate=validate.Range(1, MAX_PAGE))
    before = fields.UUID(
        load_default=None, metadata={"description": "'next' of the page before, for older items"}
    )


class ExecutionQuerySchema(PageQuerySchema):
    """Which executions."""

    status = fields.String(validate=validate.OneOf(list(State)))
    graph_id = fields.UUID()
    thread_id = Text(1, 255, allow_none=True)


class EventQuerySchema(ma.Schema):
    """Which events."""

    after = fields.Integer(load_default=0, validate=validate.Range(0, MAX_INTEGER))
    limit = fields.Integer(load_default=MAX_PAGE, validate=validate.Range(1, MAX_PAGE))


class EventWaitSchema(EventQuerySchema):
    """Which events, and how long to wait for them."""

    wait = fields.Float(
        load_default=0.0,
        validate=validate.Range(0, MAX_WAIT_SECONDS),
        metadata={"description": "Seconds to wait for an event if there is none yet"},
    )


class VersionQuerySchema(ma.Schema):
    """Which version of a graph."""

    version = fields.Integer(load_default=None, validate=validate.Range(1, 2**31 - 1))


class ExportQuerySchema(VersionQuerySchema):
    """As what a graph is exported, and which version of it."""

    format = fields.String(load_default="crewai", validate=validate.OneOf(EXPORT_FORMATS))


class VersionPageQuerySchema(ma.Schema):
    """Which versions of a graph."""

    limit = fields.Integer(load_default=50, validate=validate.Range(1, MAX_PAGE))
    before = fields.Integer(
        load_default=None,
        allow_none=True,
        validate=validate.Range(1, MAX_INTEGER),
        metadata={"description": "'next' of the page before, for older versions"},
    )


class DiffQuerySchema(ma.Schema):
    """Which versions of a graph are compared."""

    older = fields.Integer(data_key="from", required=True, validate=validate.Range(1, MAX_INTEGER))
    newer = fields.Integer(
        data_key="to",
        load_default=None,
        allow_none=True,
        validate=validate.Range(1, MAX_INTEGER),
        metadata={"description": "The newest if not given"},
    )


class GraphQuerySchema(PageQuerySchema):
    """Which graphs."""

    archived = fields.Boolean(
        load_default=False, metadata={"description": "Those that are out of use instead"}
    )


class CopySchema(ma.Schema):
    """What is copied of a graph, and how the copy is called."""

    name = Text(1, 200, load_default=None, allow_none=True)
    version = fields.Integer(
        load_default=None,
        allow_none=True,
        strict=True,
        validate=validate.Range(1, MAX_INTEGER),
        metadata={"description": "The newest if not given"},
    )


class IfMatchHeaderSchema(ma.Schema):
    """What the caller believes to change."""

    if_match = fields.String(
        data_key="If-Match",
        load_default=None,
        metadata={"description": "'ETag' of the graph as it was read; 412 if it has changed"},
    )


class UsageSchema(ma.Schema):
    """Model calls and tokens."""

    llm_calls = fields.Integer()
    prompt_tokens = fields.Integer()
    completion_tokens = fields.Integer()
    total_tokens = fields.Integer()
    cost = fields.Float(metadata={"description": "By 'CREWEXEC_PRICES'; 0 without prices"})


_DAYS: t.Final = validate.Range(dt.date(2000, 1, 1), dt.date(2999, 12, 31))
_DAYS_PATTERN: t.Final = r"^2[0-9]{3}-[0-9]{2}-[0-9]{2}$"


class UsageQuerySchema(ma.Schema):
    """Whose usage, and of which days."""

    since = fields.Date(
        validate=_DAYS,
        metadata={
            "description": "First day; thirty days ago if not given",
            "pattern": _DAYS_PATTERN,
        },
    )
    until = fields.Date(
        validate=_DAYS,
        metadata={"description": "Last day; today if not given", "pattern": _DAYS_PATTERN},
    )
    user_id = Text(1, 255)
    limit = fields.Integer(
        load_default=1000,
        validate=validate.Range(1, 10_000),
        metadata={"description": "Rows at most; the oldest days are left out"},
    )


class DayUsageSchema(UsageSchema):
    """What one user has used on one day (UTC)."""

    day = fields.String()
    user_id = fields.String()
    executions = fields.Integer()


class UsageReportSchema(ma.Schema):
    """What users have used, newest day first."""

    usage = fields.List(fields.Nested(DayUsageSchema))


class StepSchema(ma.Schema):
    """One task of the crew."""

    position = fields.Integer()
    node_id = fields.String()
    name = fields.String()
    agent = fields.String(allow_none=True)
    status = fields.String()
    output = fields.String(attribute="text", allow_none=True)
    json = fields.Raw(
        allow_none=True, metadata={"description": "The output of a task with 'output_schema'"}
    )
    usage = fields.Nested(UsageSchema)
    started_at = Moment(allow_none=True)
    finished_at = Moment(allow_none=True)


class ProgressSchema(ma.Schema):
    """How far an execution is."""

    fraction = fields.Float()
    finished_steps = fields.Integer()
    total_steps = fields.Integer()
    current_step = fields.String(allow_none=True)
    current_agent = fields.String(allow_none=True)
    elapsed_seconds = fields.Float(allow_none=True)
    queue_position = fields.Integer(
        allow_none=True,
        metadata={"description": "From 1, of a queued execution that is shown alone"},
    )


class ResultSchema(ma.Schema):
    """What the crew's last task answered."""

    raw = fields.String()
    json = fields.Raw(allow_none=True)


class ErrorSchema(ma.Schema):
    """Why an execution failed."""

    code = fields.String()
    message = fields.String()
    correlation_id = fields.String()
    step = fields.String(allow_none=True)


class CancellationSchema(ma.Schema):
    """Who asked to cancel, when and why."""

    requested_at = Moment(attribute="cancel_requested_at")
    by = fields.String(attribute="cancelled_by", allow_none=True)
    reason = fields.String(attribute="cancel_reason", allow_none=True)


class ExecutionLimitsSchema(ma.Schema):
    """What an execution may cost; null is no limit."""

    timeout = fields.Float(allow_none=True)
    max_llm_calls = fields.Integer(allow_none=True)
    max_tokens = fields.Integer(allow_none=True)


class ExecutionSchema(ma.Schema):
    """An execution, without what may be large."""

    id = fields.UUID()
    graph_id = fields.UUID()
    graph_version = fields.Integer()
    thread_id = fields.String(allow_none=True)
    request_id = fields.String(
        allow_none=True, metadata={"description": "'X-Request-ID' of the request that queued it"}
    )
    user_id = fields.String(attribute="owner_id")
    status = fields.String(validate=validate.OneOf(list(State)))
    priority = fields.Integer()
    attempt = fields.Integer()
    retries = fields.Integer(metadata={"description": "Attempts made by themselves after errors"})
    lost_attempts = fields.Integer(metadata={"description": "Attempts that lost their worker"})
    limits = fields.Nested(ExecutionLimitsSchema)
    progress = fields.Nested(ProgressSchema)
    error = fields.Nested(ErrorSchema, allow_none=True)
    usage = fields.Nested(UsageSchema)
    cancellation = fields.Nested(CancellationSchema, allow_none=True)
    created_at = Moment()
    queued_at = Moment()
    started_at = Moment(allow_none=True)
    deadline = Moment(allow_none=True)
    next_attempt_at = Moment(attribute="available_at", allow_none=True)
    finished_at = Moment(allow_none=True)


class ExecutionStatusSchema(ExecutionSchema):
    """An execution with its inputs, steps and result."""

    inputs = fields.Dict()
    result = fields.Nested(ResultSchema, allow_none=True)
    steps = fields.List(fields.Nested(StepSchema))


class ExecutionPageSchema(ma.Schema):
    """A page of executions, newest first."""

    executions = fields.List(fields.Nested(ExecutionSchema))
    next = fields.UUID(allow_none=True, metadata={"description": "'before' for the next page"})


class EventSchema(ma.Schema):
    """One line of an execution's history."""

    seq = fields.Integer()
    type = fields.String()
    data = fields.Dict()
    created_at = Moment()


class EventPageSchema(ma.Schema):
    """A page of events, oldest first."""

    events = fields.List(fields.Nested(EventSchema))
    next = fields.Integer(metadata={"description": "'after' for the next page"})


class GraphSchema(ma.Schema):
    """A graph, without its document."""

    id = fields.UUID()
    name = fields.String()
    user_id = fields.String(attribute="owner_id")
    latest_version = fields.Integer()
    created_at = Moment()
    updated_at = Moment()
    archived_at = Moment(attribute="deleted_at", allow_none=True)


class GraphDocumentSchema(GraphSchema):
    """A graph with one version of its document."""

    version = fields.Integer(attribute="number")
    digest = fields.String(metadata={"description": "SHA-256 of the document as canonical JSON"})
    document = fields.Dict()


class GraphVersionSchema(ma.Schema):
    """A version of a graph, without its document."""

    version = fields.Integer(attribute="number")
    author = fields.String(attribute="author_id")
    digest = fields.String(metadata={"description": "SHA-256 of the document as canonical JSON"})
    created_at = Moment()


class GraphVersionPageSchema(ma.Schema):
    """A page of versions, newest first."""

    versions = fields.List(fields.Nested(GraphVersionSchema))
    next = fields.Integer(allow_none=True, metadata={"description": "'before' for the next page"})


class ChangeSchema(ma.Schema):
    """One thing that differs between two versions."""

    kind = fields.String(metadata={"enum": ["added", "removed", "changed", "moved"]})
    element = fields.String(metadata={"enum": ["document", "node", "edge"]})
    id = fields.String(
        allow_none=True,
        metadata={"description": "A node's id, or an edge's ends; null for the document"},
    )
    pointer = fields.String(
        metadata={"description": "JSON pointer into the newer document; if removed, the older"}
    )
    old = fields.Raw(metadata={"description": "Missing if added; if moved, the place in the list"})
    new = fields.Raw(metadata={"description": "Missing if removed"})


class DifferenceSchema(ma.Schema):
    """What changed from one version to another."""

    older = fields.Integer(data_key="from")
    newer = fields.Integer(data_key="to")
    changes = fields.List(fields.Nested(ChangeSchema))


class GraphPageSchema(ma.Schema):
    """A page of graphs, newest first."""

    graphs = fields.List(fields.Nested(GraphSchema))
    next = fields.UUID(allow_none=True, metadata={"description": "'before' for the next page"})


class ImportQuerySchema(ma.Schema):
    """How to import."""

    dry_run = fields.Boolean(
        load_default=False, metadata={"description": "Answer with the document, but store nothing"}
    )


class ImportSchema(ma.Schema):
    """Files of a crew that was made elsewhere."""

    example: t.ClassVar[t.Any] = {
        "format": "crewai-yaml",
        "files": {
            "agents.yaml": "writer: {role: Writer, goal: Write, backstory: Writes.}",
            "tasks.yaml": "facts: {description: Tell, expected_output: A list, agent: writer}",
        },
        "name": "Facts",
    }

    format = fields.String(required=True, validate=validate.OneOf(FORMATS))
    files = fields.Dict(required=True, metadata={"description": "The texts of the files, by name"})
    name = Text(1, 200, metadata={"description": "For files that do not name the crew"})
    process = fields.String(
        validate=validate.OneOf(["sequential", "hierarchical"]),
        metadata={"description": "For formats that do not say it"},
    )
    order = fields.List(
        fields.String(),
        validate=validate.Length(max=200),
        metadata={"description": "The tasks of 'crewai-yaml' in their order in 'crew.py'"},
    )
    manager_agent = fields.String(metadata={"description": "Who manages, for 'crewai-yaml'"})
    manager_llm = fields.String(metadata={"description": "Its manager's model, for 'crewai-yaml'"})
    tools = fields.Dict(
        keys=fields.String(),
        values=fields.String(),
        metadata={"description": "Registered tools by their names in the files"},
    )
    models = fields.Dict(
        keys=fields.String(),
        values=fields.String(),
        metadata={"description": "Registered models by their names in the files"},
    )


class NoteSchema(ma.Schema):
    """Something in the files that is not in the graph."""

    file = fields.String()
    pointer = fields.String(metadata={"description": "JSON pointer into the file"})
    code = fields.String(metadata={"description": "Stable kind of note"})
    detail = fields.String(metadata={"description": "What is left out, and what to do instead"})


class ImportedGraphSchema(GraphDocumentSchema):
    """A graph that was imported."""

    notes = fields.List(fields.Nested(NoteSchema))


class ImportPreviewSchema(ma.Schema):
    """What an import would store."""

    document = fields.Dict()
    notes = fields.List(fields.Nested(NoteSchema))


class ExportSchema(ma.Schema):
    """A graph as files; 'POST /graphs/import' takes 'format' and 'files' back."""

    format = fields.String(validate=validate.OneOf(EXPORT_FORMATS))
    files = fields.Dict(
        keys=fields.String(),
        values=fields.String(),
        metadata={"description": "The texts of the files, by name"},
    )
    notes = fields.List(
        fields.Nested(NoteSchema),
        metadata={"description": "What the files cannot say, with pointers into the document"},
    )


class HintedProblemSchema(ProblemItemSchema):
    """One thing that is wrong with a graph document."""

    hint = fields.String(metadata={"description": "What is allowed instead"})


class ModelCallsSchema(ma.Schema):
    """How many model calls one attempt may make."""

    lower = fields.Integer()
    upper = fields.Integer()


_ORDER_DESCRIPTION: t.Final = {"description": "Ids of the tasks, in the order of execution"}


class ValidationSchema(ma.Schema):
    """What is wrong with a graph document, or what it needs."""

    valid = fields.Boolean()
    problems = fields.List(fields.Nested(HintedProblemSchema))
    inputs = fields.List(fields.String(), metadata={"description": "Names of the inputs it needs"})
    inputs_schema = fields.Dict(
        allow_none=True, metadata={"description": "JSON Schema of the inputs; null if not valid"}
    )
    order = fields.List(fields.String(), metadata=_ORDER_DESCRIPTION)
    model_calls = fields.Nested(ModelCallsSchema, allow_none=True)


class PreferHeaderSchema(ma.Schema):
    """How long the caller would wait (RFC 7240)."""

    prefer = fields.String(
        data_key="Prefer",
        metadata={"description": "'wait=N': answer at the end, or after N seconds, 30 at most"},
    )


class LastEventIdHeaderSchema(ma.Schema):
    """Where a stream goes on."""

    last_event_id = fields.String(
        data_key="Last-Event-ID",
        metadata={"description": "For a stream: the id of the last event that was received"},
    )


class DryRunQuerySchema(ma.Schema):
    """Whether an order is placed or only checked."""

    dry_run = fields.Boolean(
        load_default=False, metadata={"description": "Check everything, but queue nothing"}
    )


class DryRunSchema(ma.Schema):
    """What an order would queue."""

    execution_id = fields.UUID(
        allow_none=True,
        metadata={"description": "The one that the same order with this key has queued already"},
    )
    graph_id = fields.UUID()
    graph_version = fields.Integer()
    thread_id = fields.String(allow_none=True)
    user_id = fields.String(attribute="owner_id")
    priority = fields.Integer()
    inputs = fields.Dict()
    limits = fields.Nested(ExecutionLimitsSchema)
    order = fields.List(fields.String(), metadata=_ORDER_DESCRIPTION)
    model_calls = fields.Nested(ModelCallsSchema)


class RegisteredToolSchema(ma.Schema):
    """A tool that graphs may name."""

    name = fields.String()
    description = fields.String()
    arguments = fields.Dict(
        allow_none=True, metadata={"description": "JSON Schema; null if it cannot be told"}
    )
    timeout = fields.Float(
        allow_none=True, metadata={"description": "Seconds that one call may take"}
    )
    max_output_chars = fields.Integer(metadata={"description": "What is longer is cut"})


class RegisteredModelSchema(ma.Schema):
    """A model that graphs may name."""

    name = fields.String()
    max_tokens = fields.Integer(
        allow_none=True, metadata={"description": "The most that graphs may ask for"}
    )


class RegisteredStorageSchema(ma.Schema):
    """Where inputs of the type ``file`` may come from."""

    name = fields.String(metadata={"description": "What references begin with, before a colon"})


class RegisteredFunctionSchema(ma.Schema):
    """A guardrail or predicate that graphs may name."""

    name = fields.String()
    description = fields.String()


class RegistrySchema(ma.Schema):
    """What graphs may name."""

    tools = fields.List(fields.Nested(RegisteredToolSchema))
    models = fields.List(fields.Nested(RegisteredModelSchema))
    guardrails = fields.List(fields.Nested(RegisteredFunctionSchema))
    predicates = fields.List(fields.Nested(RegisteredFunctionSchema))
    storages = fields.List(fields.Nested(RegisteredStorageSchema))


class QueuesSchema(ma.Schema):
    """How much waits, and who works."""

    queues = fields.Dict(
        keys=fields.String(),
        values=fields.Dict(keys=fields.String(), values=fields.Integer()),
        metadata={"description": "Waiting messages by queue and priority"},
    )
    held = fields.Dict(
        keys=fields.String(),
        values=fields.Integer(),
        metadata={"description": "Executions that wait for their user's turn, by priority"},
    )
    workers = fields.List(fields.Nested("WorkerSchema"))


class WorkerSchema(ma.Schema):
    """A worker as it last said of itself."""

    name = fields.String()
    queues = fields.List(fields.String())
    pool = fields.String()
    concurrency = fields.Integer()
    started_at = Moment()
    seen_at = Moment()


class HealthSchema(ma.Schema):
    """Whether the service can do its work."""

    status = fields.String()
    checks = fields.Dict(keys=fields.String(), values=fields.String())


def load(schema: ma.Schema, values: Mapping[str, t.Any]) -> dict[str, t.Any]:
    """Return *values* as *schema* reads them.

    :raises InvalidRequest: with everything that *schema* refuses.
    """
    try:
        return t.cast("dict[str, t.Any]", schema.load(values))
    except ma.ValidationError as error:
        raise refusal(error.messages) from error


def refusal(messages: object) -> InvalidRequest:
    """Return the error that marshmallow's *messages* stand for."""
    problems = [*from_messages(messages)]
    place = problems[0].pointer.removeprefix("/") or "The request"
    return InvalidRequest(f"{place}: {problems[0].detail}", problems)


def from_messages(messages: object, pointer: str = "") -> Iterator[Problem]:
    """Flatten marshmallow's nested messages to problems with JSON pointers."""
    if isinstance(messages, dict):
        for key, value in messages.items():
            yield from from_messages(value, pointer if key == "_schema" else child(pointer, key))
    elif isinstance(messages, list):
        for message in messages:
            yield from from_messages(message, pointer)
    else:
        yield Problem(pointer, "invalid-field", str(messages))
