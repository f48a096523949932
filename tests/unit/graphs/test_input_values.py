"""The inputs that a graph asks for, and the values that it takes."""

from __future__ import annotations

import typing as t

import pytest

from flask_crewexec.errors import InvalidInputs
from flask_crewexec.graphs import check_inputs
from flask_crewexec.graphs import parse
from flask_crewexec.graphs import texts_of
from support.graphs.builders import agent
from support.graphs.builders import document
from support.graphs.builders import hierarchical
from support.graphs.builders import task


def graph_about(description):
    return parse(document([agent("a"), task("t", description=description)], "a t"))


def problems_of(inputs, description="Write about {topic}"):
    try:
        check_inputs(graph_about(description), inputs)
    except InvalidInputs as error:
        return [(problem.pointer, problem.code) for problem in error.problems]
    return []


def test_inputs_come_from_every_text_of_agents_and_tasks():
    nodes = [
        agent("a", role="{role}", goal="{goal}", backstory="{story} {role}"),
        task("t", name="{name}", description="{what-now} {_2}", expected_output="{output}"),
    ]
    graph = parse(document(nodes, "a t"))
    assert graph.inputs == ("_2", "goal", "output", "role", "story", "what-now")


def test_inputs_come_from_the_manager_too():
    source = hierarchical()
    source["nodes"][0]["data"]["goal"] = "Lead {team}"
    assert parse(source).inputs == ("team",)


TEXTS = [
    "{topic}",
    "{topic.__class__}",
    "{topic[0]}",
    "{topic!r}",
    "{topic:>10}",
    "{0}",
    "{}",
    "{ topic}",
    "{topic }",
    "{{topic}}",
    '{"a": 1}',
    "{naïve}",
    "{a-b}",
    "{-a}",
    "{a",
    "a}",
    "{a\n}",
    "{a{b}}",
]


@pytest.mark.parametrize("text", TEXTS)
def test_inputs_are_what_crewai_asks_for(text):
    from flask_crewexec.runtime.crewai_shims.public_api import crewai

    interpolate_only = crewai.utilities.string_utils.interpolate_only

    asked: list[str] = []
    given: dict[str, t.Any] = {"unused": "x"}
    while True:
        try:
            interpolate_only(text, given)
            break
        except KeyError as error:
            asked.append(str(error.args[0]).split("'")[1])
            given[asked[-1]] = "x"
    assert graph_about(text).inputs == tuple(sorted(asked))


def test_text_that_reaches_into_a_value_stays_literal():
    assert graph_about("{topic.__class__} {topic[0]} {topic!r}").inputs == ()


@pytest.mark.parametrize("value", ["", "text", 0, 1.5, False, [], [None, "x"], {"a": {"b": None}}])
def test_json_values_are_accepted(value):
    assert problems_of({"topic": value}) == []


def test_inputs_that_the_graph_does_not_use_are_allowed():
    assert problems_of({"topic": "x", "other": None, "with space": 1}) == []
    assert problems_of({}, description="No placeholder") == []


@pytest.mark.parametrize("inputs", [None, [], "topic", 1, True])
def test_inputs_must_be_an_object(inputs):
    assert problems_of(inputs, description="No placeholder") == [("/inputs", "wrong-type")]


def test_every_missing_input_is_reported():
    assert problems_of({"b": 1}, "{a} {b} {c}") == [
        ("/inputs/a", "missing-input"),
        ("/inputs/c", "missing-input"),
    ]


def test_null_is_refused_for_an_input_that_the_graph_uses():
    assert problems_of({"topic": None}) == [("/inputs/topic", "null-input")]


def test_empty_name_is_refused():
    assert problems_of({"topic": 1, "": 1}) == [("/inputs/", "blank")]


def test_name_that_crewai_takes_for_itself_is_refused():
    assert problems_of({"topic": 1, "crew_chat_messages": "hi"}) == [
        ("/inputs/crew_chat_messages", "reserved-input")
    ]


def test_pointers_are_escaped():
    assert problems_of({"topic": 1, "a/b~c": float("nan")}) == [("/inputs/a~1b~0c", "not-json")]


@pytest.mark.parametrize(
    ("value", "problem"),
    [
        ({"deep": [float("inf")]}, ("/inputs/topic/deep/0", "not-json")),
        (object(), ("/inputs/topic", "not-json")),
        ((1, 2), ("/inputs/topic", "not-json")),
        ({1: 2}, ("/inputs/topic", "not-json")),
        ("nul\x00", ("/inputs/topic", "bad-text")),
    ],
)
def test_values_that_are_not_json_are_refused(value, problem):
    assert problems_of({"topic": value}) == [problem]


def test_names_that_are_not_text_are_refused():
    assert problems_of({"topic": 1, 2: 3}) == [("/inputs", "not-json")]


def test_problems_come_together():
    assert problems_of({"": 1, "b": None, "c": float("nan")}, "{a} {b}") == [
        ("/inputs/c", "not-json"),
        ("/inputs/", "blank"),
        ("/inputs/a", "missing-input"),
        ("/inputs/b", "null-input"),
    ]


def test_message_is_the_first_problem():
    with pytest.raises(InvalidInputs, match='The graph needs the input "topic"'):
        check_inputs(graph_about("{topic}"), {})


class TestFilling:
    def filled(self, **inputs):
        text = "{a} {b} {a.b} {{a}}"
        nodes = [agent(id, role=f"{id} {text}", goal=text, backstory=text) for id in ("boss", "w")]
        nodes.append(task("t", description=text, expected_output=text))
        drawn = document(nodes, "boss w manager", "w t", process="hierarchical")
        graph = parse(drawn)
        whole = graph.filled(texts_of(graph, inputs))
        workers = [whole.manager, *whole.agents, *whole.tasks]
        return {getattr(worker, name) for worker in workers for name in worker.TEXTS}

    def test_reaches_every_text(self):
        assert self.filled(a=1, b=["x"]) == {
            '1 ["x"] {a.b} {1}',
            'boss 1 ["x"] {a.b} {1}',
            'w 1 ["x"] {a.b} {1}',
        }

    def test_does_not_look_into_inputs(self):
        assert "{b} {a} {a.b} {{b}}" in self.filled(a="{b}", b="{a}")
