"""A page of the host's origin, on which a test uses the client for JavaScript."""

from __future__ import annotations

import typing as t

from support.servers.browser import Browser
from support.servers.processes import wait_until

Json = dict[str, t.Any]

_START = """
window.messages = [];
window.states = [];
window.outcome = null;
window.stop = new AbortController();
import(arguments[3] + "/crewexec/client.js").then(async ({ createClient, CrewExecError }) => {
  window.CrewExecError = CrewExecError;
  const crews = createClient({
    url: arguments[3] + "/crewexec",
    onState: (state) => window.states.push(state),
    ...(new Function("return " + arguments[0])()),
  });
  const follow = async (id, options = {}) => {
    const messages = crews.follow(id, { signal: window.stop.signal, ...options });
    for await (const message of messages) window.messages.push(message);
  };
  const AsyncFunction = (async () => {}).constructor;
  const work = new AsyncFunction("crews", "follow", "given", arguments[1]);
  return work(crews, follow, arguments[2]);
}).then(
  (value) => { window.outcome = { value: value === undefined ? null : value }; },
  (error) => {
    window.outcome = { error: error.toJSON ? error.toJSON() : { message: String(error) } };
  },
);
"""


class ClientPage:
    """The page, and what the code on it has done."""

    def __init__(self, browser: Browser, url: str, api: str = "") -> None:
        """Open a page of the server at *url*, for the *api* of it or of another origin."""
        self._browser = browser
        self._api = api
        browser.open(f"{url}/crewexec/health/live")

    def start(
        self, code: str, given: object = None, options: str = '{ headers: { "X-User": "ada" } }'
    ) -> None:
        """Run asynchronous code with ``crews``, the client, and ``given``.

        ``follow(id)`` puts what it brings into ``messages``.
        """
        self._browser.run(_START, options, code, given, self._api)

    def outcome(self) -> Json:
        """Wait for the end of the code; return its ``value`` or ``error``."""
        wait_until(lambda: self._browser.run("return window.outcome"), what="the end of the code")
        return t.cast(Json, self._browser.run("return window.outcome"))

    def call(self, code: str, given: object = None, **options: str) -> t.Any:
        """Run code and return its value."""
        self.start(code, given, **options)
        outcome = self.outcome()
        assert "value" in outcome, outcome
        return outcome["value"]

    def refused(self, code: str, given: object = None, **options: str) -> Json:
        """Run code and return its error."""
        self.start(code, given, **options)
        outcome = self.outcome()
        assert "error" in outcome, outcome
        return t.cast(Json, outcome["error"])

    def messages(self, type: str | None = None) -> list[Json]:
        """Return what has been followed so far."""
        found = self._browser.run("return window.messages")
        return [each for each in found if type in (None, each["type"])]

    def wait_for(self, type: str, count: int = 1) -> list[Json]:
        """Wait for messages of a type, and return them."""
        wait_until(lambda: len(self.messages(type)) >= count, what=f"{count} {type}")
        return self.messages(type)

    def states(self) -> list[str]:
        """Return the states that the connection has had."""
        return t.cast("list[str]", self._browser.run("return window.states"))

    def abort(self) -> None:
        """Abort what is followed."""
        self._browser.run("window.stop.abort()")
