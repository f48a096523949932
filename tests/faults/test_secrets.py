"""Keys appear nowhere, whatever becomes of the runs that use them."""

from __future__ import annotations

import json
import threading
import typing as t
from itertools import pairwise
from urllib.parse import quote

import pytest
import sqlalchemy as sa

from flask_crewexec.app_state import current_app_state
from flask_crewexec.testing import Rule
from flask_crewexec.testing import ScriptedModel
from support.graphs import documents
from support.host_app import host

pytestmark = pytest.mark.sqlite_enough


@pytest.fixture
def everything(app, api, redis_process) -> t.Callable[[], str]:
    """A function that returns all that is stored and all that the routes show."""

    def everything() -> str:
        return "\n".join([*rows(), *answers(app, api), *messages(redis_process)])

    return everything


def rows() -> t.Iterator[str]:
    app_state = current_app_state()
    with app_state.database.read_session() as session:
        for model in app_state.models:
            yield from map(str, session.execute(sa.select(t.cast(t.Any, model).__table__)))


def answers(app, api) -> t.Iterator[str]:
    """What each route answers about each execution, call, step and graph."""
    known = arguments(api)
    urls = app.url_map.bind("localhost")
    for rule in app.url_map.iter_rules():
        if rule.endpoint.startswith("crewexec.") and "GET" in rule.methods:
            for values in known[frozenset(rule.arguments)]:
                path = urls.build(rule.endpoint, values).removeprefix("/crewexec")
                yield api("GET", path).text
    for execution in api("GET", "/executions").json["executions"]:
        if execution["finished_at"]:  # else the stream would not end
            path = f"/executions/{execution['id']}/events"
            yield api("GET", path, headers={"Accept": "text/event-stream"}).text


def arguments(api) -> dict[frozenset[str], list[dict[str, t.Any]]]:
    """All values of the arguments that paths have."""
    graphs = [{"graph_id": graph["id"]} for graph in api("GET", "/graphs").json["graphs"]]
    found = api("GET", "/executions").json["executions"]
    executions = [{"execution_id": execution["id"]} for execution in found]
    calls = [
        {**each, "number": call["number"]}
        for each in executions
        for call in api("GET", f"/executions/{each['execution_id']}/calls").json["calls"]
    ]
    webhooks = api("GET", "/webhooks").json.get("webhooks", ())
    asked = api("GET", "/input-requests").json["input_requests"]
    return {
        frozenset(): [{}],
        frozenset({"path"}): [{"path": "unknown"}],
        frozenset({"version", "name"}): [],  # the client's modules
        frozenset({"webhook_id"}): [{"webhook_id": webhook["id"]} for webhook in webhooks],
        frozenset({"request_id"}): [{"request_id": each["id"]} for each in asked],
        frozenset({"graph_id"}): graphs,
        frozenset({"execution_id"}): executions,
        frozenset({"execution_id", "number"}): calls,
        frozenset({"execution_id", "other_id"}): [
            {**each, "other_id": other["execution_id"]} for each, other in pairwise(executions)
        ],
        frozenset({"execution_id", "position"}): [{**each, "position": 0} for each in executions],
    }


def messages(redis_process) -> t.Iterator[str]:
    with redis_process.client() as client:
        for key in client.scan_iter():
            if client.type(key) == "list":
                yield from client.lrange(key, 0, -1)
            elif client.type(key) == "string":
                yield client.get(key)


@pytest.mark.settings(MAX_WORKER_LOSSES=0)
def test_after_runs_that_succeed_fail_and_crash(
    api, model, start_worker, settle, everything, redis_process
):
    told = f"Incorrect API key provided: {host.KEY}."
    model.on("Do succeed", told)
    model.on("Do fail", told, status=401)
    model.on("Do argue", told, status=400)
    model.add(Rule("Do crash", tool=("kill_itself", {}), after_tool=False))
    worker = start_worker(pool="prefork")
    settle(api.queue(documents.chain("succeed")))
    settle(api.queue(documents.chain("fail")), "failed")
    settle(api.queue(documents.chain("argue")), "failed")
    settle(api.queue(documents.chain("crash", tools=("kill_itself",))), "failed")
    found = everything()
    assert "Incorrect API key provided: [secret]." in found
    assert host.KEY not in found
    assert "Incorrect API key provided" in worker.log_text()
    assert host.KEY not in worker.log_text()


@pytest.fixture
def own_model() -> t.Iterator[ScriptedModel]:
    """A model that takes nothing but the key of the user."""
    with ScriptedModel(host.OWN_KEYS["model", "ada"]) as model:
        yield model


@pytest.fixture
def environment(environment, own_model):
    return {**environment, "OWN_MODEL_URL": own_model.base_url}


@pytest.fixture
def gate() -> t.Iterator[threading.Event]:
    """What an answer waits for; open at the latest when the test ends."""
    gate = threading.Event()
    yield gate
    gate.set()


@pytest.mark.each_pool
@pytest.mark.settings(MAX_WORKER_LOSSES=0, LOG_FORMAT="json")
def test_keys_that_users_bring(api, own_model, start_worker, settle, everything, gate, pool):
    """The provider gives them, and models, tools and servers repeat them wherever they can."""
    key = host.OWN_KEYS["model", "ada"]
    told = f"Incorrect API key provided: {key}."
    own_model.on("Do succeed", told)
    own_model.on("Do fail", told, status=401)
    own_model.on("Do argue", told, status=400)
    tools = ("tell_key", "shout", "disk_token", "disk_fail")
    arguments = {"shout": {"text": "hello"}}
    for tool in tools:
        call = (tool, arguments.get(tool, {}))
        own_model.add(Rule("Do repeat", tool=call, times=1))
    own_model.on("Do repeat", lambda body: json.dumps(body["messages"]), hold=gate)
    own_model.add(Rule("Do crash", tool=("tell_key", {}), after_tool=False))
    own_model.add(Rule("Do crash", tool=("kill_itself", {})))
    worker = start_worker(pool=pool)
    settle(api.queue(documents.chain("succeed", model="own")))
    settle(api.queue(documents.chain("fail", model="own")), "failed")
    settle(api.queue(documents.chain("argue", model="own")), "failed")
    id = api.queue(documents.chain("repeat", tools=tools, model="own"))
    own_model.wait_for_calls(1 + len(tools), matching="Do repeat")
    live = everything()  # while what the tools said is needed to continue
    assert "The key is [secret]." in live
    gate.set()
    settle(id)
    if pool == "prefork":
        crash = documents.chain("crash", tools=("tell_key", "kill_itself"), model="own")
        settle(api.queue(crash), "failed")
    spoken = [text["content"] for call in own_model.calls for text in call.body["messages"]]
    assert all(key in str(spoken) for (name, _), key in host.OWN_KEYS.items() if name != "model")
    found, log = everything(), worker.log_text()
    assert "Incorrect API key provided: [secret]." in found
    assert "The key is [secret]." in found
    assert "HELLO! ([secret])" in found
    assert "The key is [secret]." in log
    assert "Incorrect API key provided" in log
    for secret in host.OWN_KEYS.values():
        for spelling in (secret, json.dumps(secret)[1:-1], quote(secret, safe="")):
            assert spelling not in live
            assert spelling not in found
            assert spelling not in log


def test_a_user_without_a_key(api, stranger, own_model, start_worker, settle, everything):
    start_worker()
    id = stranger.queue(documents.chain("succeed", model="own"))
    assert stranger.ended(id)["status"] == "failed"
    error = stranger.status(id)["error"]
    assert error["code"] == "secret-missing"
    assert error["message"] == "There is no secret 'model' for this user."
    assert not own_model.calls
