"""What executions ask people, and answers through the API."""

from __future__ import annotations

import datetime as dt
import typing as t
import uuid

import sqlalchemy as sa

from flask_crewexec.app_state import current_app_state
from flask_crewexec.models import table_of
from flask_crewexec.storage.input_requests import insert
from flask_crewexec.storage.input_requests import new_id
from flask_crewexec.storage.input_requests import NewRequest

from .api_client import Api
from .graphs import documents

Json = dict[str, t.Any]

LONG_AGO: t.Final = dt.datetime(2001, 1, 1, tzinfo=dt.UTC)


def reviewed(*ids: str, review: Json | None = None, **data: t.Any) -> Json:
    """A chain whose first task is reviewed."""
    asked: Json = {"human_input": True} if review is None else {"review": review}
    return documents.with_data(documents.chain(*ids or ("a",)), "a", **asked, **data)


def parallel(*ids: str, review: Json | None = None) -> Json:
    """A graph whose tasks run at the same time and are reviewed; ``end`` reads them all."""
    nodes = [documents.agent("w"), *(documents.task(id) for id in (*ids, "end"))]
    edges = [*(f"w {id}" for id in (*ids, "end")), *(f"{id} end" for id in ids)]
    made = documents.crew(nodes, edges)
    asked: Json = {"human_input": True} if review is None else {"review": review}
    for id in ids:
        documents.with_data(made, id, **{"async": True, **asked})
    return made


def ask(
    execution_id: str,
    *,
    users: tuple[str, ...] = (),
    roles: tuple[str, ...] = (),
    expires_in: float | None = None,
    **values: t.Any,
) -> str:
    """Store what an execution of ada's asks, and return the id of the request."""
    id, models = new_id(), current_app_state().models
    new = NewRequest(
        **{
            "owner_id": "ada",
            "kind": "review",
            "step": 0,
            "step_name": "a",
            "generation": 0,
            "round": 1,
            "message": None,
            "problem": None,
            "draft": None,
            "schema": None,
            "decisions": ["approve", "reject"],
            "on_expiry": "fail",
            **values,
        }
    )
    asked = [*(("user", user) for user in users), *(("role", role) for role in roles)]
    with current_app_state().database.write_transaction() as session:
        key = uuid.UUID(execution_id)
        insert(session, models, key, new, id=id, expires_in=expires_in, assignees=asked)
    return str(id)


def change_request(id: str, **values: object) -> None:
    """Change the row of a request."""
    request = current_app_state().models.input_request
    statement = sa.update(request).where(request.id == uuid.UUID(id)).values(**values)
    with current_app_state().database.write_transaction() as session:
        session.execute(statement)


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


def send_answers(api: Api, id: str, answers: list[Json]) -> t.Any:
    """Answer several requests of an execution at once."""
    return api("POST", f"/executions/{id}/answers", json={"answers": answers})


def change_requests(id: str, *, only: str | None = None, **values: object) -> None:
    """Change columns of the requests of an execution, or of only one of them."""
    request = current_app_state().models.input_request
    statement = sa.update(request).where(request.execution_id == uuid.UUID(id))
    if only is not None:
        statement = statement.where(request.id == uuid.UUID(only))
    with current_app_state().database.write_transaction() as session:
        session.execute(statement.values(**values))


def expire(id: str) -> None:
    """Let the requests of an execution have expired."""
    change_requests(id, expires_at=LONG_AGO)


def rows_of(id: str) -> list[tuple[t.Any, ...]]:
    """Return all that is stored of an execution, what it asks and what has happened to it."""
    models, key = current_app_state().models, uuid.UUID(id)
    queries = [sa.select(table_of(models.execution)).where(models.execution.id == key)]
    for model in (models.input_request, models.event):
        table = table_of(model)
        mine = sa.select(table).where(model.execution_id == key)
        queries.append(mine.order_by(*table.primary_key.columns))
    with current_app_state().database.read_session() as session:
        return [tuple(row) for query in queries for row in session.execute(query)]


def answer(api: Api, id: str, decision: str, expect: int = 202, **content: object) -> Json:
    """Answer the open request of an execution."""
    response = send_answer(api, open_request(api, id)["id"], decision, **content)
    assert response.status_code == expect, response.json
    return t.cast(Json, response.json)
