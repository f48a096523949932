"""Rules: which calls they match, and what they answer."""

from __future__ import annotations

import hashlib
import json
import re
import threading
import typing as t
from collections.abc import Callable
from collections.abc import Mapping
from collections.abc import Sequence
from dataclasses import dataclass
from dataclasses import field

from .requests import is_after_tool
from .requests import is_stream
from .requests import Json
from .requests import prompt

Reply: t.TypeAlias = str | Callable[[Json], str]
Tool: t.TypeAlias = tuple[str, Mapping[str, t.Any] | str]
Pattern: t.TypeAlias = str | re.Pattern[str]


@dataclass(frozen=True)
class Rule:
    """Which calls to answer, and how. A condition that is not given matches every call."""

    # Which calls it matches.
    when: Pattern | None = None
    """Searched in the text of the last user message."""
    model: str | None = None
    """The model's name, as the client sends it."""
    after_tool: bool | None = None
    """Whether the last message is a tool's result."""
    stream: bool | None = None
    """Whether the client asks for a stream."""

    # What it answers.
    reply: Reply | None = None
    """The text, or a function that returns it for the request's body. If ``status`` is an error,
    this is the error's message."""
    tool: Tool | None = None
    """Name and arguments of a tool to call; arguments given as text are sent as they are. Such
    a rule matches only calls that offer tools. End the loop with ``after_tool=False`` or
    ``times``."""
    tools: Sequence[Tool] = ()
    """Several tools to call at once, instead of ``tool``."""
    finish_reason: str | None = None
    """Why the answer ends, such as ``length``; by default ``stop`` or ``tool_calls``."""
    usage: tuple[int, int] | None = None
    """Tokens of the prompt and of the answer; by default a token is four characters."""
    status: int = 200
    """The HTTP status. Anything but 200 is answered with an error in OpenAI's format."""
    headers: Mapping[str, str] = field(default_factory=dict)
    """Further HTTP headers, such as ``retry-after``."""
    code: str | None = None
    """The code in the body of an error, such as ``insufficient_quota``."""
    malformed: bool = False
    """Answer with status 200 and JSON that cannot be parsed."""
    raw: bytes | None = None
    """The body of the response, sent as it is: for servers that do not keep to the protocol.
    ``headers`` may contain its ``content-type``."""

    # When, and how often.
    hold: threading.Event | None = None
    """Delay the answer until the test sets this event."""
    hold_after: int | None = None
    """Send this many chunks of a stream before waiting for ``hold``."""
    delay: float = 0.0
    """Seconds before the first byte."""
    chunk_delay: float = 0.0
    """Seconds before each chunk of a stream."""
    cut_after: int | None = None
    """Drop the connection after this many chunks of a stream, or instead of a plain answer.
    Clients notice, because the response is incomplete."""
    truncate_after: int | None = None
    """End a stream after this many chunks, without its finish reason. The HTTP response is
    complete, so a careless client takes the part for the whole."""
    times: int | None = None
    """How many calls the rule may answer; None means any number."""

    def __post_init__(self) -> None:
        if self.when is not None:
            re.compile(self.when)

    @property
    def tool_calls(self) -> Sequence[Tool]:
        """The tools to call, in order."""
        return self.tools if self.tool is None else (self.tool, *self.tools)

    def fits(self, body: Json) -> bool:
        """Return whether the rule matches a request with this body."""
        return (
            (self.model is None or body.get("model") == self.model)
            and (self.stream is None or is_stream(body) == self.stream)
            and (self.after_tool is None or is_after_tool(body) == self.after_tool)
            and (not self.tool_calls or bool(body.get("tools")))
            and (self.when is None or bool(re.search(self.when, prompt(body))))
        )

    def text(self, body: Json) -> str | None:
        """Return the text to answer; None for a tool call or an error without text."""
        if callable(self.reply):
            return self.reply(body)
        if self.reply is None and not self.tool_calls and self.status == 200:
            return _echo(body)
        return self.reply


def _echo(body: Json) -> str:
    canonical = json.dumps(body["messages"], sort_keys=True)
    return f"echo {hashlib.sha256(canonical.encode()).hexdigest()[:8]}"
