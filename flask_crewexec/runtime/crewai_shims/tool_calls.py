"""The tool calls of models, checked before CrewAI makes them.

CrewAI expects an object as the arguments, and the name of a tool that exists. Where a model sends
anything else, an exception would end the run; here the model is told, and can correct itself.
"""

from __future__ import annotations

import dataclasses
import json
import typing as t
from collections import Counter
from collections.abc import Collection
from collections.abc import Sequence
from difflib import SequenceMatcher

from crewai.tools.tool_failure import ToolExecutionFailedError
from crewai.tools.tool_failure import ToolFailure
from crewai.tools.tool_failure import ToolFailureReason
from crewai.tools.tool_failure import ToolFailureRecord
from crewai.utilities.agent_utils import DELEGATION_TOOL_NAMES
from crewai.utilities.agent_utils import extract_tool_call_info
from crewai.utilities.string_utils import sanitize_tool_name

from ...text import storable_values

MAX_CALLS: t.Final = 100
"""How many tool calls of one answer are made."""
MAX_REPEATED_CALLS: t.Final = 5
"""How often an agent may make the same call with the same result before its run ends."""

_LEAST_LIKENESS: t.Final = 0.85
"""How much a written name must be like a tool's, as ``ToolUsage._select_tool`` of CrewAI has it."""


def written_name(written: str, tools: Sequence[t.Any]) -> str:
    """Return the name of the tool that CrewAI calls for a name that a model has written.

    That is the one that is most like it; what is like none is returned as it is.
    """
    wanted = sanitize_tool_name(written)

    def likeness(name: str) -> float:
        return SequenceMatcher(None, sanitize_tool_name(name), wanted).ratio()

    best = max((tool.name for tool in tools), key=likeness, default=written)
    return best if likeness(best) > _LEAST_LIKENESS else written


def too_many_calls(count: int) -> str:
    """Return what the model is told whose answer has *count* calls, more than are made."""
    return (
        f"Your answer had {count} tool calls, but only the first {MAX_CALLS} were made. Make the"
        " others that you still need in further answers."
    )


@dataclasses.dataclass(frozen=True)
class CheckedCall:
    """A tool call.

    :param arguments: without characters that cannot be stored; None if they are not an object.
    """

    id: str
    name: str
    arguments: dict[str, t.Any] | None

    def find_problem(self, available: Collection[str]) -> str | None:
        """Return why the call cannot be made, in words for the model."""
        if self.name not in available:
            names = ", ".join(f"'{name}'" for name in sorted(available))
            return f"There is no tool '{self.name}'. The tools are: {names}."
        if self.arguments is None:
            return f"The arguments of '{self.name}' are not a JSON object. Call it again with one."
        coworker = self.arguments.get("coworker")
        if self.name in DELEGATION_TOOL_NAMES and not isinstance(coworker, str | None):
            return "'coworker' must be the name of one coworker, as a string. Call it again."
        return None

    def as_tool_call(self) -> dict[str, t.Any]:
        """Return the call in OpenAI's form."""
        function = {"name": self.name, "arguments": json.dumps(self.arguments)}
        return {"id": self.id, "type": "function", "function": function}

    def failed_result(self, message: str) -> dict[str, t.Any]:
        """Return what CrewAI makes of a call that has failed; the model is told the *message*."""
        failure = ToolFailure(message=message, reason=ToolFailureReason.INVALID_INPUT)
        return {
            "call_id": self.id,
            "func_name": self.name,
            "result": message,
            "from_cache": False,
            "original_tool": None,
            "tool_failure": failure,
        }


class RepeatedCalls:
    """The calls of an agent during one piece of work, which older CrewAI does not count."""

    def __init__(self) -> None:
        self._counts: Counter[str] = Counter()

    def note(self, call: CheckedCall, result: object) -> None:
        """Note a call.

        :raises ToolExecutionFailedError: if it was made too often with the same result.
        """
        key = json.dumps([call.name, call.arguments, str(result)], sort_keys=True, default=str)
        self._counts[key] += 1
        if self._counts[key] < MAX_REPEATED_CALLS:
            return
        message = f"The same call was made {MAX_REPEATED_CALLS} times with the same result."
        failure = ToolFailure(message=message, reason=ToolFailureReason.INVALID_INPUT)
        raise ToolExecutionFailedError(ToolFailureRecord(tool_name=call.name, failure=failure))


def check_tool_call(tool_call: object) -> CheckedCall:
    """Return a call in the form of any provider."""
    id, name, arguments = extract_tool_call_info(tool_call) or ("unknown", "unknown", "")
    return CheckedCall(id, name, _read_arguments(arguments))


def _read_arguments(arguments: object) -> dict[str, t.Any] | None:
    try:
        if isinstance(arguments, str):
            arguments = json.loads(arguments) if arguments.strip() else {}
        cleaned = {} if arguments is None else storable_values(arguments)
    except (ValueError, RecursionError):
        return None
    return cleaned if isinstance(cleaned, dict) else None
