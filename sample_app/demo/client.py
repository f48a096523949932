"""A client of the HTTP API."""

from __future__ import annotations

import contextlib
import typing as t

import httpx

from .errors import DemoFailed

Json = dict[str, t.Any]

_TIMEOUT = 10.0


class Client(contextlib.AbstractContextManager["Client"]):
    """Sends requests of one user to the web server."""

    def __init__(self, url: str, token: str) -> None:
        self.url = url
        headers = {"Authorization": f"Bearer {token}"}
        # Processes of one machine must not use a proxy.
        self._http = httpx.Client(base_url=url, headers=headers, timeout=_TIMEOUT, trust_env=False)

    def __exit__(self, *error: object) -> None:
        self._http.close()

    def is_up(self) -> bool:
        """Return whether the web server answers."""
        return self._is_ok("/crewexec/health/live")

    def is_ready(self) -> bool:
        """Return whether a worker is ready too."""
        return self._is_ok("/crewexec/health/ready?require=workers")

    def queue(self, graph_id: str, inputs: Json) -> str:
        """Queue an execution and return its id."""
        body = {"graph_id": graph_id, "inputs": inputs}
        return str(self._request("POST", "/crewexec/executions", json=body)["id"])

    def execution(self, execution_id: str) -> Json:
        """Return an execution as it is now."""
        return self._request("GET", f"/crewexec/executions/{execution_id}")

    def events(self, execution_id: str, after: int) -> list[Json]:
        """Return a page of the events after the one with the number *after*."""
        path = f"/crewexec/executions/{execution_id}/events"
        return t.cast("list[Json]", self._request("GET", path, params={"after": after})["events"])

    def cancel(self, execution_id: str) -> None:
        """Cancel an execution, unless it has ended."""
        path = f"/crewexec/executions/{execution_id}/cancel"
        with contextlib.suppress(httpx.TransportError):
            self._http.post(path, json={"reason": "The demo was stopped."})

    def _is_ok(self, path: str) -> bool:
        try:
            return self._http.get(path).is_success
        except httpx.TransportError:
            return False

    def _request(self, method: str, path: str, **options: t.Any) -> Json:
        try:
            response = self._http.request(method, path, **options)
        except httpx.TransportError as error:
            raise DemoFailed(f"{method} {path} received no response: {error!r}") from error
        if response.is_error:
            raise DemoFailed(f"{method} {path} returned {response.status_code}: {response.text}")
        return t.cast(Json, response.json())
