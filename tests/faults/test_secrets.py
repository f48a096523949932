"""The key of a model appears nowhere, whatever becomes of the runs that use it."""

from __future__ import annotations

import typing as t

import pytest
import sqlalchemy as sa

import crews
import host
from flask_crewexec.binding import current_binding
from flask_crewexec.testing import Rule

pytestmark = [
    pytest.mark.integration,
    pytest.mark.parametrize("database_url", ["sqlite"], indirect=True),
]


@pytest.fixture
def everything(api, redis_process) -> t.Callable[[], str]:
    """A function that returns all that is stored and all that the routes show."""

    def everything() -> str:
        return "\n".join([*rows(), *answers(api), *messages(redis_process)])

    return everything


def rows() -> t.Iterator[str]:
    binding = current_binding()
    with binding.session() as session:
        for model in binding.models:
            yield from map(str, session.execute(sa.select(model.__table__)))


def answers(api) -> t.Iterator[str]:
    for execution in api("GET", "/executions").json["executions"]:
        path = f"/executions/{execution['id']}"
        stream = api("GET", f"{path}/events", headers={"Accept": "text/event-stream"})
        yield from (api("GET", path).text, stream.text)
    yield from (api("GET", path).text for path in ("/graphs", "/usage", "/openapi.json"))


def messages(redis_process) -> t.Iterator[str]:
    with redis_process.client() as client:
        for key in client.scan_iter():
            if client.type(key) == "list":
                yield from client.lrange(key, 0, -1)
            elif client.type(key) == "string":
                yield client.get(key)


@pytest.mark.settings(MAX_LOST_ATTEMPTS=0)
def test_after_runs_that_succeed_fail_and_crash(
    api, model, start_worker, settle, everything, redis_process
):
    told = f"Incorrect API key provided: {host.KEY}."
    model.on("Do succeed", told)
    model.on("Do fail", told, status=401)
    model.on("Do argue", told, status=400)
    model.add(Rule("Do crash", tool=("kill_itself", {}), after_tool=False))
    worker = start_worker(pool="prefork")
    settle(api.queue(crews.chain("succeed")))
    settle(api.queue(crews.chain("fail")), "failed")
    settle(api.queue(crews.chain("argue")), "failed")
    settle(api.queue(crews.chain("crash", tools=("kill_itself",))), "failed")
    found = everything()
    assert "Incorrect API key provided: [secret]." in found
    assert host.KEY not in found
    assert "Incorrect API key provided" in worker.log_text()
    assert host.KEY not in worker.log_text()
