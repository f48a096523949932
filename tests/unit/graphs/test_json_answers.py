"""JSON in the answers of models."""

from __future__ import annotations

import pytest

from flask_crewexec.graphs import read_answer

SCHEMA = {
    "type": "object",
    "properties": {"a": {"type": "integer", "minimum": 1}},
    "required": ["a"],
}


@pytest.mark.parametrize(
    "text",
    [
        '{"a": 1}',
        'Here it is: {"a": 1}. Anything else?',
        '```json\n{"a": 1}\n```',
        '```\n{"a": 1}\n```',
        'First {a}, then {"b": 2}:\n```json\n{"a": 1}\n```\nUse {braces} well.',
        '```json\n{"a": 0}\n```\nNo, rather:\n```json\n{"a": 1}\n```',
        '<think>\nlet {"a": 0}?\n</think>\n\n```json\n{"a": 1}\n```',
        '<think>{"a": 7}</think>{"a": 1}',
        'It wants {a}.\n</think>\n\n{"a": 1}',
        '{"a": "one"} {"a": 0} {"a": 1}',
        '{"b": {"a": 2}} and {"a": 1}',
        "{" * 5 + ' {"a": 1}',
    ],
)
def test_the_object_that_fits_is_found(text):
    assert read_answer(SCHEMA, text) == ({"a": 1}, "")


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "not a JSON object"),
        ("[1]", "not a JSON object"),
        ("{" * 1_000, "not a JSON object"),
        ('{"a": ' * 100_000, "not a JSON object"),
        ('{"a": 0}', "minimum of 1"),
        ('{"b": 1} {"a": 0}', "'a' is a required property"),
        ('<think>{"a": 1}</think>', "not a JSON object"),
    ],
)
def test_otherwise_the_first_problem_is_told(text, problem):
    value, told = read_answer(SCHEMA, text)
    assert value is None
    assert problem in told
