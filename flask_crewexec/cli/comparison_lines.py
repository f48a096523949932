"""Format forks, and differences of executions, as lines of text."""

from __future__ import annotations

import json
import typing as t
from collections.abc import Iterator

from ..text import truncate
from .escaping import escape
from .escaping import one_line

Json = dict[str, t.Any]

_INDENT: t.Final = "    "
_MAX_VALUE: t.Final = 100
_FIGURES: t.Final = ("llm_calls", "tool_calls", "total_tokens", "cost")


def fork_lines(forked: Json) -> Iterator[str]:
    """Yield the id of a fork, and what becomes of each of its steps."""
    yield f"Execution {forked['execution']['id']} is queued."
    for number, step in enumerate(forked["steps"], 1):
        reason = f" ({step['detail']})" if step["detail"] else ""
        yield one_line(f"{number}. {step['origin'] or 'runs'}: {step['step']}{reason}")


def comparison_lines(found: Json) -> Iterator[str]:
    """Yield what differs between two executions, line by line."""
    a, b = found["a"], found["b"]
    yield _line("Status", f"{_status(a)} -> {_status(b)}")
    yield _line("Seconds", _figures(a["progress"], b["progress"], "elapsed_seconds"))
    for name in _FIGURES:
        yield _line(name.replace("_", " ").capitalize(), _figures(a["usage"], b["usage"], name))
    for each in found["inputs"]:
        yield _line("Input", f"{each['name']}: {_value(each, 'a')} -> {_value(each, 'b')}")
    for change in found["graph"]:
        yield _line("Graph", f"{change['kind']} {change['element']} at {change['pointer'] or '/'}")
    for call in found["calls"]:
        names = f"{call['kind']} {call['name']}"
        yield _line("Calls", f"{names}: {_count(call['a'])} -> {_count(call['b'])}")
    for step in found["steps"]:
        yield from _text_lines(f"Output of {step['name']}", step["output"])
    yield from _text_lines("Result", found["result"])


def _line(name: str, text: str) -> str:
    return one_line(f"{name}: {text}")


def _status(execution: Json) -> str:
    error = execution["error"]
    code = f" ({error['code']})" if error else ""
    return f"{execution['status']}{code}"


def _figures(a: Json, b: Json, name: str) -> str:
    return f"{_figure(a[name])} -> {_figure(b[name])}"


def _figure(value: float | None) -> str:
    return (
        "?" if value is None else f"{round(value, 6):g}" if isinstance(value, float) else f"{value}"
    )


def _value(change: Json, side: str) -> str:
    if side not in change:
        return "(none)"
    return truncate(json.dumps(change[side], ensure_ascii=False), _MAX_VALUE)


def _count(total: Json | None) -> int:
    return 0 if total is None else t.cast(int, total["calls"])


def _text_lines(title: str, difference: Json) -> Iterator[str]:
    if difference["same"]:
        yield one_line(f"{title}: the same")
        return
    yield one_line(f"{title}: too large to be compared" if difference["omitted"] else f"{title}:")
    for line in (difference["diff"] or "").splitlines():
        yield _INDENT + escape(line)
    if difference["truncated"]:
        yield f"{_INDENT}(cut off)"
