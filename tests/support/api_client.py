"""The HTTP API as one user calls it."""

from __future__ import annotations

import typing as t
from collections.abc import Callable

from flask.testing import FlaskClient

from flask_crewexec.statuses import ACTIVE
from flask_crewexec.statuses import ExecutionStatus
from support.described_answers import check_answer

Json = dict[str, t.Any]
_UNDER_WAY: t.Final = ACTIVE - {ExecutionStatus.WAITING_INPUT}


class Api:
    """Calls in the name of one user."""

    def __init__(self, client: FlaskClient, user: str, roles: str = "") -> None:
        self._client = client
        self.user = user
        self._roles = roles

    def __call__(self, method: str, path: str, **options: t.Any) -> t.Any:
        who = {"X-User": self.user, "X-Roles": self._roles}
        headers = {**who, **options.pop("headers", {})}
        answer = self._client.open(f"/crewexec{path}", method=method, headers=headers, **options)
        check_answer(self._client.application, answer)
        return answer

    def graph(self, document: Json) -> str:
        answer = self("POST", "/graphs", json=document)
        assert answer.status_code == 201, answer.json
        return t.cast(str, answer.json["id"])

    def queue(self, document: Json, **order: t.Any) -> str:
        """Store a graph, queue it, and return the execution's id."""
        answer = self("POST", "/executions", json={"graph_id": self.graph(document), **order})
        assert answer.status_code == 202, answer.json
        return t.cast(str, answer.json["id"])

    def status(self, id: str, wait: int = 0) -> Json:
        answer = self("GET", f"/executions/{id}", headers={"Prefer": f"wait={wait}"})
        assert answer.status_code == 200, answer.json
        return t.cast(Json, answer.json)

    def ended(self, id: str) -> Json:
        """Wait until an execution has ended or asks people; a worker's first one may take long."""
        return until_ended(lambda: self.status(id, wait=30))

    def event_types(self, id: str) -> list[str]:
        events = self("GET", f"/executions/{id}/events").json["events"]
        assert [event["seq"] for event in events] == list(range(1, len(events) + 1))
        return [event["type"] for event in events]

    def events_of(self, id: str, type: str) -> list[Json]:
        """Return the data of an execution's events of one type."""
        events = self("GET", f"/executions/{id}/events").json["events"]
        return [event["data"] for event in events if event["type"] == type]

    def again(self, id: str) -> None:
        """Queue an execution that has ended once more."""
        answer = self("POST", f"/executions/{id}/retry")
        assert answer.status_code == 202, answer.json


def until_ended(read: Callable[[], Json]) -> Json:
    """Read a status, which waits up to half a minute, until it has ended or asks people."""
    for _ in range(4):
        status = read()
        if status["status"] not in _UNDER_WAY:
            break
    return status


def problem(answer: t.Any, status: int, code: str) -> Json:
    """Check that *answer* is a problem document, and return it."""
    assert answer.status_code == status, answer.json
    assert answer.content_type == "application/problem+json"
    assert answer.json["code"] == code
    assert answer.json["status"] == status
    return t.cast(Json, answer.json)
