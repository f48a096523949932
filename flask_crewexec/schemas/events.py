"""Every type of event in an execution's history, with the fields of its ``data``."""

from __future__ import annotations

import dataclasses
import typing as t
from collections.abc import Mapping


class EventField(t.NamedTuple):
    """A field of an event's ``data``."""

    type: str
    """Type in the words of JSON Schema."""
    meaning: str
    optional: bool = False
    """Whether the field may be missing."""


@dataclasses.dataclass(frozen=True)
class EventType:
    """What an event means, and what it carries."""

    meaning: str
    fields: Mapping[str, EventField] = dataclasses.field(default_factory=dict)


_STEP: t.Final = EventField("string", "Name of the step.")
_CURRENT_STEP: t.Final = EventField("string or null", "Name of the step; null outside of steps.")
_AGENT: t.Final = EventField("string or null", "Role of the agent, if one is at work.")
_CONDITION: t.Final = EventField("string", "Name of the predicate that decided.")
_GUARDRAIL: t.Final = EventField("string", "Name of the guardrail, or 'output_schema'.")
_MODEL: t.Final = EventField("string", "Name of the model at its provider.")
_OPEN_SECONDS: t.Final = EventField("number", "For how long it was open.")
_SECONDS: t.Final = EventField("number or null", "Duration of the call.")
_ATTEMPT: t.Final = EventField("integer", "Number of the attempt, from 1.")
_BY: t.Final = EventField("string or null", "Who asked to cancel.", optional=True)
_REASON: t.Final = EventField("string or null", "Why, as given in the request.", optional=True)
_FORCED: t.Final = EventField(
    "boolean", "True if the run did not stop by itself, so that the worker gave it up.", True
)
_CALL: t.Final = EventField("integer", "Number of the call in the call log.", optional=True)
_STATUS: t.Final = EventField("integer", "HTTP status, if the provider has answered.", True)
_OF_STEP: t.Final = {"step": _STEP, "agent": _AGENT}
_OF_CONDITION: t.Final = {"step": _STEP, "condition": _CONDITION}
_OF_CALL: t.Final = {"model": _MODEL, "agent": _AGENT, "step": _CURRENT_STEP, "call": _CALL}
_OF_TOOL: t.Final = {
    "tool": EventField("string", "Name of the tool."),
    "agent": _AGENT,
    "step": _CURRENT_STEP,
    "call": _CALL,
}

_OF_INPUT: t.Final = {"request": EventField("string", "Id of the input request."), "step": _STEP}
_DECISION: t.Final = EventField(
    "string or null", "'approve', 'change', 'edit' or 'reject'; null if it expired to fail."
)
_THEN: t.Final = EventField("string", "Status of the execution afterwards.")

EVENT_TYPES: t.Final[Mapping[str, EventType]] = {
    "queued": EventType(
        "The execution was queued: at first, by a user's retry, when a retry became due, or when"
        " people had answered.",
        {
            "priority": EventField("integer", "Priority from 1 to 10, at first.", optional=True),
            "attempt": _ATTEMPT._replace(meaning="Number of the next attempt.", optional=True),
        },
    ),
    "forked": EventType(
        "The execution is a fork: it has taken over steps of another one.",
        {
            "execution": EventField("string", "Id of the execution that was forked."),
            "steps": EventField(
                "array", "For each step 'step', 'origin', 'reason' and 'causes', as in the answer."
            ),
        },
    ),
    "started": EventType("A worker started an attempt.", {"attempt": _ATTEMPT}),
    "step_started": EventType("A step started.", _OF_STEP),
    "step_continued": EventType(
        "A step continues in the middle: calls that had ended are not made again.",
        {"step": _STEP, "calls": EventField("integer", "How many of its calls are stored.")},
    ),
    "step_restarted": EventType(
        "A step is restarted although some of its calls are stored.",
        {
            "step": _STEP,
            "reason": EventField(
                "string",
                "'changed' if models or tools are others, 'altered' if a stored call contained a"
                " secret, 'cut' if one was too large, 'diverged' if the step went on otherwise.",
            ),
        },
    ),
    "step_completed": EventType("A step completed, and its output is stored.", _OF_STEP),
    "step_skipped": EventType("The condition of a step was not met.", _OF_CONDITION),
    "condition_met": EventType("The condition of a step was met.", _OF_CONDITION),
    "crew_planned": EventType(
        "The planner made a plan for each step.",
        {"plans": EventField("object", "Plans by the name of the step.")},
    ),
    "guardrail_passed": EventType(
        "A guardrail accepted a step's answer.",
        {"step": _STEP, "guardrail": _GUARDRAIL, "call": _CALL},
    ),
    "guardrail_failed": EventType(
        "A guardrail or the output schema rejected a step's answer.",
        {
            "step": _STEP,
            "guardrail": _GUARDRAIL,
            "reason": EventField("string", "Why, as the model is told."),
            "answer": EventField("string", "The answer, truncated and redacted.", optional=True),
            "call": _CALL,
        },
    ),
    "model_call_started": EventType("A model was called.", _OF_CALL),
    "model_call_completed": EventType(
        "A model answered.",
        {
            **_OF_CALL,
            "seconds": _SECONDS,
            "tokens": EventField("integer", "Prompt and completion tokens of the call."),
            "cost": EventField("number", "Cost of the call, if the model has a price.", True),
        },
    ),
    "answer_truncated": EventType("A model's answer ended at its maximum length.", _OF_CALL),
    "model_call_failed": EventType(
        "A model call failed.",
        {
            **_OF_CALL,
            "seconds": _SECONDS,
            "code": EventField("string", "Code of the failure.", optional=True),
            "status": _STATUS,
        },
    ),
    "tool_started": EventType("A tool was called.", _OF_TOOL),
    "tool_finished": EventType(
        "A tool returned.",
        {
            **_OF_TOOL,
            "seconds": _SECONDS._replace(optional=True),
            "output": EventField("string", "What it returned, truncated and redacted."),
        },
    ),
    "tool_failed": EventType(
        "A tool raised an exception or exceeded a limit, or the call could not be made.",
        {
            **_OF_TOOL,
            "seconds": _SECONDS._replace(optional=True),
            "code": EventField(
                "string",
                "'exception', 'timeout', 'server' (of MCP), 'exited', 'refused' or another reason"
                " of CrewAI's.",
                optional=True,
            ),
            "reason": EventField("string", "What the model was told, truncated and redacted."),
        },
    ),
    "budget_exhausted": EventType(
        "The execution used all of its model calls, tool calls or tokens.",
        {"reason": EventField("string", "Which limit it has reached.")},
    ),
    "input_requested": EventType(
        "A step asks people, for instance to review its answer.",
        {
            **_OF_INPUT,
            "kind": EventField("string", "'review', 'approval', 'question' or 'outcome'."),
            "round": EventField("integer", "How often the same was asked, from 1."),
        },
    ),
    "input_answered": EventType(
        "Somebody answered an input request.",
        {
            **_OF_INPUT,
            "decision": _DECISION,
            "by": EventField("string or null", "Who; null if the application did."),
            "bypassed": EventField("boolean", "Whether that was a manager who was not asked."),
            "seconds": _OPEN_SECONDS,
            "then": _THEN,
        },
    ),
    "input_expired": EventType(
        "Nobody answered an input request in time; what it says for this case is done.",
        {**_OF_INPUT, "decision": _DECISION, "seconds": _OPEN_SECONDS, "then": _THEN},
    ),
    "waiting_input": EventType(
        "The execution cannot go on until people answer; no worker holds it."
    ),
    "retrying": EventType(
        "An attempt failed with a transient error and will be retried.",
        {
            "code": EventField("string", "Code of the failure."),
            "seconds": EventField("number", "Delay until the retry."),
        },
    ),
    "worker_lost": EventType(
        "The worker of an attempt ended or stopped renewing its lease.",
        {
            "worker": EventField("string or null", "Name of the worker.", optional=True),
            "then": EventField("string", "Status of the execution afterwards.", optional=True),
            "reason": EventField("string", "Exception that ended the worker.", optional=True),
        },
    ),
    "released": EventType("A worker that shuts down released the execution to another one."),
    "cancel_requested": EventType(
        "Somebody asked to cancel a running execution.", {"by": _BY, "reason": _REASON}
    ),
    "completed": EventType("The execution completed."),
    "failed": EventType("The execution failed.", {"forced": _FORCED}),
    "cancelled": EventType(
        "The execution was cancelled.", {"by": _BY, "reason": _REASON, "forced": _FORCED}
    ),
    "timed_out": EventType("The execution exceeded its timeout.", {"forced": _FORCED}),
}

STREAM_EVENT_TYPES: t.Final[Mapping[str, EventType]] = {
    "token": EventType(
        "A streaming model has written more of its answer.",
        {
            "step": _CURRENT_STEP,
            "agent": _AGENT,
            "text": EventField("string", "The next part of the answer."),
        },
    ),
    "end": EventType(
        "The execution has ended, or was removed; no event follows.",
        {"status": EventField("string", "Final status, or 'removed'.")},
    ),
}
"""What only event streams carry: these events have no number and are not stored."""
