"""Documents that the API reads and sends.

Written by tests/support/python_documents.py.
"""

from __future__ import annotations

import typing as t
import uuid


class QueueRequest(t.TypedDict):
    """A submission: the graph to run, its inputs, priority and limits."""

    webhook: t.NotRequired[SubmissionWebhook | None]
    """A webhook that is told of this execution alone."""
    thread_id: t.NotRequired[str | None]
    """Groups executions, for instance those of a conversation."""
    timeout: t.NotRequired[float | None]
    """Seconds from the first start."""
    max_llm_calls: t.NotRequired[int | None]
    """Maximum number of model calls."""
    max_tool_calls: t.NotRequired[int | None]
    """Maximum number of tool calls."""
    max_tokens: t.NotRequired[int | None]
    """No further calls are made once they are used."""
    graph_id: str | uuid.UUID
    """Id of the graph to run."""
    inputs: t.NotRequired[dict[str, t.Any]]
    """Values of the placeholders."""
    priority: t.NotRequired[int]
    """1 is the most urgent; by default 5, or the most urgent that the user may use if that is less
    urgent."""


class Limits(t.TypedDict):
    """Limits of one execution, within those of the settings."""

    timeout: t.NotRequired[float | None]
    """Seconds from the first start."""
    max_llm_calls: t.NotRequired[int | None]
    """Maximum number of model calls."""
    max_tool_calls: t.NotRequired[int | None]
    """Maximum number of tool calls."""
    max_tokens: t.NotRequired[int | None]
    """No further calls are made once they are used."""


class ExecutionQuery(t.TypedDict):
    """Filters of the list of executions."""

    limit: t.NotRequired[int]
    """Maximum number of items."""
    before: t.NotRequired[str | uuid.UUID | None]
    """'next' of the previous page, for older items."""
    status: t.NotRequired[
        t.Literal[
            "queued",
            "running",
            "waiting_input",
            "retrying",
            "completed",
            "failed",
            "cancelled",
            "timed_out",
        ]
    ]
    """Only executions with this status."""
    graph_id: t.NotRequired[str | uuid.UUID]
    """Only executions of this graph."""
    forked_from: t.NotRequired[str | uuid.UUID]
    """Only forks of this execution."""
    thread_id: t.NotRequired[str | None]
    """Only executions of this thread."""
    user_id: t.NotRequired[str]
    """Only executions of this user; ordinary users see only their own."""
    code: t.NotRequired[str]
    """Only executions whose error has this code."""
    created_after: t.NotRequired[str]
    """Only executions with an id of this time or later."""
    created_before: t.NotRequired[str]
    """Only executions with an id of an earlier time."""
    ids: t.NotRequired[str]
    """Only these executions, up to 50 ids separated by commas; those that do not exist are left
    out."""


class InputAnswer(t.TypedDict):
    """An answer to an input request."""

    decision: t.Literal["approve", "change", "edit", "reject", "respond"]
    """One of the request's 'decisions'."""
    text: t.NotRequired[str]
    """What is to be changed; the answer itself, for 'edit' and 'respond'; why, for 'reject'."""
    arguments: t.NotRequired[dict[str, t.Any]]
    """For 'edit' of a tool call: all arguments with which to make it."""
    value: t.NotRequired[t.Any]
    """For 'edit' where the request has a 'schema', the object; for 'respond' to a question with
    choices, one of them."""
    bypass: t.NotRequired[bool]
    """Whether a manager answers although the request asks others, which it will show."""


class InputAnswerItem(t.TypedDict):
    """An answer to one of several input requests."""

    decision: t.Literal["approve", "change", "edit", "reject", "respond"]
    """One of the request's 'decisions'."""
    text: t.NotRequired[str]
    """What is to be changed; the answer itself, for 'edit' and 'respond'; why, for 'reject'."""
    arguments: t.NotRequired[dict[str, t.Any]]
    """For 'edit' of a tool call: all arguments with which to make it."""
    value: t.NotRequired[t.Any]
    """For 'edit' where the request has a 'schema', the object; for 'respond' to a question with
    choices, one of them."""
    bypass: t.NotRequired[bool]
    """Whether a manager answers although the request asks others, which it will show."""
    id: str
    """Id of the input request."""


class InputRequestQuery(t.TypedDict):
    """Range of the list of input requests, and filters."""

    limit: t.NotRequired[int]
    """Maximum number of items."""
    before: t.NotRequired[str | uuid.UUID | None]
    """'next' of the previous page, for older items."""
    status: t.NotRequired[t.Literal["open", "answered", "expired", "withdrawn"] | None]
    """Only requests with this status."""
    execution_id: t.NotRequired[str | uuid.UUID | None]
    """Only those of this execution."""
    assigned: t.NotRequired[t.Literal["me"] | None]
    """'me' for those that the user is asked, and may answer."""
    expires_within: t.NotRequired[float | None]
    """Only those that expire within so many seconds, or have."""


class CallQuery(t.TypedDict):
    """Range of a list of calls."""

    step: t.NotRequired[int | None]
    """Only calls of the step at this position."""
    after: t.NotRequired[int]
    """Only calls with a greater number."""
    limit: t.NotRequired[int]
    """Maximum number of calls."""
    content: t.NotRequired[bool]
    """Whether requests and answers are shown."""


class ForkRequest(t.TypedDict):
    """What a fork changes."""

    from_step: t.NotRequired[str | None]
    """Name of the first step that runs in any case; by default, every finished step is taken over
    that nothing has changed for."""
    outputs: t.NotRequired[dict[str, t.Any]]
    """Texts by the names of steps, which replace their outputs; for a step with 'output_schema',
    the object as JSON."""
    inputs: t.NotRequired[dict[str, t.Any]]
    """Inputs that change; the others are as before."""
    graph_version: t.NotRequired[t.Literal["same", "latest"]]
    """Version of the graph to run."""
    limits: t.NotRequired[Limits]
    """Limits that change; the others are as before."""


class CancelSeveral(t.TypedDict):
    """Executions to cancel, and why."""

    reason: t.NotRequired[str | None]
    """Reason, which the owner will see."""
    ids: list[str | uuid.UUID]
    """Ids of up to 100 executions."""


class RetrySeveral(t.TypedDict):
    """Executions to retry, and limits of each of them."""

    timeout: t.NotRequired[float | None]
    """Seconds from the first start."""
    max_llm_calls: t.NotRequired[int | None]
    """Maximum number of model calls."""
    max_tool_calls: t.NotRequired[int | None]
    """Maximum number of tool calls."""
    max_tokens: t.NotRequired[int | None]
    """No further calls are made once they are used."""
    ids: list[str | uuid.UUID]
    """Ids of up to 100 executions."""


class GraphQuery(t.TypedDict):
    """Filters of the list of graphs."""

    limit: t.NotRequired[int]
    """Maximum number of items."""
    before: t.NotRequired[str | uuid.UUID | None]
    """'next' of the previous page, for older items."""
    archived: t.NotRequired[bool]
    """Archived graphs instead of the others."""


class SubmissionWebhook(t.TypedDict):
    """A webhook that is told of one execution."""

    url: str
    """Begins with 'https://'; without a user and a fragment."""
    events: t.NotRequired[
        list[
            t.Literal[
                "*",
                "budget.*",
                "budget.exhausted",
                "execution.*",
                "execution.cancelled",
                "execution.completed",
                "execution.failed",
                "execution.queued",
                "execution.retrying",
                "execution.started",
                "execution.timed_out",
                "execution.waiting_input",
                "input.*",
                "input.answered",
                "input.expired",
                "input.requested",
                "step.*",
                "step.completed",
                "step.skipped",
            ]
        ]
    ]
    """Types, or patterns such as 'execution.*' and '*'."""


class WholeExecution(t.TypedDict):
    """An execution with its inputs, steps and result."""

    id: str
    """Id of the execution."""
    graph_id: str
    """Id of the graph."""
    graph_name: str
    """Present name of the graph."""
    graph_version: int
    """Version of the graph that runs."""
    forked_from: str | None
    """Execution that it is a fork of, which may be removed by now."""
    thread_id: str | None
    """Id that groups executions."""
    request_id: str | None
    """'X-Request-ID' of the request that queued it."""
    user_id: str
    """Id of the owner."""
    status: t.Literal[
        "queued",
        "running",
        "waiting_input",
        "retrying",
        "completed",
        "failed",
        "cancelled",
        "timed_out",
    ]
    """Status of the execution."""
    priority: int
    """From 1, the most urgent, to 10."""
    attempt: int
    """Number of the current or last attempt."""
    retries: int
    """Automatic retries after transient errors."""
    lost_attempts: int
    """Attempts whose worker was lost."""
    limits: ExecutionLimits
    """Limits of the execution."""
    progress: Progress
    """How far the execution is."""
    error: Error | None
    """Why it failed; null if it has not."""
    usage: Usage
    """Model calls and tokens of all attempts."""
    cancellation: Cancellation | None
    """Who cancelled it; null if nobody has."""
    created_at: str
    """When it was submitted."""
    queued_at: str
    """When it was queued last."""
    started_at: str | None
    """When it was first started."""
    deadline: str | None
    """When it will time out."""
    next_attempt_at: str | None
    """When it will be retried."""
    finished_at: str | None
    """When it ended."""
    inputs: dict[str, t.Any]
    """Values of the placeholders."""
    result: Result | None
    """Answer of the crew; null until it has completed."""
    result_omitted: bool
    """Whether the result was left out, because it is too large."""
    result_url: str | None
    """Where the result is, if it was left out."""
    steps: list[StatusStep]
    """Steps in the order of execution."""
    input_requests: list[str]
    """Ids of the input requests that are open."""


class ExecutionPage(t.TypedDict):
    """A page of executions, newest first."""

    executions: list[Execution]
    """The executions of this page."""
    next: str | None
    """'before' for the next page."""


class InputRequestPage(t.TypedDict):
    """One page of the list."""

    input_requests: list[InputRequest]
    """The requests of this page."""
    next: str | None
    """Value of 'before' for the next page."""


class Answered(t.TypedDict):
    """Input requests that were answered at once."""

    input_requests: list[InputRequest]
    """The requests, in the order of the answers."""


class ProblemItem(t.TypedDict):
    """One problem of the request."""

    pointer: str
    """JSON pointer to the value."""
    code: str
    """Stable kind of problem."""
    detail: str
    """What is wrong and what to do."""
    hint: t.NotRequired[str]
    """What is allowed instead, if it helps."""


class Step(t.TypedDict):
    """A step of an execution: one task of the crew."""

    position: int
    """Position in the order of execution, from 0."""
    node_id: str
    """Id of the task's node in the graph."""
    name: str
    """Name of the task."""
    agent: str | None
    """Role of the agent; null if a manager chooses it."""
    status: t.Literal[
        "pending", "running", "completed", "failed", "cancelled", "timed_out", "skipped"
    ]
    """Status of the step."""
    output: str | None
    """Text of the output."""
    json: t.Any
    """The output of a task with 'output_schema'."""
    origin: t.Literal["reused", "edited"] | None
    """Where a fork has the output from: 'reused' from the execution that was forked, 'edited' from
    the request; null if the step runs."""
    truncated: bool
    """Whether the output ends where the model had to stop."""
    usage: Usage
    """Model calls and tokens of the step."""
    started_at: str | None
    """When the step started."""
    finished_at: str | None
    """When the step ended."""


class Result(t.TypedDict):
    """Answer of the crew's last task."""

    raw: str
    """Text of the answer."""
    json: t.Any
    """The answer of a task with 'output_schema'."""


class CallPage(t.TypedDict):
    """A page of calls, in their order; large ones are in shorter pages, until one is empty."""

    calls: list[Call]
    """The calls of this page."""
    next: int
    """'after' for the next page."""


class WholeCall(t.TypedDict):
    """A call with everything that a model was asked."""

    number: int
    """Number within the execution, from 1."""
    kind: t.Literal["model", "tool", "check"]
    """What was called; a 'check' is the verdict of a guardrail."""
    name: str
    """Name of the model at its provider, the tool or the guardrail."""
    agent: str | None
    """Role of the agent."""
    step: int | None
    """Position of the step; null outside of steps."""
    attempt: int
    """Number of the attempt that made it."""
    generation: int
    """How often the step had been restarted although calls were stored."""
    parent: int | None
    """Number of the call that delegated the work it belongs to."""
    status: t.Literal["started", "done", "failed", "unknown"]
    """'unknown' if the worker was lost before the end was stored; the call may have had its
    effect."""
    request: t.Any
    """Of a model: what was new since the previous call of the conversation, '{"start",
    "messages"}', after so many earlier messages; of a tool: '{"arguments"}', with 'edited' if it
    was called with those of a person. Null if it was left out."""
    answer: t.Any
    """Of a model: '{"value", "finish_reason"}', whose value is a text or tool calls, with
    'remembered' if the model's object keeps more of it; of a tool: '{"text"}', as the model was
    told; of a check: '{"verdict"}', true or what is wrong. Null if it was left out."""
    error: CallError | None
    """Why it has failed; null if it has not."""
    altered: bool
    """Whether something in it was replaced, such as a secret."""
    cut: bool
    """Whether something in it is left out, such as too long texts."""
    size: int
    """Characters that are stored of its request and answer."""
    usage: Tokens
    """Tokens and cost of a model call."""
    started_at: str
    """When it began."""
    finished_at: str | None
    """When it ended."""
    messages: t.Any
    """All messages of the request of a model, or the last ones if they are too large together; null
    if some are not stored."""
    messages_omitted: int
    """How many messages at the beginning are left out."""
    omitted_in_call: int | None
    """Number of an earlier call whose messages begin with those that are left out; null if none
    are."""


class Forked(t.TypedDict):
    """A fork, and what it does with each step."""

    execution: WholeExecution
    """The execution that was queued."""
    steps: list[ForkedStep]
    """Steps in the order of execution."""


class Comparison(t.TypedDict):
    """How two executions, 'a' and 'b', differ."""

    a: Execution
    """The first: its status, error, time and usage."""
    b: Execution
    """The second: its status, error, time and usage."""
    difference: TotalsDifference
    """The second minus the first."""
    inputs: list[InputDifference]
    """Inputs that differ."""
    graph: list[Change]
    """Changes from the graph of the first to that of the second."""
    steps: list[StepDifference]
    """Steps by name, in the order of the second."""
    result: TextDifference
    """How the results differ."""
    calls: list[CallDifference]
    """What was called, as far as calls are recorded."""


class Outcomes(t.TypedDict):
    """What came of several executions."""

    executions: list[Outcome]
    """The executions in the order of the request."""


class PauseChange(t.TypedDict):
    """What became of a wish to pause or to resume the queue."""

    pause: QueuePause | None
    """The pause that lasts now; null if the queue is not paused."""
    changed: bool
    """False if that was so before, as after a repeated request."""


class WorkerReport(t.TypedDict):
    """All workers that have not signed off."""

    workers: list[Worker]
    """Those with the latest heartbeat first."""


class GraphPage(t.TypedDict):
    """A page of graphs, newest first."""

    graphs: list[Graph]
    """The graphs of this page."""
    next: str | None
    """'before' for the next page."""


class ExecutionLimits(t.TypedDict):
    """Limits of an execution; null means no limit."""

    timeout: float | None
    """Seconds from the first start."""
    max_llm_calls: int | None
    """Maximum number of model calls."""
    max_tool_calls: int | None
    """Maximum number of tool calls."""
    max_tokens: int | None
    """Tokens after which no further call is made."""


class Progress(t.TypedDict):
    """Progress of an execution."""

    fraction: float
    """Finished steps of all steps, from 0 to 1."""
    finished_steps: int
    """Number of finished steps."""
    total_steps: int
    """Number of steps."""
    current_step: str | None
    """Name of the running step."""
    current_agent: str | None
    """Role of the agent that works on it."""
    elapsed_seconds: float | None
    """Seconds from the first start to the end, except those of waited_seconds."""
    waited_seconds: float
    """Seconds that it waited for people."""
    queue_position: int | None
    """From 1 to 1000, for a single queued execution, as of a second ago."""
    waiting_for: t.Literal["worker", "free_slot", "paused_queue", "retry", "people"] | None
    """What it waits for; null if it runs or has ended."""


class Error(t.TypedDict):
    """Why an execution failed."""

    code: str
    """Stable kind of failure."""
    message: str
    """What went wrong, as a sentence."""
    correlation_id: str
    """Id of the error in the worker's log."""
    step: str | None
    """Name of the step that failed."""
    call: int | None
    """Number of the call that ended it, if one did."""


class Usage(t.TypedDict):
    """Model calls, tool calls and tokens."""

    llm_calls: int
    """Number of model calls."""
    tool_calls: int
    """Number of tool calls."""
    prompt_tokens: int
    """Tokens that were sent to models."""
    completion_tokens: int
    """Tokens that models have answered."""
    total_tokens: int
    """Tokens in both directions."""
    cost: float
    """From 'CREWEXEC_PRICES'; 0 without prices."""


class Cancellation(t.TypedDict):
    """Who requested the cancellation, when and why."""

    requested_at: str
    """When the cancellation was requested."""
    by: str | None
    """Id of the user who requested it."""
    reason: str | None
    """Reason that was given."""


class StatusStep(t.TypedDict):
    """A step in the status of its execution."""

    position: int
    """Position in the order of execution, from 0."""
    node_id: str
    """Id of the task's node in the graph."""
    name: str
    """Name of the task."""
    agent: str | None
    """Role of the agent; null if a manager chooses it."""
    status: t.Literal[
        "pending", "running", "completed", "failed", "cancelled", "timed_out", "skipped"
    ]
    """Status of the step."""
    output: str | None
    """Text of the output."""
    json: t.Any
    """The output of a task with 'output_schema'."""
    origin: t.Literal["reused", "edited"] | None
    """Where a fork has the output from: 'reused' from the execution that was forked, 'edited' from
    the request; null if the step runs."""
    truncated: bool
    """Whether the output ends where the model had to stop."""
    usage: Usage
    """Model calls and tokens of the step."""
    started_at: str | None
    """When the step started."""
    finished_at: str | None
    """When the step ended."""
    output_omitted: bool
    """Whether the output was left out, because it is too large."""
    output_url: str | None
    """Where the output is, if it was left out."""


class Execution(t.TypedDict):
    """An execution without its inputs, steps and result, which may be large."""

    id: str
    """Id of the execution."""
    graph_id: str
    """Id of the graph."""
    graph_name: str
    """Present name of the graph."""
    graph_version: int
    """Version of the graph that runs."""
    forked_from: str | None
    """Execution that it is a fork of, which may be removed by now."""
    thread_id: str | None
    """Id that groups executions."""
    request_id: str | None
    """'X-Request-ID' of the request that queued it."""
    user_id: str
    """Id of the owner."""
    status: t.Literal[
        "queued",
        "running",
        "waiting_input",
        "retrying",
        "completed",
        "failed",
        "cancelled",
        "timed_out",
    ]
    """Status of the execution."""
    priority: int
    """From 1, the most urgent, to 10."""
    attempt: int
    """Number of the current or last attempt."""
    retries: int
    """Automatic retries after transient errors."""
    lost_attempts: int
    """Attempts whose worker was lost."""
    limits: ExecutionLimits
    """Limits of the execution."""
    progress: Progress
    """How far the execution is."""
    error: Error | None
    """Why it failed; null if it has not."""
    usage: Usage
    """Model calls and tokens of all attempts."""
    cancellation: Cancellation | None
    """Who cancelled it; null if nobody has."""
    created_at: str
    """When it was submitted."""
    queued_at: str
    """When it was queued last."""
    started_at: str | None
    """When it was first started."""
    deadline: str | None
    """When it will time out."""
    next_attempt_at: str | None
    """When it will be retried."""
    finished_at: str | None
    """When it ended."""


class InputRequest(t.TypedDict):
    """What an execution asks people."""

    id: str
    """Id of the request."""
    execution_id: str
    """Id of the execution."""
    graph_name: str | None
    """Present name of the execution's graph; null for those who are asked, but do not see the
    execution."""
    kind: t.Literal["review", "approval", "question", "outcome"]
    """'review' of the answer of a step, 'approval' of a tool call, 'question' of an agent, or
    'outcome' of a tool call that was interrupted."""
    step: int
    """Position of the step, from 0."""
    step_name: str
    """Name of the step."""
    round: int
    """How often the same was asked, from 1."""
    message: str | None
    """What the graph tells those who are asked, or the question; null for managers who may not see
    questions."""
    problem: str | None
    """Why it is asked: the answer that somebody has edited was refused, or a tool call was
    interrupted."""
    draft: Draft | None
    """What is reviewed; null for managers who may not see it, and for other kinds."""
    tool: str | None
    """Name of the tool whose call waits."""
    arguments: dict[str, t.Any] | None
    """Arguments of the call; null for managers who may not see them."""
    digest: str | None
    """SHA-256 of the arguments with which the tool would be called."""
    schema: dict[str, t.Any] | None
    """JSON Schema that what is written must match."""
    decisions: list[t.Literal["approve", "change", "edit", "reject", "respond"]]
    """Which decisions are allowed."""
    assignees: Assignees
    """Who is asked; nobody is named where the owner is."""
    roles_only: bool
    """Whether a tool demands that only users with these roles answer."""
    four_eyes: bool
    """Whether neither the owner of the execution nor the person who edited what is asked about may
    answer."""
    edited_by: str | None
    """Who has written the draft or the arguments, if a person has."""
    expires_at: str | None
    """Until when it can be answered."""
    on_expiry: str
    """What happens then: 'fail', 'approve', 'reject' or 'default'."""
    default: dict[str, t.Any] | None
    """The answer that is used then, if that is 'default'."""
    status: t.Literal["open", "answered", "expired", "withdrawn"]
    """'withdrawn' if it is not asked any more: the execution has ended, or the step was
    restarted."""
    may_answer: bool
    """Whether it is open, and the user is one of those who may answer."""
    may_bypass: bool
    """Whether it is open, and the user, a manager, may answer only with 'bypass'."""
    decision: t.Literal["approve", "change", "edit", "reject", "respond"] | None
    """What was decided."""
    answer: AnswerContent | None
    """What was written."""
    answered_by: str | None
    """Who has answered; null if nobody has."""
    bypassed: bool
    """Whether that was a manager who was not asked."""
    link_issued_by: str | None
    """Who has issued the signed link with which it was answered; null if the application did, or
    there was none."""
    created_at: str
    """When it was asked."""
    answered_at: str | None
    """When it was answered, has expired or was withdrawn."""


class Call(t.TypedDict):
    """A call of a model or a tool, or a check of an answer."""

    number: int
    """Number within the execution, from 1."""
    kind: t.Literal["model", "tool", "check"]
    """What was called; a 'check' is the verdict of a guardrail."""
    name: str
    """Name of the model at its provider, the tool or the guardrail."""
    agent: str | None
    """Role of the agent."""
    step: int | None
    """Position of the step; null outside of steps."""
    attempt: int
    """Number of the attempt that made it."""
    generation: int
    """How often the step had been restarted although calls were stored."""
    parent: int | None
    """Number of the call that delegated the work it belongs to."""
    status: t.Literal["started", "done", "failed", "unknown"]
    """'unknown' if the worker was lost before the end was stored; the call may have had its
    effect."""
    request: t.Any
    """Of a model: what was new since the previous call of the conversation, '{"start",
    "messages"}', after so many earlier messages; of a tool: '{"arguments"}', with 'edited' if it
    was called with those of a person. Null if it was left out."""
    answer: t.Any
    """Of a model: '{"value", "finish_reason"}', whose value is a text or tool calls, with
    'remembered' if the model's object keeps more of it; of a tool: '{"text"}', as the model was
    told; of a check: '{"verdict"}', true or what is wrong. Null if it was left out."""
    error: CallError | None
    """Why it has failed; null if it has not."""
    altered: bool
    """Whether something in it was replaced, such as a secret."""
    cut: bool
    """Whether something in it is left out, such as too long texts."""
    size: int
    """Characters that are stored of its request and answer."""
    usage: Tokens
    """Tokens and cost of a model call."""
    started_at: str
    """When it began."""
    finished_at: str | None
    """When it ended."""


class CallError(t.TypedDict):
    """Why a call has failed."""

    code: str
    """Stable kind of failure."""
    status: t.NotRequired[int]
    """HTTP status of the model's provider, if it has answered."""
    may_have_acted: t.NotRequired[bool]
    """True if the tool may have had its effect all the same."""


class Tokens(t.TypedDict):
    """Tokens of one model call."""

    prompt_tokens: int
    """Tokens that were sent to the model."""
    completion_tokens: int
    """Tokens that it has answered."""
    total_tokens: int
    """Tokens in both directions."""
    cost: float
    """From 'CREWEXEC_PRICES'; 0 without prices."""


class ForkedStep(t.TypedDict):
    """What a fork does with a step."""

    step: str
    """Name of the step."""
    origin: t.Literal["reused", "edited"] | None
    """'reused' or 'edited' if its output is known; null if it runs."""
    reason: (
        t.Literal[
            "from-step",
            "new-step",
            "not-finished",
            "definition-changed",
            "input-changed",
            "plan-changed",
            "output-changed",
        ]
        | None
    )
    """Why it runs; null if it does not."""
    causes: list[str]
    """What has changed: inputs, steps, or 'task', 'context', 'agents' and 'manager' of a
    definition."""
    detail: str | None
    """The reason as a sentence; null without one."""


class TotalsDifference(t.TypedDict):
    """Figures of the second execution minus those of the first."""

    seconds: float | None
    """From start to end; null unless both started."""
    llm_calls: int
    """Model calls."""
    tool_calls: int
    """Tool calls."""
    total_tokens: int
    """Tokens."""
    cost: float
    """From 'CREWEXEC_PRICES'; 0 without prices."""


class InputDifference(t.TypedDict):
    """An input that differs."""

    name: str
    """Name of the input."""
    a: t.NotRequired[t.Any]
    """Its value in the first; missing if it has none."""
    b: t.NotRequired[t.Any]
    """Its value in the second; missing if it has none."""


class Change(t.TypedDict):
    """A difference between two versions."""

    kind: str
    """What happened to the element."""
    element: str
    """What has changed."""
    id: str | None
    """Id of a node, or ends of an edge; null for the document."""
    pointer: str
    """JSON pointer into the newer document; if removed, the older."""
    old: t.NotRequired[t.Any]
    """Missing if added; if moved, the old position."""
    new: t.NotRequired[t.Any]
    """Missing if removed."""


class StepDifference(t.TypedDict):
    """Steps of the same name."""

    name: str
    """Name of the step."""
    a: ComparedStep | None
    """The step of the first; null if it has none."""
    b: ComparedStep | None
    """The step of the second; null if it has none."""
    output: TextDifference
    """How the outputs differ."""


class TextDifference(t.TypedDict):
    """How two texts differ."""

    same: bool | None
    """Whether they are the same; null if one is too large to be read."""
    diff: str | None
    """Unified diff, line by line; null if they are the same."""
    truncated: bool
    """Whether the diff was cut off."""
    omitted: bool
    """Whether the diff was left out, since the texts are too large."""


class CallDifference(t.TypedDict):
    """Calls of the same model or tool, or checks by the same guardrail."""

    kind: t.Literal["model", "tool", "check"]
    """What was called."""
    name: str
    """Name of the model, tool or guardrail."""
    a: CallTotal | None
    """Calls of the first; null if there are none."""
    b: CallTotal | None
    """Calls of the second; null if there are none."""


class Outcome(t.TypedDict):
    """What came of one of several executions."""

    id: str
    """Id of the execution."""
    status: (
        t.Literal[
            "queued",
            "running",
            "waiting_input",
            "retrying",
            "completed",
            "failed",
            "cancelled",
            "timed_out",
        ]
        | None
    )
    """Status of the execution afterwards; null if there is none, or not for the user."""
    error: OutcomeError | None
    """Why nothing was done; null if it was."""
    retry_after: int | None
    """Seconds after which it may succeed, if a limit was reached."""


class QueuePause(t.TypedDict):
    """A pause of the queue, during which no execution starts."""

    since: str
    """When it began."""
    by: str | None
    """Id of the user who has paused it; null if that is not known."""
    reason: str | None
    """The reason that was given."""


class Worker(t.TypedDict):
    """A worker as of its last heartbeat."""

    id: str | None
    """Id of this start of the worker; null if its version has none."""
    name: str
    """Celery's name of the worker."""
    host: str
    """The machine, as its name says."""
    pid: int
    """Id of its main process there."""
    version: str | None
    """Version of Flask-CrewExec that it runs."""
    crewai_version: str | None
    """Version of CrewAI that it runs."""
    state: t.Literal["running", "draining", "drained", "silent"]
    """What it does."""
    queues: list[str]
    """Queues that it consumes."""
    pool: str
    """Kind of its pool."""
    concurrency: int
    """How many tasks it runs at once."""
    busy: int | None
    """How many tasks it had taken."""
    free: int | None
    """How many further tasks it could run."""
    drain: DrainOrder | None
    """The order to drain it; null if there is none."""
    runs: list[Run]
    """The executions that it runs."""
    started_at: str
    """When it started."""
    seen_at: str
    """When its last heartbeat was."""


class Graph(t.TypedDict):
    """A graph, without its document."""

    id: str
    """Id of the graph."""
    name: str
    """Name of the graph."""
    user_id: str
    """Id of the owner."""
    latest_version: int
    """Number of the newest version."""
    created_at: str
    """When the graph was created."""
    updated_at: str
    """When its newest version was stored."""
    archived_at: str | None
    """When it was archived; null if it is not."""


class Draft(t.TypedDict):
    """What is reviewed."""

    text: str
    """The answer of the step."""
    value: t.NotRequired[dict[str, t.Any]]
    """The same as an object, if the task has a schema."""


class Assignees(t.TypedDict):
    """Who is asked."""

    users: list[str]
    """Ids of users."""
    roles: list[str]
    """Roles of users."""


class AnswerContent(t.TypedDict):
    """What somebody has written."""

    text: t.NotRequired[str]
    """Text, for a change or instead of the answer."""
    value: t.NotRequired[t.Any]
    """An object instead of the answer, or a choice."""
    arguments: t.NotRequired[dict[str, t.Any]]
    """Arguments instead of those of the call."""


class ComparedStep(t.TypedDict):
    """A step of one of two executions."""

    position: int
    """Position in the order of execution."""
    status: t.Literal[
        "pending", "running", "completed", "failed", "cancelled", "timed_out", "skipped"
    ]
    """Status of the step."""
    origin: t.Literal["reused", "edited"] | None
    """'reused' or 'edited' in a fork that did not run it."""
    agent: str | None
    """Role of the agent."""
    seconds: float | None
    """From its start to its end; null without both."""
    usage: Usage
    """Its calls and tokens."""


class CallTotal(t.TypedDict):
    """How often something was called."""

    calls: int
    """Number of calls."""
    failed: int
    """Number of those that failed."""
    total_tokens: int
    """Tokens of model calls."""
    cost: float
    """From 'CREWEXEC_PRICES'; 0 without prices."""


class OutcomeError(t.TypedDict):
    """Why nothing was done with one of several executions."""

    code: str
    """Stable kind of error."""
    detail: str
    """What is wrong and what to do."""


class DrainOrder(t.TypedDict):
    """That a worker is to take nothing new."""

    since: str
    """When that was asked for."""
    by: str | None
    """Id of the user who has asked for it; null if that is not known."""
    then: t.Literal["idle", "stop"]
    """What it does after it has finished what it runs."""


class Run(t.TypedDict):
    """An execution that a worker runs."""

    id: str
    """Id of the execution."""
    user_id: str
    """Id of the user who submitted it."""
    graph_name: str
    """Present name of the graph."""
    current_step: str | None
    """Name of the running step."""
    started_at: str
    """When it was first started."""


class _Event(t.TypedDict):
    execution_id: str
    seq: int
    """Number within the execution, from 1."""
    created_at: str


class QueuedEventData(t.TypedDict):
    priority: t.NotRequired[int]
    """Priority from 1 to 10, at first."""
    attempt: t.NotRequired[int]
    """Number of the next attempt."""


class QueuedEvent(_Event):
    """The execution was queued: at first, by a user's retry, when a retry became due, or when
    people had answered."""

    type: t.Literal["queued"]
    data: QueuedEventData


class ForkedEventData(t.TypedDict):
    execution: str
    """Id of the execution that was forked."""
    steps: list[t.Any]
    """For each step 'step', 'origin', 'reason' and 'causes', as in the answer."""


class ForkedEvent(_Event):
    """The execution is a fork: it has taken over steps of another one."""

    type: t.Literal["forked"]
    data: ForkedEventData


class StartedEventData(t.TypedDict):
    attempt: int
    """Number of the attempt, from 1."""


class StartedEvent(_Event):
    """A worker started an attempt."""

    type: t.Literal["started"]
    data: StartedEventData


class StepStartedEventData(t.TypedDict):
    step: str
    """Name of the step."""
    agent: str | None
    """Role of the agent, if one is at work."""


class StepStartedEvent(_Event):
    """A step started."""

    type: t.Literal["step_started"]
    data: StepStartedEventData


class StepContinuedEventData(t.TypedDict):
    step: str
    """Name of the step."""
    calls: int
    """How many of its calls are stored."""


class StepContinuedEvent(_Event):
    """A step continues in the middle: calls that had ended are not made again."""

    type: t.Literal["step_continued"]
    data: StepContinuedEventData


class StepRestartedEventData(t.TypedDict):
    step: str
    """Name of the step."""
    reason: str
    """'changed' if models or tools are others, 'altered' if a stored call contained a secret, 'cut'
    if one was too large, 'diverged' if the step went on otherwise."""


class StepRestartedEvent(_Event):
    """A step is restarted although some of its calls are stored."""

    type: t.Literal["step_restarted"]
    data: StepRestartedEventData


class StepCompletedEventData(t.TypedDict):
    step: str
    """Name of the step."""
    agent: str | None
    """Role of the agent, if one is at work."""


class StepCompletedEvent(_Event):
    """A step completed, and its output is stored."""

    type: t.Literal["step_completed"]
    data: StepCompletedEventData


class StepSkippedEventData(t.TypedDict):
    step: str
    """Name of the step."""
    condition: str
    """Name of the predicate that decided."""


class StepSkippedEvent(_Event):
    """The condition of a step was not met."""

    type: t.Literal["step_skipped"]
    data: StepSkippedEventData


class ConditionMetEventData(t.TypedDict):
    step: str
    """Name of the step."""
    condition: str
    """Name of the predicate that decided."""


class ConditionMetEvent(_Event):
    """The condition of a step was met."""

    type: t.Literal["condition_met"]
    data: ConditionMetEventData


class CrewPlannedEventData(t.TypedDict):
    plans: dict[str, t.Any]
    """Plans by the name of the step."""


class CrewPlannedEvent(_Event):
    """The planner made a plan for each step."""

    type: t.Literal["crew_planned"]
    data: CrewPlannedEventData


class GuardrailPassedEventData(t.TypedDict):
    step: str
    """Name of the step."""
    guardrail: str
    """Name of the guardrail, or 'output_schema'."""
    call: t.NotRequired[int]
    """Number of the call in the call log."""


class GuardrailPassedEvent(_Event):
    """A guardrail accepted a step's answer."""

    type: t.Literal["guardrail_passed"]
    data: GuardrailPassedEventData


class GuardrailFailedEventData(t.TypedDict):
    step: str
    """Name of the step."""
    guardrail: str
    """Name of the guardrail, or 'output_schema'."""
    reason: str
    """Why, as the model is told."""
    answer: t.NotRequired[str]
    """The answer, truncated and redacted."""
    call: t.NotRequired[int]
    """Number of the call in the call log."""


class GuardrailFailedEvent(_Event):
    """A guardrail or the output schema rejected a step's answer."""

    type: t.Literal["guardrail_failed"]
    data: GuardrailFailedEventData


class ModelCallStartedEventData(t.TypedDict):
    model: str
    """Name of the model at its provider."""
    agent: str | None
    """Role of the agent, if one is at work."""
    step: str | None
    """Name of the step; null outside of steps."""
    call: t.NotRequired[int]
    """Number of the call in the call log."""


class ModelCallStartedEvent(_Event):
    """A model was called."""

    type: t.Literal["model_call_started"]
    data: ModelCallStartedEventData


class ModelCallCompletedEventData(t.TypedDict):
    model: str
    """Name of the model at its provider."""
    agent: str | None
    """Role of the agent, if one is at work."""
    step: str | None
    """Name of the step; null outside of steps."""
    call: t.NotRequired[int]
    """Number of the call in the call log."""
    seconds: float | None
    """Duration of the call."""
    tokens: int
    """Prompt and completion tokens of the call."""
    cost: t.NotRequired[float]
    """Cost of the call, if the model has a price."""


class ModelCallCompletedEvent(_Event):
    """A model answered."""

    type: t.Literal["model_call_completed"]
    data: ModelCallCompletedEventData


class AnswerTruncatedEventData(t.TypedDict):
    model: str
    """Name of the model at its provider."""
    agent: str | None
    """Role of the agent, if one is at work."""
    step: str | None
    """Name of the step; null outside of steps."""
    call: t.NotRequired[int]
    """Number of the call in the call log."""


class AnswerTruncatedEvent(_Event):
    """A model's answer ended at its maximum length."""

    type: t.Literal["answer_truncated"]
    data: AnswerTruncatedEventData


class ModelCallFailedEventData(t.TypedDict):
    model: str
    """Name of the model at its provider."""
    agent: str | None
    """Role of the agent, if one is at work."""
    step: str | None
    """Name of the step; null outside of steps."""
    call: t.NotRequired[int]
    """Number of the call in the call log."""
    seconds: float | None
    """Duration of the call."""
    code: t.NotRequired[str]
    """Code of the failure."""
    status: t.NotRequired[int]
    """HTTP status, if the provider has answered."""


class ModelCallFailedEvent(_Event):
    """A model call failed."""

    type: t.Literal["model_call_failed"]
    data: ModelCallFailedEventData


class ToolStartedEventData(t.TypedDict):
    tool: str
    """Name of the tool."""
    agent: str | None
    """Role of the agent, if one is at work."""
    step: str | None
    """Name of the step; null outside of steps."""
    call: t.NotRequired[int]
    """Number of the call in the call log."""


class ToolStartedEvent(_Event):
    """A tool was called."""

    type: t.Literal["tool_started"]
    data: ToolStartedEventData


class ToolFinishedEventData(t.TypedDict):
    tool: str
    """Name of the tool."""
    agent: str | None
    """Role of the agent, if one is at work."""
    step: str | None
    """Name of the step; null outside of steps."""
    call: t.NotRequired[int]
    """Number of the call in the call log."""
    seconds: t.NotRequired[float | None]
    """Duration of the call."""
    output: str
    """What it returned, truncated and redacted."""


class ToolFinishedEvent(_Event):
    """A tool returned."""

    type: t.Literal["tool_finished"]
    data: ToolFinishedEventData


class ToolFailedEventData(t.TypedDict):
    tool: str
    """Name of the tool."""
    agent: str | None
    """Role of the agent, if one is at work."""
    step: str | None
    """Name of the step; null outside of steps."""
    call: t.NotRequired[int]
    """Number of the call in the call log."""
    seconds: t.NotRequired[float | None]
    """Duration of the call."""
    code: t.NotRequired[str]
    """'exception', 'timeout', 'server' (of MCP), 'exited', 'refused' or another reason of
    CrewAI's."""
    reason: str
    """What the model was told, truncated and redacted."""


class ToolFailedEvent(_Event):
    """A tool raised an exception or exceeded a limit, or the call could not be made."""

    type: t.Literal["tool_failed"]
    data: ToolFailedEventData


class BudgetExhaustedEventData(t.TypedDict):
    reason: str
    """Which limit it has reached."""


class BudgetExhaustedEvent(_Event):
    """The execution used all of its model calls, tool calls or tokens."""

    type: t.Literal["budget_exhausted"]
    data: BudgetExhaustedEventData


class InputRequestedEventData(t.TypedDict):
    request: str
    """Id of the input request."""
    step: str
    """Name of the step."""
    kind: str
    """'review', 'approval', 'question' or 'outcome'."""
    round: int
    """How often the same was asked, from 1."""


class InputRequestedEvent(_Event):
    """A step asks people, for instance to review its answer."""

    type: t.Literal["input_requested"]
    data: InputRequestedEventData


class InputAnsweredEventData(t.TypedDict):
    request: str
    """Id of the input request."""
    step: str
    """Name of the step."""
    decision: str | None
    """'approve', 'change', 'edit' or 'reject'; null if it expired to fail."""
    by: str | None
    """Who; null if the application did."""
    bypassed: bool
    """Whether that was a manager who was not asked."""
    seconds: float
    """For how long it was open."""
    then: str
    """Status of the execution afterwards."""


class InputAnsweredEvent(_Event):
    """Somebody answered an input request."""

    type: t.Literal["input_answered"]
    data: InputAnsweredEventData


class InputExpiredEventData(t.TypedDict):
    request: str
    """Id of the input request."""
    step: str
    """Name of the step."""
    decision: str | None
    """'approve', 'change', 'edit' or 'reject'; null if it expired to fail."""
    seconds: float
    """For how long it was open."""
    then: str
    """Status of the execution afterwards."""


class InputExpiredEvent(_Event):
    """Nobody answered an input request in time; what it says for this case is done."""

    type: t.Literal["input_expired"]
    data: InputExpiredEventData


class WaitingInputEvent(_Event):
    """The execution cannot go on until people answer; no worker holds it."""

    type: t.Literal["waiting_input"]
    data: dict[str, t.Never]


class RetryingEventData(t.TypedDict):
    code: str
    """Code of the failure."""
    seconds: float
    """Delay until the retry."""


class RetryingEvent(_Event):
    """An attempt failed with a transient error and will be retried."""

    type: t.Literal["retrying"]
    data: RetryingEventData


class WorkerLostEventData(t.TypedDict):
    worker: t.NotRequired[str | None]
    """Name of the worker."""
    then: t.NotRequired[str]
    """Status of the execution afterwards."""
    reason: t.NotRequired[str]
    """Exception that ended the worker."""


class WorkerLostEvent(_Event):
    """The worker of an attempt ended or stopped renewing its lease."""

    type: t.Literal["worker_lost"]
    data: WorkerLostEventData


class ReleasedEvent(_Event):
    """A worker that shuts down released the execution to another one."""

    type: t.Literal["released"]
    data: dict[str, t.Never]


class CancelRequestedEventData(t.TypedDict):
    by: t.NotRequired[str | None]
    """Who asked to cancel."""
    reason: t.NotRequired[str | None]
    """Why, as given in the request."""


class CancelRequestedEvent(_Event):
    """Somebody asked to cancel a running execution."""

    type: t.Literal["cancel_requested"]
    data: CancelRequestedEventData


class CompletedEvent(_Event):
    """The execution completed."""

    type: t.Literal["completed"]
    data: dict[str, t.Never]


class FailedEventData(t.TypedDict):
    forced: t.NotRequired[bool]
    """True if the run did not stop by itself, so that the worker gave it up."""


class FailedEvent(_Event):
    """The execution failed."""

    type: t.Literal["failed"]
    data: FailedEventData


class CancelledEventData(t.TypedDict):
    by: t.NotRequired[str | None]
    """Who asked to cancel."""
    reason: t.NotRequired[str | None]
    """Why, as given in the request."""
    forced: t.NotRequired[bool]
    """True if the run did not stop by itself, so that the worker gave it up."""


class CancelledEvent(_Event):
    """The execution was cancelled."""

    type: t.Literal["cancelled"]
    data: CancelledEventData


class TimedOutEventData(t.TypedDict):
    forced: t.NotRequired[bool]
    """True if the run did not stop by itself, so that the worker gave it up."""


class TimedOutEvent(_Event):
    """The execution exceeded its timeout."""

    type: t.Literal["timed_out"]
    data: TimedOutEventData


class TokenEvent(t.TypedDict):
    """A streaming model has written more of its answer."""

    execution_id: str
    type: t.Literal["token"]
    step: str | None
    """Name of the step; null outside of steps."""
    agent: str | None
    """Role of the agent, if one is at work."""
    text: str
    """The next part of the answer."""


class EndEvent(t.TypedDict):
    """The execution has ended, or was removed; no event follows."""

    execution_id: str
    type: t.Literal["end"]
    status: str
    """Final status, or 'removed'."""


ExecutionEvent: t.TypeAlias = (
    QueuedEvent
    | ForkedEvent
    | StartedEvent
    | StepStartedEvent
    | StepContinuedEvent
    | StepRestartedEvent
    | StepCompletedEvent
    | StepSkippedEvent
    | ConditionMetEvent
    | CrewPlannedEvent
    | GuardrailPassedEvent
    | GuardrailFailedEvent
    | ModelCallStartedEvent
    | ModelCallCompletedEvent
    | AnswerTruncatedEvent
    | ModelCallFailedEvent
    | ToolStartedEvent
    | ToolFinishedEvent
    | ToolFailedEvent
    | BudgetExhaustedEvent
    | InputRequestedEvent
    | InputAnsweredEvent
    | InputExpiredEvent
    | WaitingInputEvent
    | RetryingEvent
    | WorkerLostEvent
    | ReleasedEvent
    | CancelRequestedEvent
    | CompletedEvent
    | FailedEvent
    | CancelledEvent
    | TimedOutEvent
)
Message: t.TypeAlias = ExecutionEvent | TokenEvent | EndEvent
