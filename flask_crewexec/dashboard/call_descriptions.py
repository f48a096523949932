"""Describe calls for people: in a line, and why they have failed."""

from __future__ import annotations

import re
import typing as t

from ..config.pricing import money
from ..schemas import FAILURE_CODES
from ..statuses import CallKind
from ..statuses import CallStatus
from .formatting import duration
from .formatting import seconds_between
from .formatting import spoken

Json = dict[str, t.Any]

_STATES: t.Final = {
    CallStatus.STARTED: "running",
    CallStatus.DONE: "completed",
    CallStatus.FAILED: "failed",
    CallStatus.UNKNOWN: "timed_out",
}
"""Statuses of executions whose colours calls share."""

_TOOL_ERRORS: t.Final = {
    "exception": "The tool raised an exception.",
    "exited": "The tool tried to end the process of the worker.",
    "invalid_input": "The tool does not accept these arguments.",
    "mcp_error": "The tool server reported an error.",
    "not_made": "The call was planned, but not made, because the run stopped.",
    "refused": "The call could not be made as it was asked for.",
    "rejected": "A person has rejected the call.",
    "repeated_call": "The same call was made again and again, with the same result.",
    "server": "The tool server failed.",
    "timeout": "The tool took too long.",
    "tool_reported": "The tool reported a failure.",
    "unknown_tool": "There is no tool of this name.",
    "usage_limit": "The tool was used as often as it may be.",
}
_UNDESCRIBED: t.Final = "The call has failed."
_ATTEMPTS: t.Final = re.compile(r" in (every|any) attempt\b")
"""What the meaning of a failed execution says beyond that of a failed call."""


class CallLine(t.NamedTuple):
    """A call as a list shows it."""

    number: int
    kind: str
    name: str
    agent: str | None
    step: int | None
    parent: int | None
    has_ended: bool
    state: str
    """Name of the colour."""
    status: str
    marks: tuple[str, ...]
    """What else is unusual about it, in words."""
    figures: tuple[str, ...]
    """Duration, tokens and cost."""


class CallFailure(t.NamedTuple):
    """Why a call has failed."""

    text: str
    code: str
    status: int | None
    """HTTP status of the answer of a model's provider."""
    may_have_acted: bool
    """Whether a tool may have had its effect all the same."""


def describe_line(call: Json, currency: str) -> CallLine:
    """Describe a call as the API shows it.

    :param currency: currency of its cost.
    """
    status = CallStatus(call["status"])
    return CallLine(
        **{name: call[name] for name in ("number", "kind", "name", "agent", "step", "parent")},
        has_ended=status != CallStatus.STARTED,
        state=_STATES[status],
        status=_status(call),
        marks=tuple(_marks(call)),
        figures=tuple(_figures(call, currency)),
    )


def describe_error(call: Json) -> CallFailure | None:
    """Return why a call has failed; None if it has not."""
    error = call["error"]
    if error is None:
        return None
    text = _meaning(call["kind"], error["code"])
    return CallFailure(text, error["code"], error.get("status"), bool(error.get("may_have_acted")))


def _meaning(kind: str, code: str) -> str:
    if kind == CallKind.TOOL:
        return _TOOL_ERRORS.get(code, _UNDESCRIBED)
    known = FAILURE_CODES.get(code)
    return _UNDESCRIBED if known is None else _ATTEMPTS.sub("", known.meaning)


def is_withheld(call: Json) -> bool:
    """Return whether nothing of what was said is stored."""
    return bool(call["cut"]) and not call["size"]


def _status(call: Json) -> str:
    status = call["status"]
    if status == CallStatus.UNKNOWN:
        return "outcome unknown"
    if status == CallStatus.FAILED and call["error"]:
        return f"failed: {spoken(call['error']['code'].replace('-', ' '))}"
    return t.cast(str, status)


def _marks(call: Json) -> t.Iterator[str]:
    if call["error"] and call["error"].get("may_have_acted"):
        yield "may have acted"
    if call["altered"]:
        yield "altered"
    if call["cut"]:
        yield "contents not kept" if is_withheld(call) else "cut"
    if call["attempt"] > 1:
        yield f"attempt {call['attempt']}"


def _figures(call: Json, currency: str) -> t.Iterator[str]:
    if seconds := duration(seconds_between(call["started_at"], call["finished_at"])):
        yield seconds
    usage = call["usage"]
    if usage["total_tokens"]:
        yield f"{usage['total_tokens']:,} tokens"
    if usage["cost"]:
        yield money(usage["cost"], currency)
