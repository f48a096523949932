"""What the tests of an application use: a scripted model, runs in the process of the test.

:class:`ScriptedModel` is an HTTP server on the loopback interface that speaks OpenAI's
chat-completions protocol, so that the real clients run against it, from any number of processes::

    with ScriptedModel() as model:
        model.on("capital of France", "Paris")
        model.on(status=429, headers={"retry-after": "1"}, times=1)
        llm = LLM(model="openai/any", base_url=model.base_url, api_key=model.key)
        ...
        model.wait_for_calls(1)

Each request is answered by the first rule that matches it, so the order in which concurrent calls
arrive does not matter. A call that matches no rule is answered as in a recording, if one is
replayed, and otherwise with a deterministic echo.
"""

from __future__ import annotations

import pkgutil
import typing as t

if t.TYPE_CHECKING:
    from .calls import Call
    from .calls import Outcome
    from .execution import as_execution
    from .in_process import eager
    from .recording import RecordedCall
    from .recording import Recording
    from .replay import UnrecordedCall
    from .rules import Rule
    from .running import Run
    from .running import run
    from .scripted_model import ScriptedModel

__all__ = [
    "Call",
    "Outcome",
    "RecordedCall",
    "Recording",
    "Rule",
    "Run",
    "ScriptedModel",
    "UnrecordedCall",
    "as_execution",
    "eager",
    "run",
]

_PLACES: t.Final = {
    "Call": "calls:Call",
    "Outcome": "calls:Outcome",
    "RecordedCall": "recording:RecordedCall",
    "Recording": "recording:Recording",
    "Rule": "rules:Rule",
    "Run": "running:Run",
    "ScriptedModel": "scripted_model:ScriptedModel",
    "UnrecordedCall": "replay:UnrecordedCall",
    "as_execution": "execution:as_execution",
    "eager": "in_process:eager",
    "run": "running:run",
}
"""Imported when they are asked for: pytest loads the plugin in every suite of this environment."""


def __getattr__(name: str) -> t.Any:
    if name not in _PLACES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = pkgutil.resolve_name(f"{__name__}.{_PLACES[name]}")
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
