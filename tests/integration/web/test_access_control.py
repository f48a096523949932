"""What belongs to somebody else does not exist, whatever route is asked for it."""

from __future__ import annotations

import re
import uuid

import pytest

from flask_crewexec import clock
from flask_crewexec.app_state import current_app_state
from flask_crewexec.dashboard import create_dashboard
from support.api_client import problem
from support.graphs import documents

WEBHOOKS = {"WEBHOOKS": True, "MAX_WEBHOOKS_PER_USER": None}

pytestmark = [pytest.mark.sqlite_enough, pytest.mark.settings(**WEBHOOKS)]

UNKNOWN = "01a20000-0000-7000-8000-000000000000"
NUMBERS = {"position": "0", "number": "1"}
BODIES = {"resend": {"since": "2026-01-01T00:00Z"}, "answer": {"decision": "approve"}}
PARAMETER = re.compile(r"{(\w+)}")


def make_things(api):
    """Make something of a user for each parameter of a path that names a thing."""
    execution = api.queue(documents.chain("a"))
    graph = api.status(execution)["graph_id"]
    insert_step_and_call(execution)
    webhook = api("POST", "/webhooks", json={"url": "https://8.8.8.8/"}).json["id"]
    event = insert_delivery(execution, webhook)
    return {
        "request_id": insert_input_request(execution),
        "graph_id": graph,
        "execution_id": execution,
        "other_id": execution,
        "webhook_id": webhook,
        "event_id": event,
        **NUMBERS,
    }


def insert_delivery(execution, webhook):
    """Insert a delivery that was given up."""
    app_state = current_app_state()
    key = {"execution_id": uuid.UUID(execution), "receiver": f"webhook:{webhook}", "seq": 1}
    state = {"type": "execution.queued", "status": "failed", "due_at": clock.now()}
    with app_state.database.write_transaction() as session:
        session.add(app_state.models.delivery(**key, **state))
    return f"{execution}.1"


def insert_input_request(execution):
    """Insert what an execution asks, as a worker does."""
    app_state = current_app_state()
    with app_state.database.write_transaction() as session:
        place = {"step": 0, "step_name": "a", "generation": 0, "round": 1, "kind": "review"}
        asked = {"draft": {"text": "x"}, "decisions": ["approve"], "on_expiry": "fail"}
        state = {"status": "open", "created_at": clock.now(), "owner_id": "ada"}
        key = {"execution_id": uuid.UUID(execution)}
        request = app_state.models.input_request(**key, **place, **asked, **state)
        session.add(request)
        session.flush()
        return str(request.id)


def insert_step_and_call(execution):
    """Insert a step and a call as a worker does."""
    app_state = current_app_state()
    key = {"execution_id": uuid.UUID(execution), "position": 0}
    with app_state.database.write_transaction() as session:
        session.add(app_state.models.step(**key, node_id="a", name="a", status="pending"))
        call = {"attempt": 1, "path": "0", "kind": "model", "name": "m", "status": "done"}
        key = {"execution_id": uuid.UUID(execution), "number": 1}
        session.add(app_state.models.call(**key, **call, started_at=clock.now()))


@pytest.fixture
def owned(api):
    return make_things(api)


@pytest.fixture
def routes(admin):
    """Method and path of each route that names a thing of a user."""
    paths = admin("GET", "/openapi.json").json["paths"]
    return [
        (method.upper(), path.removeprefix("/crewexec"))
        for path, operations in paths.items()
        for method in operations
        if PARAMETER.search(path) and "{worker_id}" not in path
    ]


def ask(requester, method, path, ids):
    options = {"json": documents.chain("b")} if method == "PUT" else {}
    if method in ("POST", "PATCH"):
        options = {"json": body_for(path.rpartition("/")[2], ids)}
    query = "?from=1" if path.endswith("/diff") else ""
    return requester(method, PARAMETER.sub(lambda found: ids[found[1]], path) + query, **options)


def body_for(action, ids):
    if action == "answers":
        return {"answers": [{"id": ids["request_id"], "decision": "approve"}]}
    return BODIES.get(action, {})


def told(answer, ids):
    """The problem without what differs from id to id."""
    text = answer.get_data(as_text=True)
    for name in ("graph_id", "execution_id", "other_id", "webhook_id", "request_id"):
        text = text.replace(ids[name], "ID")
    return text


def test_a_stranger_gets_the_same_answer_as_for_what_does_not_exist(stranger, routes, owned):
    unknown = {**dict.fromkeys(owned, UNKNOWN), **NUMBERS, "event_id": f"{UNKNOWN}.1"}
    for method, path in routes:
        theirs = ask(stranger, method, path, owned)
        problem(theirs, 404, "not-found")
        assert told(theirs, owned) == told(ask(stranger, method, path, unknown), unknown), path


def test_those_who_are_asked_reach_the_request_and_nothing_else(api, stranger, routes, owned):
    name_stranger(owned["request_id"])
    reached = set()
    for method, path in routes:
        if ask(stranger, method, path, owned).status_code != 404:
            reached.add((method, path))
    assert reached == {
        ("GET", "/input-requests/{request_id}"),
        ("POST", "/input-requests/{request_id}/answer"),
        ("POST", "/executions/{execution_id}/answers"),
    }
    for path in ("/executions", "/graphs", "/usage", "/webhooks"):
        assert owned["execution_id"] not in stranger("GET", path).text
        assert owned["graph_id"] not in stranger("GET", path).text
    assert [request["answered_by"] for request in asked_of(stranger)] == ["mallory"]


@pytest.fixture
def pages(app):
    """The dashboard, which must be registered before anything is asked for."""
    app.register_blueprint(create_dashboard())


def test_pages_of_executions_are_not_for_those_who_are_asked(pages, app, client, owned):
    name_stranger(owned["request_id"])
    seen = set()
    for rule in app.url_map.iter_rules():
        names = rule.arguments - {"filename", "token"}
        if rule.endpoint.startswith("crewexec_dashboard.") and names:
            path = PARAMETER.sub(lambda found: owned.get(found[1], "1"), as_braces(rule.rule))
            for method in rule.methods & {"GET", "POST"}:
                options = {} if method == "GET" else {"data": {"decision": "approve"}}
                answer = client.open(path, method=method, headers={"X-User": "mallory"}, **options)
                if answer.status_code < 400:
                    seen.add((method, rule.endpoint.rpartition(".")[2]))
    assert seen == {("GET", "show_request"), ("POST", "answer_request")}


def as_braces(rule):
    return re.sub(r"<(?:\w+:)?(\w+)>", r"{\1}", rule)


def name_stranger(request_id):
    """Let an input request ask the stranger."""
    app_state, key = current_app_state(), uuid.UUID(request_id)
    with app_state.database.write_transaction() as session:
        row = {"request_id": key, "kind": "user", "name": "mallory"}
        session.add(app_state.models.input_assignee(**row))
        session.get(app_state.models.input_request, key).is_assigned = True


def asked_of(requester):
    return requester("GET", "/input-requests").json["input_requests"]


def test_its_owner_finds_it_on_each_of_these_routes(api, routes):
    """Otherwise the test above would prove nothing."""
    assert len(routes) >= 12
    for method, path in routes:
        assert ask(api, method, path, make_things(api)).status_code != 404, (method, path)


def test_a_stranger_changes_nothing(api, stranger, routes, owned):
    before = seen(api, owned)
    for method, path in routes:
        ask(stranger, method, path, owned)
    assert seen(api, owned) == before


def seen(api, ids):
    webhook = f"/webhooks/{ids['webhook_id']}"
    paths = (f"/graphs/{ids['graph_id']}", webhook, f"{webhook}/deliveries")
    return [api.status(ids["execution_id"]), *(api("GET", path).json for path in paths)]


@pytest.mark.parametrize("query", ["", "?status=queued", "?graph_id={graph_id}"])
def test_lists_hold_nothing_of_others(stranger, owned, query):
    path = f"/executions{query.format(**owned)}"
    assert stranger("GET", path).json == {"executions": [], "next": None}
    assert stranger("GET", "/graphs").json == {"graphs": [], "next": None}


def test_usage_of_others_is_not_shown(api, stranger, owned):
    assert [row["user_id"] for row in api("GET", "/usage").json["usage"]] == ["ada"]
    for query in ("", "?user_id=ada"):
        assert stranger("GET", f"/usage{query}").json == {"usage": []}


def test_nothing_of_others_is_queued_or_copied(stranger, owned):
    order = {"graph_id": owned["graph_id"]}
    problem(stranger("POST", "/executions", json=order), 404, "not-found")
    problem(stranger("POST", "/executions/preview", json=order), 404, "not-found")


@pytest.mark.parametrize("user", ["x" * 256, "a\x85b"])
def test_a_user_whose_id_cannot_be_stored_is_refused(client, user):
    for path in ("/crewexec/executions", "/crewexec/graphs"):
        answer = client.get(path, headers={"X-User": user})
        problem(answer, 403, "invalid-user-id")
        assert f"has {len(user)}" in answer.json["detail"]
    assert client.get("/crewexec/executions", headers={"X-User": "x" * 255}).status_code == 200


def test_ids_that_are_none_do_not_exist_either(stranger, routes):
    for id in ("no-id", str(uuid.uuid4()).upper() + "0"):
        for method, path in routes:
            names = ("graph_id", "execution_id", "other_id", "webhook_id", "request_id")
            ids = {**dict.fromkeys(names, id), **NUMBERS, "event_id": f"{UNKNOWN}.1"}
            problem(ask(stranger, method, path, ids), 404, "not-found")
