"""What was said in calls, in the forms of the providers."""

from __future__ import annotations

import typing as t

import pytest

from flask_crewexec.dashboard.call_contents import all_messages
from flask_crewexec.dashboard.call_contents import answer_texts
from flask_crewexec.dashboard.call_contents import argument_texts
from flask_crewexec.dashboard.call_contents import new_messages

ARGUMENTS = '{\n  "text": "é"\n}'


def model_call(value: t.Any = None, **more: t.Any) -> dict[str, t.Any]:
    answer = {"value": value, "finish_reason": "stop"}
    messages = {"messages": None, "messages_omitted": 0}
    return {"kind": "model", "request": None, "answer": answer, **messages, **more}


def tool_call(request: t.Any, answer: t.Any, error: t.Any = None) -> dict[str, t.Any]:
    return {"kind": "tool", "request": request, "answer": answer, "error": error}


@pytest.mark.parametrize(
    "wanted",
    [
        {"id": "1", "function": {"name": "count", "arguments": '{"text": "é"}'}},
        {"__class__": "openai.x:Y", "value": {"function": {"name": "count", "arguments": "{}"}}},
        {"type": "tool_use", "id": "1", "name": "count", "input": {"text": "é"}},
        {"function_call": {"name": "count", "args": {"text": "é"}}},
    ],
)
def test_tool_calls_of_every_provider_are_named(wanted: dict[str, t.Any]) -> None:
    (text,) = answer_texts(model_call([wanted]))
    assert text.title == "Calls count"
    assert text.text in (ARGUMENTS, "{}")


@pytest.mark.parametrize("text", ["no JSON", "[" * 100_000, '{"a": NaN'])
def test_arguments_that_are_no_json_stay_as_they_are(text: str) -> None:
    wanted = {"function": {"name": "count", "arguments": text}}
    assert answer_texts(model_call([wanted]))[0].text == text


def test_lone_surrogates_in_arguments_can_be_sent() -> None:
    wanted = {"function": {"name": "count", "arguments": '{"a": "\\ud800"}'}}
    assert answer_texts(model_call([wanted]))[0].text.encode()


def test_answers_are_texts_parts_or_any_json() -> None:
    assert [text.text for text in answer_texts(model_call("plain"))] == ["plain"]
    parts = [{"type": "text", "text": "one"}, "two", {"type": "image", "url": "x"}]
    texts = [text.text for text in answer_texts(model_call(parts))]
    assert texts[:2] == ["one", "two"]
    assert '"image"' in texts[2]
    assert answer_texts(model_call("")) == []
    assert answer_texts({**model_call(), "answer": None}) == []


def test_messages_are_numbered_and_the_new_ones_known() -> None:
    said = [{"role": "system", "content": "a"}, {"role": "tool", "content": None}]
    request = {"start": 1, "messages": said[1:]}
    whole = all_messages(model_call(request=request, messages=said))
    assert [(m.number, m.role, m.is_new) for m in whole] == [
        (1, "system", False),
        (2, "tool", True),
    ]
    assert [text.text for text in whole[0].texts] == ["a"]
    assert new_messages(model_call(request=request)) == whole[1:]
    assert new_messages(model_call()) == all_messages(model_call()) == []


def test_tools_have_arguments_and_a_result() -> None:
    call = tool_call({"arguments": {"text": "é"}}, {"text": "1"})
    assert [text.text for text in argument_texts(call) + answer_texts(call)] == [ARGUMENTS, "1"]
    assert argument_texts(tool_call({"arguments": None}, None))[0].text == "null"
    failed = tool_call(None, {"text": "told"}, {"code": "timeout"})
    assert [text.title for text in answer_texts(failed)] == ["What the model was told"]
    assert argument_texts(failed) == []


def test_a_guardrail_that_rejects_says_why() -> None:
    call = {"kind": "check", "request": None, "answer": {"verdict": "too long"}}
    assert [text.text for text in answer_texts(call)] == ["too long"]
    assert answer_texts({**call, "answer": {"verdict": True}}) == []
