"""Fallback models, with the real engine."""

from __future__ import annotations

import socket

import pytest

from flask_crewexec import current_execution
from flask_crewexec import Secret
from flask_crewexec.testing import Rule
from support.graphs import documents
from support.in_process import column
from support.in_process import run
from support.in_process import running

pytestmark = [pytest.mark.sqlite_enough, pytest.mark.libraries]

GRAPH = documents.chain("a", model="first")
PRICES = {"second-model": {"input": 1_000_000.0, "output": 0.0}}


@pytest.fixture
def crewexec(app):
    return app.extensions["crewexec_host"]


@pytest.fixture
def offer(crewexec, model):
    """A function that offers models, the last one first, each falling back to the next one."""

    def offer(*names, **options):
        behind: tuple[str, ...] = ()
        for name in reversed(names):
            common = {"base_url": model.base_url, "api_key": model.key, "timeout": 20}
            crewexec.llm(name, f"{name}-model", fallbacks=behind, **{**common, **options})
            behind = (name,)

    return offer


def asked(model):
    return [call.body["model"].removesuffix("-model") for call in model.calls]


def events(api, id, type):
    found = api("GET", f"/executions/{id}/events").json["events"]
    return [event["data"] for event in found if event["type"] == type]


@pytest.mark.settings(PRICES=PRICES)
@pytest.mark.parametrize("status", [429, 408, 500, 503])
def test_the_next_model_answers_within_the_same_step(api, model, offer, status):
    offer("first", "second")
    model.add(Rule(model="first-model", status=status), Rule(reply="from the second"))
    id = api.queue(GRAPH)
    assert run(id) == "completed"
    assert api.status(id)["result"]["raw"] == "from the second"
    assert asked(model) == ["first", "second"]
    usage = api.status(id)["usage"]
    assert usage["llm_calls"] == 2
    (answered,) = events(api, id, "model_call_completed")
    assert answered["model"] == "second-model"
    assert usage["cost"] == answered["cost"] > 0
    (failed,) = events(api, id, "model_call_failed")
    assert failed["model"] == "first-model"
    assert api.status(id)["attempt"] == 1


def test_the_functions_of_a_model_know_the_execution(api, model, crewexec, offer):
    offer("second")
    known = []

    def key():
        known.append((str(current_execution.id), current_execution.user_id))
        return model.key

    options = {"base_url": lambda: model.base_url, "fallbacks": ["second"]}
    crewexec.llm("first", "first-model", api_key=key, **options)
    id = api.queue(GRAPH)
    assert run(id) == "completed"
    assert set(known) == {(id, api.status(id)["user_id"])}


def test_a_fallback_answers_for_an_unreachable_model(api, model, crewexec, offer):
    offer("second")
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    url = f"http://127.0.0.1:{port}/v1"
    crewexec.llm("first", "first-model", base_url=url, api_key="k", fallbacks=["second"])
    assert run(api.queue(GRAPH)) == "completed"
    assert asked(model) == ["second"]


def test_a_fallback_answers_for_a_model_that_times_out(api, model, crewexec, offer):
    offer("second")
    url, key = model.base_url, model.key
    crewexec.llm(
        "first", "first-model", base_url=url, api_key=key, timeout=0.3, fallbacks=["second"]
    )
    model.add(Rule(model="first-model", delay=30), Rule(reply="done"))
    assert run(api.queue(GRAPH)) == "completed"
    assert asked(model) == ["first", "second"]


@pytest.mark.parametrize("status", [400, 401, 404])
def test_a_permanent_failure_is_not_passed_to_fallbacks(api, model, offer, status):
    offer("first", "second")
    model.add(Rule(model="first-model", status=status))
    id = api.queue(GRAPH)
    assert run(id) == "failed"
    assert asked(model) == ["first"]


def test_if_all_fail_the_first_failure_counts_with_the_longest_retry_after(api, model, offer):
    offer("first", "second", "third")
    model.add(
        Rule(model="first-model", status=429, headers={"retry-after": "70"}),
        Rule(model="second-model", status=401),
        Rule(model="third-model", status=503, headers={"retry-after": "500"}),
    )
    id = api.queue(GRAPH)
    assert run(id) == "retrying"
    assert asked(model) == ["first", "second", "third"]
    assert api.status(id)["usage"]["llm_calls"] == 3
    (retrying,) = events(api, id, "retrying")
    assert retrying == {"code": "model-rate-limited", "seconds": 500.0}


def test_tools_and_later_calls_start_with_the_first_model_again(api, model, offer):
    offer("first", "second")
    model.add(
        Rule(model="first-model", status=500, times=1),
        Rule(tool=("count_words", {"text": "one two"}), after_tool=False, times=1),
        Rule(reply="done"),
    )
    document = documents.chain("a", tools=("count_words",), model="first")
    assert run(api.queue(document)) == "completed"
    assert asked(model) == ["first", "second", "first"]
    assert model.calls[1].body["tools"] == model.calls[2].body["tools"]


@pytest.mark.parametrize(("most", "outcome"), [(1, "failed"), (2, "completed")])
def test_every_call_counts_towards_the_budget(api, model, offer, most, outcome):
    offer("first", "second")
    model.add(Rule(model="first-model", status=500))
    id = api.queue(GRAPH, max_llm_calls=most)
    assert run(id) == outcome
    assert len(model.calls) == column(id, "llm_calls") == most
    if outcome == "failed":
        assert api.status(id)["error"]["code"] == "budget-exhausted"


def test_no_fallback_is_called_after_a_cancellation(app, api, model, offer):
    offer("first", "second")
    model.add(Rule(model="first-model", delay=60))
    id = api.queue(GRAPH)
    with running(app, id) as outcomes:
        model.wait_for_calls(1)
        api("POST", f"/executions/{id}/cancel", json={})
    assert outcomes == ["cancelled"]
    assert asked(model) == ["first"]
    assert column(id, "llm_calls") == 1


def test_a_fallback_answers_for_a_broken_stream(api, model, offer):
    offer("first", "second", stream=True)
    model.add(Rule(model="first-model", reply="one two three", cut_after=2), Rule(reply="whole"))
    id = api.queue(GRAPH)
    assert run(id) == "completed"
    assert api.status(id)["result"]["raw"] == "whole"
    assert asked(model) == ["first", "second"]


def test_a_fallback_without_a_secret_is_left_out(api, model, crewexec, offer):
    url = model.base_url
    crewexec.llm("second", "second-model", base_url=url, api_key=Secret("nobody-has-it"))
    crewexec.llm("third", "third-model", base_url=url, api_key=model.key)
    crewexec.llm(
        "first", "first-model", base_url=url, api_key=model.key, fallbacks=["second", "third"]
    )
    model.add(Rule(model="first-model", status=500), Rule(reply="done"))
    assert run(api.queue(GRAPH)) == "completed"
    assert asked(model) == ["first", "third"]


def test_each_model_keeps_its_own_limit(api, model, crewexec):
    common = {"base_url": model.base_url, "api_key": model.key}
    crewexec.llm("second", "second-model", max_tokens=50, **common)
    crewexec.llm("first", "first-model", max_tokens=200, fallbacks=["second"], **common)
    document = documents.chain("a", model="first")
    document["nodes"][-1]["data"]["max_tokens"] = 100
    model.add(Rule(model="first-model", status=500))
    assert run(api.queue(document)) == "completed"
    assert [call.body["max_tokens"] for call in model.calls] == [100, 50]


def test_an_unavailable_secret_provider_is_a_transient_failure(api, app, model, crewexec):
    def vault(name, user):
        raise ConnectionError("the vault is away")

    app.extensions["crewexec"].secret_providers[:] = [vault]
    crewexec.llm("first", "first-model", base_url=model.base_url, api_key=Secret("any"))
    id = api.queue(GRAPH)
    assert run(id) == "retrying"
    assert api.status(id)["error"]["code"] == "secret-provider-unavailable"
    assert not model.calls


RULE = {"text": "It is short."}
JUDGED = documents.with_data(documents.chain("t", model="first"), "t", guardrails=[RULE])


@pytest.fixture
def judge(model):
    """Only the second model answers, also as a judge."""
    model.add(Rule(model="first-model", status=503))
    model.on("# Rule", '{"valid": true}').on("Do t", "Done.")


def test_calls_without_an_agent_count_once_per_model(api, model, offer, judge):
    offer("first", "second")
    id = api.queue(JUDGED)
    assert run(id) == "completed"
    assert asked(model) == 2 * ["first", "second"]
    status = api.status(id)
    assert status["usage"]["llm_calls"] == status["steps"][0]["usage"]["llm_calls"] == 4


def test_the_budget_ends_before_the_next_model_is_asked_to_judge(api, model, offer, judge):
    offer("first", "second")
    id = api.queue(JUDGED, max_llm_calls=3)
    assert run(id) == "failed"
    assert api.status(id)["error"]["code"] == "budget-exhausted"
    assert asked(model) == ["first", "second", "first"]
