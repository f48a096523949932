"""What is told of a document besides its problems: hints, inputs, model calls."""

from __future__ import annotations

import jsonschema
import pytest

from flask_crewexec.errors import InvalidGraph
from flask_crewexec.errors import InvalidInputs
from flask_crewexec.errors import Problem
from flask_crewexec.graphs import ASK_PERSON
from flask_crewexec.graphs import check_inputs
from flask_crewexec.graphs import estimate_calls
from flask_crewexec.graphs import find_hint
from flask_crewexec.graphs import inputs_schema
from flask_crewexec.graphs import parse
from flask_crewexec.graphs import Permissions
from flask_crewexec.graphs import validate
from flask_crewexec.graphs.hints import EXAMPLES
from flask_crewexec.graphs.schema import fields_of
from support.graphs.builders import agent
from support.graphs.builders import document
from support.graphs.builders import hierarchical
from support.graphs.builders import llm
from support.graphs.builders import sequential
from support.graphs.builders import task
from support.graphs.builders import tool


def hints_of(document):
    permissions = Permissions(["search", "browse"], ["default", "small"])
    with pytest.raises(InvalidGraph) as refused:
        validate(document, permissions)
    return [find_hint(problem, document, permissions) for problem in refused.value.problems]


class TestHints:
    def test_a_tool_with_a_slip(self):
        nodes = [agent("a"), task("x"), tool("t", "serch")]
        (hint,) = hints_of(document(nodes, "a x", "t a"))
        assert hint == 'Did you mean "search"? The tools are "browse", "search".'

    def test_a_model_that_is_not_there(self):
        nodes = [agent("a"), task("x"), llm("m", "gigantic")]
        (hint,) = hints_of(document(nodes, "a x", "m a"))
        assert hint == 'The models are "default", "small".'

    @pytest.mark.parametrize(
        ("place", "wrong", "expected"),
        [
            (lambda d: d, "nam", 'Did you mean "name"?'),
            (lambda d: d["nodes"][0], "typ", 'Did you mean "type"?'),
            (lambda d: d["nodes"][0]["data"], "max_itr", 'Did you mean "max_iter"?'),
            (lambda d: d["nodes"][1]["data"], "max_iter", '"description", "expected_output"'),
            (lambda d: d["edges"][0], "sauce", 'Did you mean "source"?'),
        ],
    )
    def test_an_unknown_field(self, place, wrong, expected):
        bad = sequential()
        place(bad)[wrong] = 1
        (hint,) = hints_of(bad)
        assert expected in hint

    def test_a_value_out_of_range(self):
        bad = sequential()
        bad["nodes"][0]["data"]["max_iter"] = 0
        assert hints_of(bad) == ['For example "max_iter": 20.']

    def test_every_example_is_right(self):
        def put(target):
            target.update({name: EXAMPLES[name] for name in target.keys() & EXAMPLES})

        nodes = [
            agent(
                "writer",
                backstory="x",
                allow_delegation=True,
                max_iter=1,
                reasoning=False,
                max_reasoning_attempts=1,
                inject_date=False,
            ),
            task(
                "facts",
                name="x",
                markdown=True,
                output_schema={},
                guardrail_max_retries=1,
                guardrails=[],
                human_input=True,
                review={
                    "message": "x",
                    "decisions": ["edit"],
                    "assignees": {"users": [], "roles": []},
                    "expires_in": 1,
                    "on_expiry": "reject",
                    "max_rounds": 1,
                },
            ),
            task("title", condition="x", **{"async": False}),
            llm("model", temperature=1, max_tokens=1),
            tool("search", on_unknown="repeat", approval="never"),
            tool(
                "ask",
                ASK_PERSON,
                assignees={"users": [], "roles": []},
                expires_in=1,
                on_expiry="reject",
                four_eyes=False,
            ),
        ]
        good = document(
            nodes,
            "writer facts",
            "writer title",
            "facts title",
            "model writer",
            "search writer",
            "ask writer",
            process="hierarchical",
        )
        good |= {"description": "x"}
        for node in nodes:
            put(node["data"])
        nodes[-1]["data"]["name"] = ASK_PERSON
        put(node := {"id": "x", "type": "agent", "data": {}})
        assert set(node) <= EXAMPLES.keys()
        documents = ("version", "name", "process", "description", "planning", "planning_model")
        for name in (*documents, "inputs"):
            good[name] = EXAMPLES[name]
        parse(good)
        used = {name for node in nodes for name in node["data"]} | set(good) | set(node)
        used |= {*fields_of("review"), *fields_of("assignees"), *fields_of("approval")}
        assert EXAMPLES.keys() - used == {"source", "target", "text"}

    @pytest.mark.parametrize("bad", [None, 1, [], {}, {"nodes": 1}, {"nodes": [{"data": []}]}])
    def test_documents_of_any_shape(self, bad):
        assert all(hints_of(bad))

    @pytest.mark.parametrize("pointer", ["", "/nodes", "/nodes/0/data/new", "/nodes/x/data/y~1"])
    @pytest.mark.parametrize("code", ["new-code", "unknown-field", "unknown-tool"])
    def test_problems_of_any_kind(self, pointer, code):
        assert find_hint(Problem(pointer, code, "?"), sequential(), Permissions([], []))


class TestInputs:
    def graph(self):
        return parse(document([agent("a"), task("x", description="{b} {a}")], "a x"))

    def test_names_what_is_needed(self):
        schema = inputs_schema(self.graph())
        jsonschema.Draft202012Validator.check_schema(schema)
        assert schema["required"] == ["a", "b"]

    @pytest.mark.parametrize(
        "inputs",
        [
            {"a": 1, "b": "x"},
            {"a": {}, "b": [], "more": None},
            {"a": False, "b": 0.5},
            {},
            {"a": 1},
            {"a": 1, "b": None},
            {"a": 1, "b": 1, "": 1},
            {"a": 1, "b": 1, "crew_chat_messages": "[]"},
            [],
            None,
        ],
    )
    def test_agrees_with_the_check(self, inputs):
        try:
            check_inputs(self.graph(), inputs)
            right = True
        except InvalidInputs:
            right = False
        validator = jsonschema.Draft202012Validator(inputs_schema(self.graph()))
        assert validator.is_valid(inputs) == right


class TestModelCalls:
    def calls(self, document):
        return tuple(estimate_calls(parse(document)))

    def test_each_task_may_need_every_answer_and_the_forced_one(self):
        nodes = [agent("a", max_iter=5), task("x"), task("y")]
        assert self.calls(document(nodes, "a x", "a y")) == (2, 2 * (5 + 1))

    def test_each_answer_but_the_last_may_delegate(self):
        nodes = [
            agent("a", max_iter=3, allow_delegation=True),
            agent("b", max_iter=7),
            agent("c", max_iter=4),
            task("x"),
            task("y"),
            task("z"),
        ]
        edges = ["a x", "b y", "c z"]
        delegating, alone = 3 + 1 + 3 * (7 + 1), (7 + 1) + (4 + 1)
        assert self.calls(document(nodes, *edges)) == (3, delegating + alone)

    def test_delegation_needs_another_agent(self):
        nodes = [agent("a", max_iter=3, allow_delegation=True), task("x")]
        assert self.calls(document(nodes, "a x")) == (1, 4)

    def test_a_manager_delegates_to_the_agent_of_a_task_or_to_all(self):
        nodes = [agent("m", max_iter=2), agent("a", max_iter=3), agent("b", max_iter=9)]
        edges = ["m a manager", "m b manager"]
        nodes += [task("x")]
        to_all = document(nodes, *edges, process="hierarchical")
        assert self.calls(to_all) == (1, 2 + 1 + 2 * (9 + 1))
        to_one = document(nodes, *edges, "a x", process="hierarchical")
        assert self.calls(to_one) == (1, 2 + 1 + 2 * (3 + 1))

    def test_crewais_own_manager(self):
        nodes = [llm("m"), agent("a", max_iter=3), task("x")]
        own = document(nodes, "m a manager", process="hierarchical")
        assert self.calls(own) == (1, 25 + 1 + 25 * (3 + 1))

    def test_limits(self):
        calls = estimate_calls(parse(hierarchical()))
        assert calls.within(None) == calls
        assert calls.within(10) == (1, 10)
        assert calls.within(1) == (1, 1)
