"""What the tests of an application use: a language model that follows a script.

:class:`ScriptedModel` is an HTTP server on the loopback interface that speaks OpenAI's
chat-completions protocol, so that the real clients run against it, from any number of processes::

    with ScriptedModel() as model:
        model.on("capital of France", "Paris")
        model.on(status=429, headers={"retry-after": "1"}, times=1)
        llm = LLM(model="openai/any", base_url=model.base_url, api_key=model.key)
        ...
        model.wait_for_calls(1)

Each request is answered by the first rule that matches it, so the order in which concurrent calls
arrive does not matter. A call that matches no rule is answered with a deterministic echo.
"""

from __future__ import annotations

from .calls import Call as Call
from .calls import Outcome as Outcome
from .rules import Rule as Rule
from .scripted_model import ScriptedModel as ScriptedModel

__all__ = ["Call", "Outcome", "Rule", "ScriptedModel"]
