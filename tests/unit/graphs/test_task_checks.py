"""Guardrails and conditions of tasks, and branches that run beside each other."""

from __future__ import annotations

import pytest

from flask_crewexec.errors import InvalidGraph
from flask_crewexec.graphs import estimate_calls
from flask_crewexec.graphs import find_hint
from flask_crewexec.graphs import Guardrail
from flask_crewexec.graphs import parse
from flask_crewexec.graphs import Permissions
from flask_crewexec.graphs import validate
from support.graphs.builders import agent
from support.graphs.builders import document
from support.graphs.builders import problems_of
from support.graphs.builders import task

DATA = "/nodes/1/data"


def with_task(**data):
    return document([agent("a", max_iter=2), task("t", **data)], "a t")


def hints(document, *names):
    permissions = Permissions([], ["default"], *names)
    try:
        validate(document, permissions)
    except InvalidGraph as error:
        return {p.code: find_hint(p, document, permissions) for p in error.problems}
    return {}


class TestGuardrails:
    def test_are_kept_in_their_order(self):
        guardrails = [{"name": "no_urls"}, {"text": "About {topic}"}]
        graph = parse(with_task(guardrails=guardrails, guardrail_max_retries=0))
        (checked,) = graph.tasks
        assert checked.guardrails == (Guardrail(name="no_urls"), Guardrail(text="About {topic}"))
        assert checked.guardrail_max_retries == 0
        assert graph.inputs == ("topic",)

    @pytest.mark.parametrize(
        ("guardrails", "below", "code"),
        [
            ("x", "", "wrong-type"),
            (["x"], "/0", "wrong-type"),
            ([{}], "/0", "name-or-text"),
            ([{"name": "a", "text": "b"}], "/0", "name-or-text"),
            ([{"name": "a"}, {"text": ""}], "/1/text", "blank"),
            ([{"text": "x" * 2001}], "/0/text", "too-long"),
            ([{"text": "x", "python": "os.system"}], "/0/python", "unknown-field"),
            ([{"text": "x"}] * 11, "", "too-many"),
        ],
    )
    def test_what_is_wrong_is_found_at_its_place(self, guardrails, below, code):
        place = f"{DATA}/guardrails{below}"
        assert problems_of(with_task(guardrails=guardrails)) == [(place, code)]

    @pytest.mark.parametrize("retries", [-1, 11, "3", True])
    def test_retries_are_bounded(self, retries):
        ((pointer, _),) = problems_of(with_task(guardrail_max_retries=retries))
        assert pointer == f"{DATA}/guardrail_max_retries"

    def test_unknown_names_are_found_and_near_ones_shown(self):
        bad = with_task(guardrails=[{"name": "no_url"}])
        told = hints(bad, ["no_urls"])
        assert told == {
            "unknown-guardrail": 'Did you mean "no_urls"? The guardrails are "no_urls".'
        }
        assert validate(with_task(guardrails=[{"name": "a"}]), Permissions([], ["default"], ["a"]))

    def test_fields_of_a_guardrail_are_hinted(self):
        told = hints(with_task(guardrails=[{"txt": "x"}]))
        assert told["unknown-field"].startswith('Did you mean "text"?')

    @pytest.mark.parametrize(
        ("data", "lower", "upper"),
        [
            ({}, 1, 3),
            ({"output_schema": {"type": "object"}}, 1, 12),
            ({"guardrails": [{"name": "a"}]}, 1, 12),
            ({"guardrails": [{"text": "a"}, {"text": "b"}]}, 3, 20),
            ({"guardrails": [{"text": "a"}], "guardrail_max_retries": 0}, 2, 4),
        ],
    )
    def test_count_in_the_estimate(self, data, lower, upper):
        assert estimate_calls(parse(with_task(**data))) == (lower, upper)


class TestConditions:
    def chain(self, **data):
        nodes = [agent("a"), task("second", **data), task("first")]
        return document(nodes, "a first", "a second", "first second")

    def test_are_kept(self):
        first, second = parse(self.chain(condition="is_long")).tasks
        assert (first.condition, second.condition) == (None, "is_long")

    def test_the_first_task_cannot_have_one(self):
        bad = document([agent("a"), task("x"), task("y", condition="c")], "a x", "a y", "y x")
        place = "/nodes/2/data/condition"
        assert problems_of(bad) == [(place, "first-task-conditional")]
        assert problems_of(with_task(condition="c")) == [
            (DATA + "/condition", "first-task-conditional")
        ]

    def test_of_tasks_that_wait_for_each_other_nothing_is_said(self):
        bad = document([agent("a"), task("x"), task("y", condition="c")], "a x", "a y", "y x")
        bad["edges"].append({"source": "x", "target": "y"})
        assert [code for _, code in problems_of(bad)] == ["cycle"]

    def test_unknown_names_are_found_and_near_ones_shown(self):
        told = hints(self.chain(condition="is_lon"), [], ["is_long"])
        assert told == {
            "unknown-predicate": 'Did you mean "is_long"? The predicates are "is_long".'
        }

    def test_a_task_that_may_be_skipped_needs_no_call(self):
        assert estimate_calls(parse(self.chain(condition="c"))).lower == 1


class TestAsync:
    def crew(self, *edge_names, asynchronous="xy", process="sequential", **writer):
        tasks = [task(id, **({"async": True} if id in asynchronous else {})) for id in "xyz"]
        nodes = [agent("a", **writer), *tasks]
        return document(nodes, "a x", "a y", "a z", *edge_names, process=process)

    def test_is_kept(self):
        graph = parse(self.crew("x z", "y z"))
        assert [step.is_async for step in graph.tasks] == [True, True, False]

    def test_one_may_be_the_last(self):
        assert problems_of(self.crew("x z", asynchronous="z")) == []

    def test_only_one_may(self):
        bad = self.crew(asynchronous="yz")
        assert problems_of(bad) == [("/nodes/3/data/async", "async-at-end")]

    def test_one_cannot_read_a_parallel_one(self):
        bad = self.crew("x y", "y z")
        assert problems_of(bad) == [("/edges/3", "async-reads-async")]
        assert problems_of(self.crew("x y", "y z", asynchronous="xz")) == []

    def test_it_cannot_have_a_condition(self):
        bad = self.crew("x z", asynchronous="")
        bad["nodes"][2]["data"] |= {"async": True, "condition": "c"}
        assert problems_of(bad) == [("/nodes/2/data/async", "async-condition")]

    def test_who_does_it_cannot_delegate(self):
        bad = self.crew(asynchronous="x", allow_delegation=True)
        assert problems_of(bad) == [("/nodes/1/data/async", "async-delegation")]

    def test_a_manager_cannot_do_it(self):
        bad = self.crew(asynchronous="x", process="hierarchical")
        bad["nodes"].append(agent("boss"))
        bad["edges"].append({"source": "boss", "target": "a", "type": "manager"})
        assert problems_of(bad) == [("/nodes/1/data/async", "async-managed")]


class TestPlans:
    def test_of_agents_count_in_the_estimate(self):
        nodes = [agent("a", max_iter=2, reasoning=True, max_reasoning_attempts=4), task("t")]
        graph = parse(document(nodes, "a t"))
        assert (graph.agents[0].reasoning, graph.agents[0].max_reasoning_attempts) == (True, 4)
        assert estimate_calls(graph) == (2, 3 + 4)

    @pytest.mark.parametrize("attempts", [0, 11, None, "3"])
    def test_attempts_are_bounded(self, attempts):
        bad = document([agent("a", max_reasoning_attempts=attempts), task("t")], "a t")
        assert [pointer for pointer, _ in problems_of(bad)] == [
            "/nodes/0/data/max_reasoning_attempts"
        ]

    def test_of_the_crew_counts_as_one(self):
        graph = parse({**with_task(), "planning": True})
        assert graph.planner == "default"
        assert estimate_calls(graph) == (2, 4)

    def test_a_model_alone_plans_nothing(self):
        assert parse({**with_task(), "planning_model": "m"}).planner is None

    def test_its_model_must_be_registered(self):
        bad = {**with_task(), "planning": True, "planning_model": "defaul"}
        assert hints(bad) == {"unknown-model": 'Did you mean "default"? The models are "default".'}

    def test_without_a_default_model_one_must_be_named(self):
        with pytest.raises(InvalidGraph) as caught:
            validate({**with_task(), "planning": True}, Permissions([], ["small"]))
        problem = caught.value.problems[-1]
        assert (problem.pointer, problem.code) == ("/planning", "no-default-model")
        said = find_hint(problem, {}, Permissions([], ["small"]))
        assert said == 'A "planning_model". Models: "small".'


class TestNever:
    @pytest.mark.parametrize(
        "field",
        [
            *("output_file", "output_json", "output_pydantic", "response_model", "converter_cls"),
            *("callback", "guardrail", "input_files", "config", "python", "code"),
        ],
    )
    def test_of_a_task(self, field):
        assert problems_of(with_task(**{field: "x"})) == [(f"{DATA}/{field}", "unknown-field")]

    @pytest.mark.parametrize(
        "field",
        [
            *(
                "mcps",
                "apps",
                "a2a",
                "skills",
                "from_repository",
                "knowledge_sources",
                "checkpoint",
            ),
            *("allow_code_execution", "base_url", "api_key", "step_callback", "executor_class"),
            *("planning_config", "max_execution_time", "max_rpm", "trained_agents_file", "llm"),
        ],
    )
    def test_of_an_agent(self, field):
        bad = document([agent("a", **{field: "x"}), task("t")], "a t")
        assert problems_of(bad) == [(f"/nodes/0/data/{field}", "unknown-field")]

    @pytest.mark.parametrize(
        "field",
        [
            *("planning_llm", "manager_llm", "output_log_file", "trained_agents_file", "tools"),
            *("before_kickoff_callbacks", "task_callback", "prompt_file", "embedder", "memory"),
        ],
    )
    def test_of_a_crew(self, field):
        assert problems_of({**with_task(), field: "x"}) == [(f"/{field}", "unknown-field")]

    @pytest.mark.parametrize("value", [True, {"python": "os.system"}, ["is_long"], ""])
    def test_a_condition_is_a_name(self, value):
        nodes = [agent("a"), task("t"), task("u", condition=value)]
        ((pointer, _),) = problems_of(document(nodes, "a t", "a u"))
        assert pointer == "/nodes/2/data/condition"
