"""How two executions differ, with the real engine."""

from __future__ import annotations

import pytest

from flask_crewexec import AsyncExecutionService
from support.api_client import problem
from support.graphs import documents
from support.in_process import run

UNKNOWN = "01a20000-0000-7000-8000-000000000000"


@pytest.fixture
def ended(api, model):
    """Run a document, and return the id of the execution."""

    def end(document, **order):
        id = api.queue(document, **order)
        run(id)
        return id

    return end


@pytest.fixture
def compare(api):
    def compare(a, b):
        answer = api("GET", f"/executions/{a}/compare/{b}")
        assert answer.status_code == 200, answer.json
        return answer.json

    return compare


def fork_and_run(api, id, **changes):
    forked = api("POST", f"/executions/{id}/fork", json=changes).json["execution"]["id"]
    run(forked)
    return forked


def outputs(found):
    return {step["name"]: step["output"] for step in found["steps"]}


def test_what_a_fork_changes(api, model, ended, compare):
    model.on("Do b", "old line\nsame line", times=1).on("Do b", "new line\nsame line")
    model.on("Do a", "ALPHA")
    document = documents.with_data(documents.chain("a", "b"), "b", description="Do b {topic}")
    a = ended(document, inputs={"topic": "tea"})
    b = fork_and_run(api, a, inputs={"topic": "honey"})
    found = compare(a, b)
    assert (found["a"]["id"], found["b"]["id"]) == (a, b)
    assert found["b"]["forked_from"] == a
    assert found["inputs"] == [{"name": "topic", "a": "tea", "b": "honey"}]
    assert found["graph"] == []
    same = {"same": True, "diff": None, "truncated": False, "omitted": False}
    assert outputs(found)["a"] == same
    difference = outputs(found)["b"]
    assert difference["diff"].splitlines()[1:] == ["-old line", "+new line", " same line"]
    assert found["result"] == difference
    sides = [(step["a"]["origin"], step["b"]["origin"]) for step in found["steps"]]
    assert sides == [(None, "reused"), (None, None)]
    assert found["difference"]["llm_calls"] == -1
    tokens = [found[side]["usage"]["total_tokens"] for side in "ab"]
    assert found["difference"]["total_tokens"] == tokens[1] - tokens[0]
    (calls,) = found["calls"]
    assert (calls["kind"], calls["a"]["calls"], calls["b"]["calls"]) == ("model", 2, 1)
    assert calls["a"]["total_tokens"] == tokens[0]


def test_other_graphs_and_failures(api, model, ended, compare):
    model.on("Do a", "ALPHA").on("Do d", status=400)
    a = ended(documents.chain("a"))
    b = ended(documents.chain("a", "d", tools=("count_words",)))
    found = compare(a, b)
    assert {(change["kind"], change["id"]) for change in found["graph"]} >= {
        ("added", "d"),
        ("added", "count_words"),
    }
    assert found["b"]["error"]["code"]
    assert [(step["name"], step["a"] is None) for step in found["steps"]] == [
        ("a", False),
        ("d", True),
    ]
    back = compare(b, a)
    assert [step["name"] for step in back["steps"]] == ["a", "d"]
    assert back["difference"]["llm_calls"] == -found["difference"]["llm_calls"]
    assert {(call["kind"], call["b"] and call["b"]["failed"]) for call in found["calls"]} == {
        ("model", 1)
    }


def test_executions_that_have_not_started(api, compare):
    id = api.queue(documents.chain("a"))
    found = compare(id, id)
    assert found["steps"] == []
    assert found["calls"] == []
    assert found["difference"]["seconds"] is None
    assert found["result"]["same"] is True


@pytest.mark.settings(MAX_STATUS_CHARS=1_000)
def test_outputs_that_are_too_large_are_not_read(api, model, ended, compare):
    model.on("Do a", "x" * 2_000).on("Do b", "BETA")
    a = ended(documents.chain("a", "b"))
    b = fork_and_run(api, a, from_step="b")
    found = compare(a, b)
    not_read = {"same": None, "diff": None, "truncated": False, "omitted": True}
    assert outputs(found)["a"] == not_read
    assert outputs(found)["b"]["same"] is True


@pytest.mark.sqlite_enough
class TestAccess:
    def test_both_must_be_visible(self, api, stranger, admin):
        mine = api.queue(documents.chain("a"))
        theirs = stranger.queue(documents.chain("a"))
        for pair in ((mine, theirs), (theirs, mine), (mine, UNKNOWN), (UNKNOWN, mine)):
            path = "/executions/{}/compare/{}".format(*pair)
            problem(api("GET", path), 404, "not-found")
        assert admin("GET", f"/executions/{mine}/compare/{theirs}").status_code == 200

    def test_python_does_the_same(self, app, api):
        mine = api.queue(documents.chain("a"))
        found = AsyncExecutionService().for_user("ada").compare(mine, mine)
        assert found == api("GET", f"/executions/{mine}/compare/{mine}").json
