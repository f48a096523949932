"""Forks: new executions that take over finished steps, with the real engine."""

from __future__ import annotations

import copy
import json
import uuid

import pytest

from flask_crewexec import AsyncExecutionService
from flask_crewexec.app_state import current_app_state
from flask_crewexec.errors import InvalidRequest
from flask_crewexec.storage import database_clock
from flask_crewexec.storage import retention
from support.api_client import problem
from support.graphs import documents
from support.in_process import column
from support.in_process import run
from support.input_requests import answer
from support.input_requests import requests_of
from support.input_requests import reviewed

pytestmark = pytest.mark.libraries

NOTHING = {"llm_calls": 0, "tool_calls": 0, "total_tokens": 0, "cost": 0}


def independent(**data):
    """Tasks of two agents: c reads a and b, which use an input each."""
    nodes = [documents.agent("one", **data), documents.agent("two")]
    nodes += [documents.task("a", "Do a for {x}"), documents.task("b", "Do b for {y}")]
    nodes += [documents.task("c")]
    return documents.crew(nodes, ["one a", "two b", "two c", "a c", "b c"])


@pytest.fixture(autouse=True)
def answers(model):
    model.on("Do c", "GAMMA").on("Do b", "BETA").on("Do a", "ALPHA")


@pytest.fixture
def ended(api):
    """Run a document, and return the id of the execution."""

    def end(document, **order):
        id = api.queue(document, **order)
        run(id)
        return id

    return end


def fork(api, id, expect=201, headers=(), **changes):
    response = api("POST", f"/executions/{id}/fork", json=changes, headers=dict(headers))
    assert response.status_code == expect, response.json
    return response.json


def fork_and_run(api, id, model, **changes):
    """Fork and run; return the status, and the prompts that the fork has sent."""
    before = len(model.calls)
    forked = fork(api, id, **changes)["execution"]["id"]
    assert run(forked) == "completed"
    return api.status(forked), [call.prompt for call in model.calls[before:]]


def change(api, id, change):
    """Store a new version of the graph of an execution."""
    graph = api.status(id)["graph_id"]
    document = copy.deepcopy(api("GET", f"/graphs/{graph}").json["document"])
    change(document)
    assert api("PUT", f"/graphs/{graph}", json=document).status_code == 200


def origins(status):
    return [step["origin"] for step in status["steps"]]


def reasons(forked):
    return {step["step"]: step["reason"] for step in forked["steps"]}


class TestTakingOver:
    def test_steps_before_from_step_make_no_call(self, api, model, ended):
        id = ended(documents.chain("a", "b", "c"))
        status, prompts = fork_and_run(api, id, model, from_step="c")
        (prompt,) = prompts
        assert "Do c" in prompt
        assert "BETA" in prompt
        assert origins(status) == ["reused", "reused", None]
        assert status["forked_from"] == id
        assert status["result"]["raw"] == "GAMMA"
        used = [step["usage"]["llm_calls"] for step in status["steps"]]
        assert (used, status["usage"]["llm_calls"]) == ([0, 0, 1], 1)
        assert NOTHING.items() <= status["steps"][0]["usage"].items()
        assert len(api("GET", f"/executions/{id}/calls").json["calls"]) == 3
        forked = api("GET", f"/executions/{status['id']}/calls").json["calls"]
        assert [call["step"] for call in forked] == [2]

    def test_the_answer_shows_what_becomes_of_each_step(self, api, ended):
        id = ended(documents.chain("a", "b"))
        response = api("POST", f"/executions/{id}/fork", json={"from_step": "b"})
        forked = response.json
        assert response.headers["Location"].endswith(f"/executions/{forked['execution']['id']}")
        names = ("step", "origin", "reason", "causes", "detail")
        steps = [tuple(step[name] for name in names) for step in forked["steps"]]
        why = "It is 'from_step', or follows it."
        assert steps == [("a", "reused", None, [], None), ("b", None, "from-step", [], why)]
        status = forked["execution"]
        assert (status["status"], origins(status)) == ("queued", ["reused", None])
        assert [step["output"] for step in status["steps"]] == ["ALPHA", None]
        assert status["progress"]["finished_steps"] == 1
        assert api.event_types(status["id"]) == ["forked", "queued"]

    def test_a_failed_execution_goes_on_where_it_failed(self, api, model, ended):
        model.on("Do d", status=400, times=1).on("Do d", "DELTA")
        id = ended(documents.chain("a", "d"))
        assert api.status(id)["status"] == "failed"
        status, prompts = fork_and_run(api, id, model)
        assert (len(prompts), status["result"]["raw"]) == (1, "DELTA")
        assert api.status(id)["status"] == "failed"

    def test_a_queued_execution_has_nothing_to_take_over(self, api, model):
        id = api.queue(documents.chain("a"))
        forked = fork(api, id)
        assert reasons(forked) == {"a": "not-finished"}
        assert run(forked["execution"]["id"]) == "completed"

    def test_a_fork_where_nothing_changes_makes_no_call(self, api, model, ended):
        id = ended(documents.chain("a", "b"))
        status, prompts = fork_and_run(api, id, model)
        assert (prompts, status["result"]["raw"]) == ([], "BETA")
        assert NOTHING.items() <= status["usage"].items()

    def test_a_fork_of_a_fork(self, api, model, ended):
        id = ended(documents.chain("a", "b", "c"))
        first = fork_and_run(api, id, model, outputs={"a": "OTHER"})[0]["id"]
        status, prompts = fork_and_run(api, first, model, from_step="c")
        assert (len(prompts), status["forked_from"]) == (1, first)
        assert [step["output"] for step in status["steps"]] == ["OTHER", "BETA", "GAMMA"]
        listed = api("GET", "/executions", query_string={"forked_from": id}).json["executions"]
        assert [each["id"] for each in listed] == [first]

    def test_a_fork_is_retried_like_any_execution(self, api, model, ended):
        id = ended(documents.chain("a", "d"))
        model.on("Do d", status=400, times=1)
        forked = fork(api, id, from_step="d")["execution"]["id"]
        assert run(forked) == "failed"
        model.on("Do d", "DELTA")
        before = len(model.calls)
        api.again(forked)
        assert run(forked, attempt=2) == "completed"
        assert len(model.calls) == before + 1
        assert origins(api.status(forked)) == ["reused", None]

    def test_the_forked_execution_may_be_removed_before_the_fork_runs(self, app, api, ended):
        id = ended(documents.chain("a", "b"))
        forked = fork(api, id, from_step="b")["execution"]["id"]
        purge_everything()
        assert api("GET", f"/executions/{id}").status_code == 404
        assert run(forked) == "completed"
        status = api.status(forked)
        assert [step["output"] for step in status["steps"]] == ["ALPHA", "BETA"]
        assert status["forked_from"] == id
        problem(api("POST", f"/executions/{id}/fork", json={}), 404, "not-found")


def purge_everything():
    app_state = current_app_state()
    with app_state.database.read_session() as session:
        now = database_clock.read(session)
    assert retention.purge(app_state, now) == 1


class TestInputs:
    def test_only_steps_that_an_input_reaches_run(self, api, model, ended):
        id = ended(independent(), inputs={"x": "1", "y": "2"})
        before = len(model.calls)
        forked = fork(api, id, inputs={"y": "3"})
        assert reasons(forked) == {"a": None, "b": "input-changed", "c": "output-changed"}
        assert forked["steps"][1]["causes"] == ["y"]
        assert forked["steps"][2]["causes"] == ["b"]
        assert run(forked["execution"]["id"]) == "completed"
        prompts = [call.prompt for call in model.calls[before:]]
        assert len(prompts) == 2
        assert "Do b for 3" in prompts[0]
        assert "ALPHA" in prompts[1]
        assert api.status(forked["execution"]["id"])["inputs"] == {"x": "1", "y": "3"}

    def test_an_input_that_no_text_uses_reaches_steps_with_tools(self, api, ended):
        document = documents.chain("a", tools=("count_words",))
        document["inputs"] = {"account": {"type": "string"}}
        id = ended(document, inputs={"account": "1"})
        assert reasons(fork(api, id, inputs={"account": "2"})) == {"a": "input-changed"}

    def test_inputs_that_the_latest_version_no_longer_takes_are_left_out(self, api, ended):
        document = independent() | {"inputs": {"x": {}, "y": {}, "z": {"required": False}}}
        id = ended(document, inputs={"x": "1", "y": "2", "z": "3"})
        change(api, id, lambda document: document["inputs"].pop("z"))
        forked = fork(api, id, graph_version="latest")
        assert forked["execution"]["inputs"] == {"x": "1", "y": "2"}
        wrong = api(
            "POST",
            f"/executions/{id}/fork",
            json={"graph_version": "latest", "inputs": {"z": "4"}},
        )
        (found,) = problem(wrong, 422, "invalid-inputs")["errors"]
        assert found["pointer"] == "/inputs/z"


class TestOutputs:
    def test_an_edited_output_flows_into_the_next_prompt(self, api, model, ended):
        id = ended(documents.chain("a", "b", "c"))
        status, prompts = fork_and_run(api, id, model, outputs={"a": "Bees have\nfive eyes."})
        assert len(prompts) == 2
        assert "Bees have\nfive eyes." in prompts[0]
        assert origins(status) == ["edited", None, None]
        assert status["steps"][0]["output"] == "Bees have\nfive eyes."
        assert status["steps"][0]["agent"] == "Writer"
        assert NOTHING.items() <= status["steps"][0]["usage"].items()

    def test_steps_that_do_not_read_it_are_taken_over(self, api, model, ended):
        id = ended(independent(), inputs={"x": "1", "y": "2"})
        status, prompts = fork_and_run(api, id, model, outputs={"b": "OTHER"})
        (prompt,) = prompts
        assert "ALPHA" in prompt
        assert "OTHER" in prompt
        assert origins(status) == ["reused", "edited", None]

    def test_a_person_does_what_no_model_could(self, api, model, ended):
        model.on("Do d", status=400)
        id = ended(documents.chain("a", "d", "b"))
        status, prompts = fork_and_run(api, id, model, outputs={"d": "Done by hand."})
        assert len(prompts) == 1
        assert "Done by hand." in prompts[0]
        assert origins(status) == ["reused", "edited", None]

    def test_an_output_with_a_schema(self, api, model, ended):
        model.on("Do s", '{"eyes": 2}')
        schema = {"type": "object", "properties": {"eyes": {"type": "integer"}}}
        document = documents.with_data(documents.chain("s", "b"), "s", output_schema=schema)
        id = ended(document)
        status, prompts = fork_and_run(api, id, model, outputs={"s": '{"eyes": 5}'})
        assert status["steps"][0]["json"] == {"eyes": 5}
        assert '{"eyes": 5}' in prompts[0]
        refused = api("POST", f"/executions/{id}/fork", json={"outputs": {"s": '{"eyes": "x"}'}})
        (found,) = problem(refused, 422, "invalid-request")["errors"]
        assert (found["pointer"], found["code"]) == ("/outputs/s", "invalid-output")

    @pytest.mark.parametrize(
        ("changes", "pointer"),
        [
            ({"from_step": "x"}, "/from_step"),
            ({"outputs": {"x": "text"}}, "/outputs/x"),
            ({"outputs": {"b": "text"}, "from_step": "a"}, "/outputs/b"),
            ({"outputs": {"a": ""}}, "/outputs/a"),
            ({"outputs": {"a": 5}}, "/outputs/a"),
            ({"outputs": {"a": "\x00"}}, "/outputs/a"),
            ({"outputs": ["a"]}, "/outputs"),
            ({"graph_version": "newest"}, "/graph_version"),
            ({"limits": {"max_tokens": 0}}, "/limits/max_tokens"),
            ({"limits": {"max_tokens": 2_000}}, "/limits/max_tokens"),
        ],
        ids=str,
    )
    @pytest.mark.settings(MAX_TOKENS=1_000)
    @pytest.mark.sqlite_enough
    def test_what_cannot_be_used_is_named(self, api, changes, pointer):
        id = api.queue(documents.chain("a", "b"))
        refused = api("POST", f"/executions/{id}/fork", json=changes)
        errors = problem(refused, 422, "invalid-request")["errors"]
        assert [error["pointer"] for error in errors] == [pointer]

    @pytest.mark.settings(MAX_OUTPUT_CHARS=10)
    @pytest.mark.sqlite_enough
    def test_a_text_that_is_too_long(self, api):
        id = api.queue(documents.chain("a"))
        with pytest.raises(InvalidRequest, match="At most 10 characters"):
            AsyncExecutionService().fork(id, outputs={"a": "x" * 11})


class TestVersions:
    def test_a_changed_task_runs_with_what_reads_it(self, api, model, ended):
        id = ended(documents.chain("a", "b", "c"))
        change(api, id, lambda document: documents.with_data(document, "b", description="Do c?"))
        assert reasons(fork(api, id)) == {"a": None, "b": None, "c": None}
        forked = fork(api, id, graph_version="latest")
        assert reasons(forked) == {"a": None, "b": "definition-changed", "c": "output-changed"}
        assert forked["steps"][1]["causes"] == ["task"]
        assert forked["execution"]["graph_version"] == 2
        before = len(model.calls)
        assert run(forked["execution"]["id"]) == "completed"
        assert "Do c?" in model.calls[before].prompt
        assert len(model.calls) == before + 2

    def test_a_changed_agent_runs_its_own_tasks(self, api, ended):
        id = ended(independent(), inputs={"x": "1", "y": "2"})
        change(api, id, lambda document: documents.with_data(document, "one", goal="Do better"))
        forked = fork(api, id, graph_version="latest")
        assert reasons(forked) == {"a": "definition-changed", "b": None, "c": "output-changed"}
        assert forked["steps"][0]["causes"] == ["agents"]

    def test_where_work_is_delegated_every_agent_counts(self, api, ended):
        document = independent(allow_delegation=True)
        id = ended(document, inputs={"x": "1", "y": "2"})
        change(api, id, lambda document: documents.with_data(document, "two", goal="Do better"))
        forked = fork(api, id, graph_version="latest")
        assert reasons(forked)["a"] == "definition-changed"

    def test_a_new_step_runs_and_others_may_move(self, api, model, ended):
        id = ended(independent(), inputs={"x": "1", "y": "2"})

        def insert(document):
            document["nodes"].insert(2, documents.task("first"))
            document["edges"].append({"source": "one", "target": "first"})

        change(api, id, insert)
        forked = fork(api, id, graph_version="latest")
        assert reasons(forked) == {"first": "new-step", "a": None, "b": None, "c": None}
        assert run(forked["execution"]["id"]) == "completed"
        status = api.status(forked["execution"]["id"])
        assert [step["output"] for step in status["steps"][1:]] == ["ALPHA", "BETA", "GAMMA"]
        assert [step["node_id"] for step in status["steps"]] == ["first", "a", "b", "c"]

    def test_an_archived_graph_is_not_run(self, api, ended):
        id = ended(documents.chain("a"))
        api("DELETE", f"/graphs/{api.status(id)['graph_id']}")
        problem(api("POST", f"/executions/{id}/fork", json={}), 404, "not-found")

    def test_what_is_not_allowed_any_more_is_refused(self, app, api, ended):
        id = ended(documents.chain("a", tools=("count_words",)))
        del app.extensions["crewexec"].registry.tools["count_words"]
        problem(api("POST", f"/executions/{id}/fork", json={}), 422, "invalid-graph")


class TestOtherCrews:
    def test_a_condition_is_not_asked_again(self, api, model, ended):
        model.on("Do long", "a long answer")
        document = documents.chain("long", "b", "c")
        id = ended(documents.with_data(document, "b", condition="is_long"))
        status, prompts = fork_and_run(api, id, model, from_step="c")
        assert (len(prompts), origins(status)) == (1, ["reused", "reused", None])
        assert "condition_met" not in api.event_types(status["id"])

    def test_a_condition_is_asked_about_an_edited_output(self, api, model, ended):
        document = documents.with_data(documents.chain("a", "b"), "b", condition="is_long")
        id = ended(document)
        assert api.status(id)["steps"][1]["status"] == "skipped"
        status, _ = fork_and_run(api, id, model)
        assert (status["steps"][1]["status"], origins(status)[1]) == ("skipped", "reused")
        status, prompts = fork_and_run(api, id, model, outputs={"a": "a much longer answer"})
        assert (len(prompts), status["steps"][1]["status"]) == (1, "completed")

    def test_a_step_after_one_that_runs_keeps_its_decision(self, api, model, ended):
        nodes = [documents.agent("w"), documents.task("a", "Do a {x}"), documents.task("long")]
        nodes += [documents.task("b"), documents.task("c")]
        edges = ["w a", "w long", "w b", "w c", "long b", "b c", "a c"]
        document = documents.with_data(documents.crew(nodes, edges), "b", condition="is_long")
        model.on("Do long", "a long answer")
        id = ended(document, inputs={"x": "1"})
        status, prompts = fork_and_run(api, id, model, inputs={"x": "2"})
        assert origins(status) == [None, "reused", "reused", None]
        assert len(prompts) == 2
        assert "condition_met" not in api.event_types(status["id"])

    def test_parallel_steps(self, api, model, ended):
        document = independent()
        for id in ("a", "b"):
            documents.with_data(document, id, **{"async": True})
        id = ended(document, inputs={"x": "1", "y": "2"})
        status, prompts = fork_and_run(api, id, model, inputs={"x": "3"})
        assert (len(prompts), origins(status)) == (2, [None, "reused", None])
        assert "BETA" in prompts[1]

    def test_in_a_hierarchical_crew_every_agent_counts(self, api, ended):
        nodes = [documents.agent("boss"), documents.agent("w"), documents.agent("v")]
        nodes += [documents.task("a"), documents.task("b")]
        edges = ["boss w manager", "boss v manager", "a b"]
        id = ended(documents.crew(nodes, edges, process="hierarchical"))
        assert api.status(id)["status"] == "completed", api.status(id)["error"]
        assert reasons(fork(api, id, from_step="b")) == {"a": None, "b": "from-step"}
        change(api, id, lambda document: documents.with_data(document, "v", goal="Do better"))
        forked = fork(api, id, graph_version="latest")
        assert reasons(forked) == {"a": "definition-changed", "b": "definition-changed"}

    def test_the_plan_of_a_crew_is_kept_unless_something_changes(self, api, model, ended):
        model.on("expected_output", '{"p": "Plan P", "q": "Plan Q"}')
        document = documents.chain("p", "q") | {"planning": True}
        id = ended(document)
        assert "crew_planned" in api.event_types(id)
        status, prompts = fork_and_run(api, id, model, from_step="q")
        assert len(prompts) == 1
        assert "Plan Q" in prompts[0]
        assert api.event_types(status["id"])[:3] == ["forked", "crew_planned", "queued"]
        change(api, id, lambda document: documents.with_data(document, "q", description="Do c?"))
        forked = fork(api, id, graph_version="latest")
        assert reasons(forked) == {"p": "plan-changed", "q": "definition-changed"}
        assert api.event_types(forked["execution"]["id"]) == ["forked", "queued"]

    def test_people_are_asked_again_only_if_the_step_runs(self, api, model):
        id = api.queue(reviewed("a", "b"))
        assert run(id) == "waiting_input"
        answer(api, id, "approve")
        assert run(id) == "completed"
        status, prompts = fork_and_run(api, id, model, from_step="b")
        assert (len(prompts), requests_of(api, status["id"])) == (1, [])
        forked = fork(api, id, from_step="a")["execution"]["id"]
        assert run(forked) == "waiting_input"
        assert [each["status"] for each in requests_of(api, forked)] == ["open"]


class TestLimits:
    def test_limits_are_inherited_unless_they_are_given(self, api):
        id = api.queue(documents.chain("a"), timeout=60, max_tokens=500)
        limits = fork(api, id, limits={"max_tokens": 900})["execution"]["limits"]
        assert (limits["timeout"], limits["max_tokens"]) == (60, 900)

    def test_inherited_limits_do_not_exceed_the_settings(self, app, api):
        id = api.queue(documents.chain("a"), max_tokens=500)
        app_state = current_app_state()
        lowered = app_state.settings.__class__(**{**vars(app_state.settings), "max_tokens": 100})
        object.__setattr__(app_state, "settings", lowered)
        assert fork(api, id)["execution"]["limits"]["max_tokens"] == 100

    def test_what_the_source_has_used_does_not_count(self, api, model, ended):
        id = ended(documents.chain("a", "b"), max_llm_calls=1)
        assert api.status(id)["error"]["code"] == "budget-exhausted"
        status, prompts = fork_and_run(api, id, model)
        assert (len(prompts), status["limits"]["max_llm_calls"]) == (1, 1)

    @pytest.mark.settings(MAX_QUEUED_PER_USER=1)
    def test_quotas_apply(self, api):
        id = api.queue(documents.chain("a"))
        problem(api("POST", f"/executions/{id}/fork", json={}), 429, "queue-quota-exceeded")


class TestPermissions:
    def test_others_do_not_find_it(self, api, stranger):
        id = api.queue(documents.chain("a"))
        problem(stranger("POST", f"/executions/{id}/fork", json={}), 404, "not-found")

    def test_managers_cannot_act_in_the_name_of_the_owner(self, api, admin):
        id = api.queue(documents.chain("a"))
        problem(admin("POST", f"/executions/{id}/fork", json={}), 403, "not-owner")

    def test_the_host_can(self, app, api, model, ended):
        id = ended(documents.chain("a", "b"))
        forked = AsyncExecutionService().fork(id, from_step="b")
        assert forked["execution"]["user_id"] == "ada"
        assert run(forked["execution"]["id"]) == "completed"

    def test_secrets_are_not_copied(self, api, model, ended):
        model.on("Do a", tool=("tell_key", {}), after_tool=False, times=1)
        model.on("Do a", 'Said own"key/of&ada-for-a-tool.', after_tool=True, times=1)
        id = ended(documents.chain("a", "b", tools=("tell_key",)))
        forked = fork(api, id, from_step="b")["execution"]["id"]
        rows = json.dumps([api.status(forked), api.events_of(forked, "forked")])
        assert "own" not in rows
        assert "own" not in json.dumps(column(forked, "inputs"))


class TestRepetition:
    def test_a_fork_with_a_key_is_queued_once(self, api, ended):
        id = ended(documents.chain("a", "b"))
        headers = {"Idempotency-Key": "fork-1"}
        first, second = (
            api("POST", f"/executions/{id}/fork", json={"from_step": "b"}, headers=headers)
            for _ in range(2)
        )
        assert (first.status_code, second.status_code) == (201, 201)
        assert second.json["execution"]["id"] == first.json["execution"]["id"]
        assert second.json["steps"] == first.json["steps"]
        assert "Idempotency-Replayed" not in first.headers
        assert second.headers["Idempotency-Replayed"] == "true"
        other = api("POST", f"/executions/{id}/fork", json={}, headers=headers)
        problem(other, 422, "idempotency-key-reused")
        graph = {"graph_id": api.status(id)["graph_id"]}
        problem(
            api("POST", "/executions", json=graph, headers=headers), 422, "idempotency-key-reused"
        )


def test_python_takes_the_same(app, api, model, ended):
    id = ended(documents.chain("a", "b"), max_tokens=5_000)
    mine = AsyncExecutionService().for_user("ada")
    forked = mine.fork(uuid.UUID(id), outputs={"a": "OTHER"}, max_tokens=6_000, idempotency_key="k")
    assert forked["execution"]["limits"]["max_tokens"] == 6_000
    assert [step["origin"] for step in forked["steps"]] == ["edited", None]
    again = mine.fork(id, outputs={"a": "OTHER"}, max_tokens=6_000, idempotency_key="k")
    assert again["execution"]["id"] == forked["execution"]["id"]
    assert (forked["is_replay"], again["is_replay"]) == (False, True)
