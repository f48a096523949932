"""The Python client as a caller's type checker sees it; nothing runs this."""

from __future__ import annotations

import typing as t
import uuid
from collections.abc import AsyncGenerator
from collections.abc import Generator

import httpx

from flask_crewexec.client import ApiError
from flask_crewexec.client import AsyncClient
from flask_crewexec.client import Client
from flask_crewexec.client import documents
from flask_crewexec.client import Message

crews = Client("https://example.com/crewexec", headers={"Authorization": "Bearer token"})
Client("https://example.com", headers=dict, timeout=5.0, http=httpx.Client())
Client("https://example.com", http=httpx.AsyncClient())  # type: ignore[arg-type]

queued = crews.queue(graph_id=uuid.uuid4(), inputs={"topic": "honey"}, priority=3, wait=2)
t.assert_type(queued, documents.WholeExecution)
t.assert_type(queued["progress"]["queue_position"], int | None)
t.assert_type(crews.wait(queued["id"], timeout=60.0), documents.WholeExecution)
crews.queue(inputs={})  # type: ignore[call-arg]
crews.queue(graph_id="a graph", priority="high")  # type: ignore[arg-type]
crews.queue(graph_id="a graph", colour="red")  # type: ignore[call-arg]
queued["colour"]  # type: ignore[misc]
if queued["status"] == "finished":  # type: ignore[comparison-overlap]
    pass

t.assert_type(crews.list(status="running"), Generator[documents.Execution, None, None])
crews.list(status="finished")  # type: ignore[arg-type]
t.assert_type(crews.calls("an id", step=0), Generator[documents.Call, None, None])
t.assert_type(crews.call("an id", 1), documents.WholeCall)
t.assert_type(crews.step("an id", 0), documents.Step)
t.assert_type(crews.result("an id")["raw"], str)
t.assert_type(crews.cancel("an id", reason="enough"), documents.WholeExecution)
t.assert_type(crews.retry("an id", max_tokens=10), documents.WholeExecution)
t.assert_type(crews.fork("an id", inputs={}, graph_version="latest"), documents.Forked)
t.assert_type(crews.compare("an id", "another"), documents.Comparison)
t.assert_type(crews.input_requests(), Generator[documents.InputRequest, None, None])
t.assert_type(crews.input_request("an id"), documents.InputRequest)
t.assert_type(crews.answer("an id", decision="approve"), documents.InputRequest)
crews.answer("an id", decision="perhaps")  # type: ignore[arg-type]
crews.answer_all("an id", [{"id": "an id", "decision": "approve"}])
crews.answer_all("an id", [{"decision": "approve"}])  # type: ignore[typeddict-item]


def told(message: Message) -> str:
    if message["type"] == "token":
        return message["text"]
    if message["type"] == "end":
        return message["status"]
    if message["type"] == "tool_finished":
        t.assert_type(message["data"].get("call"), int | None)
        return message["data"]["output"]
    message["data"]["output"]  # type: ignore[typeddict-item]
    return str(message["seq"])


for followed in crews.follow("an id", "another", after={"an id": 3}):
    told(followed)


async def use_async_client() -> None:
    async with AsyncClient("https://example.com", headers=read_headers) as crews:
        execution = await crews.queue(graph_id="a graph")
        t.assert_type(execution, documents.WholeExecution)
        t.assert_type(crews.follow(execution["id"]), AsyncGenerator[Message, None])
        async for message in crews.follow(execution["id"]):
            told(message)
        await crews.queue(inputs={})  # type: ignore[call-arg]


async def read_headers() -> dict[str, str]:
    return {"Authorization": "Bearer token"}


def pointers(error: ApiError) -> tuple[str, int | None, list[str], str | None]:
    return error.code, error.status, error.pointers, error.correlation_id
