"""Answers of the scripted model that call several tools, turn by turn."""

from __future__ import annotations

import json
import typing as t
from collections.abc import Mapping
from dataclasses import dataclass

from flask_crewexec.testing import Rule

Call = tuple[str, Mapping[str, object]]
"""Name and arguments of a tool."""


def tool_calls(*calls: Call) -> bytes:
    """An answer that calls several tools."""
    listed = [
        {
            "id": f"call_{number}",
            "type": "function",
            "function": {"name": name, "arguments": json.dumps(arguments)},
        }
        for number, (name, arguments) in enumerate(calls)
    ]
    message = {"role": "assistant", "content": None, "tool_calls": listed}
    usage = {"prompt_tokens": 7, "completion_tokens": 3, "total_tokens": 10}
    choice = {"index": 0, "message": message, "finish_reason": "tool_calls"}
    return json.dumps({"id": "c", "choices": [choice], "usage": usage}).encode()


@dataclass(frozen=True)
class Turn(Rule):
    """Answers calls in whose messages there are so many results of tools."""

    results: int = 0

    def fits(self, body: dict[str, t.Any]) -> bool:
        found = sum(message["role"] == "tool" for message in body["messages"])
        return found == self.results and super().fits(body)
