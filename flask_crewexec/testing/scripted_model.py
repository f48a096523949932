"""The scripted model, as tests drive it."""

from __future__ import annotations

import typing as t

from .calls import Call
from .calls import describe
from .calls import Outcome
from .comparable import Normalize
from .recording import RecordedCall
from .recording import Recording
from .recording import Source
from .replay import Replay
from .rules import Pattern
from .rules import Reply
from .rules import Rule
from .script import Script
from .server import Server


class ScriptedModel:
    """A scripted model on ``127.0.0.1``; a context manager, or :meth:`start` and :meth:`close`.

    :param key: the API key that clients must present.
    :param port: the port to listen on; 0 takes a free one.
    :param delay: seconds before the first byte of each answer, for people who watch; rules with a
        ``delay`` of their own use that.
    """

    def __init__(self, key: str = "sk-scripted", port: int = 0, *, delay: float = 0.0) -> None:
        self.key = key
        self._port = port
        self._delay = delay
        self._script = Script()
        self._server: Server | None = None

    def __enter__(self) -> t.Self:
        return self.start()

    def __exit__(self, *exc_info: object) -> None:
        self.close()
        self.check()

    def start(self) -> t.Self:
        """Start to listen, and answer in background threads."""
        if self._server is not None:
            raise RuntimeError("The scripted model is already running: start it only once.")
        self._server = Server(self._port, self.key, self._script, self._delay)
        self._port = self._server.server_port
        self._server.start()
        return self

    def reset(self) -> None:
        """Forget rules, recordings and the journal, and drop the calls that are in progress."""
        self._script = Script()
        if self._server is not None:
            self._server.restart(self._script)

    def close(self) -> None:
        """Drop all calls, held ones too, and stop listening. The journal remains."""
        server, self._server = self._server, None
        if server is not None:
            server.stop()

    @property
    def base_url(self) -> str:
        """The URL of the server, for the ``base_url`` of clients."""
        if not self._port:
            raise RuntimeError("The scripted model has no address yet: call start(), or use with.")
        return f"http://127.0.0.1:{self._port}/v1"

    def on(
        self, when: Pattern | None = None, reply: Reply | None = None, **fields: t.Any
    ) -> t.Self:
        """Append a rule; ``fields`` are those of :class:`Rule`."""
        return self.add(Rule(when=when, reply=reply, **fields))

    def add(self, *rules: Rule) -> t.Self:
        """Append rules."""
        self._script.add(rules)
        return self

    def replay(self, source: Source, *, normalize: Normalize | None = None) -> Recording:
        """Answer calls that no rule matches as they were answered in a recorded execution.

        A call is found by its messages, so the order of calls does not matter. Each is answered
        once. Ids, the order of keys, times of day and CrewAI's "Current Date" are not compared,
        nor is the name of the model. A call that was not recorded is refused, and :meth:`check`
        says what differs.

        :param source: the path of a recording, or what ``AsyncExecutionService.record`` returns.
        :param normalize: takes each text of a request, recorded or new, and returns it without
            what differs each time.
        :raises ValueError: if it is no recording, or of a newer version.
        """
        recording = Recording.load(source)
        self._script.add_replay(Replay(recording, normalize))
        return recording

    @property
    def unused_answers(self) -> list[RecordedCall]:
        """The recorded calls that were answered, and were not made since :meth:`replay`."""
        return self._script.unused_answers

    def check(self) -> None:
        """Check that all calls since the last check were recorded, if a recording is replayed.

        The end of a ``with`` block checks this, too.

        :raises UnrecordedCall: if one was not; the message shows what differs.
        """
        __tracebackhide__ = True
        self._script.check_replays()

    @property
    def calls(self) -> tuple[Call, ...]:
        """The journal: all calls so far, in the order of arrival."""
        return self._script.calls

    @property
    def disconnects(self) -> int:
        """How many clients left before they received their answer."""
        return sum(call.outcome == "disconnected" for call in self.calls)

    def calls_matching(self, pattern: Pattern) -> tuple[Call, ...]:
        """Return the calls with the pattern in their last user message."""
        return tuple(call for call in self.calls if call.matches(pattern))

    def wait_for_calls(
        self,
        count: int,
        *,
        timeout: float = 60.0,
        matching: Pattern = "",
        outcome: Outcome | None = None,
    ) -> tuple[Call, ...]:
        """Block until *count* calls are in the journal, and return them.

        :param matching: count only calls with this pattern in their last user message.
        :param outcome: count only calls with this outcome.
        :raises TimeoutError: if there are fewer at the timeout; the message shows the journal.
        """

        def wanted(call: Call) -> bool:
            return call.matches(matching) and outcome in (None, call.outcome)

        found = self._script.wait(wanted, count, timeout)
        if len(found) < count:
            raise TimeoutError(
                f"{len(found)} of {count} calls within {timeout:g} s "
                f"(matching={matching!r}, outcome={outcome!r}). {describe(self.calls)}"
            )
        return found
