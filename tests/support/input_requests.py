"""What executions ask people, and answers through the API."""

from __future__ import annotations

import typing as t

from .api_client import Api
from .graphs import documents

Json = dict[str, t.Any]


def reviewed(*ids: str, review: Json | None = None, **data: t.Any) -> Json:
    """A chain whose first task is reviewed."""
    asked: Json = {"human_input": True} if review is None else {"review": review}
    return documents.with_data(documents.chain(*ids or ("a",)), "a", **asked, **data)


def requests_of(api: Api, id: str, **query: object) -> list[Json]:
    """Return what an execution has asked, newest first."""
    response = api("GET", "/input-requests", query_string={"execution_id": id, **query})
    assert response.status_code == 200, response.json
    return t.cast("list[Json]", response.json["input_requests"])


def open_request(api: Api, id: str) -> Json:
    """Return the only open request of an execution."""
    (found,) = requests_of(api, id, status="open")
    return found


def send_answer(api: Api, request_id: str, decision: str, **content: object) -> t.Any:
    path = f"/input-requests/{request_id}/answer"
    return api("POST", path, json={"decision": decision, **content})


def answer(api: Api, id: str, decision: str, expect: int = 202, **content: object) -> Json:
    """Answer the open request of an execution."""
    response = send_answer(api, open_request(api, id)["id"], decision, **content)
    assert response.status_code == expect, response.json
    return t.cast(Json, response.json)
