"""The demo as a client of the HTTP API, as any other program could be."""

from __future__ import annotations

import contextlib
import typing as t

import httpx

from .errors import DemoFailed

Json = dict[str, t.Any]

_TIMEOUT = 10.0


class Client(contextlib.AbstractContextManager["Client"]):
    """Talks to the web server in the name of one user."""

    def __init__(self, url: str, token: str) -> None:
        self.url = url
        headers = {"Authorization": f"Bearer {token}"}
        # A proxy has no business between processes of one machine.
        self._http = httpx.Client(base_url=url, headers=headers, timeout=_TIMEOUT, trust_env=False)

    def __exit__(self, *error: object) -> None:
        self._http.close()

    def is_up(self) -> bool:
        """Whether the web server answers."""
        return self._is_ok("/crewexec/health/live")

    def is_ready(self) -> bool:
        """Whether a worker waits for executions, too."""
        return self._is_ok("/crewexec/health/ready")

    def queue(self, graph_id: str, inputs: Json) -> str:
        """Queue an execution and return its id."""
        body = {"graph_id": graph_id, "inputs": inputs}
        return str(self._ask("POST", "/crewexec/executions", json=body)["id"])

    def execution(self, execution_id: str) -> Json:
        """Return an execution as it is now."""
        return self._ask("GET", f"/crewexec/executions/{execution_id}")

    def events(self, execution_id: str, after: int) -> list[Json]:
        """Return a page of what happened behind the event with the number *after*."""
        path = f"/crewexec/executions/{execution_id}/events"
        return t.cast("list[Json]", self._ask("GET", path, params={"after": after})["events"])

    def cancel(self, execution_id: str) -> None:
        """Stop an execution; it does not matter if it has ended already."""
        path = f"/crewexec/executions/{execution_id}/cancel"
        with contextlib.suppress(httpx.TransportError):
            self._http.post(path, json={"reason": "The demo was stopped."})

    def _is_ok(self, path: str) -> bool:
        try:
            return self._http.get(path).is_success
        except httpx.TransportError:
            return False

    def _ask(self, method: str, path: str, **options: t.Any) -> Json:
        try:
            response = self._http.request(method, path, **options)
        except httpx.TransportError as error:
            raise DemoFailed(f"{method} {path} got no answer: {error!r}") from error
        if response.is_error:
            raise DemoFailed(
                f"{method} {path} was answered {response.status_code}: {response.text}"
            )
        return t.cast(Json, response.json())
