"""Tool calls, whole and in fragments."""

from __future__ import annotations

import pytest

from flask_crewexec.runtime.openai_protocol.tool_calls import ToolCallReader

WEATHER = {"name": "weather", "arguments": '{"of": "Oslo"}'}
TIME = {"name": "time", "arguments": "{}"}


def whole(message):
    reader = ToolCallReader()
    reader.add(message, whole=True)
    return reader.finish()


def joined(*fragments):
    reader = ToolCallReader()
    for fragment in fragments:
        reader.add({"tool_calls": [fragment]}, whole=False)
    return reader.finish()


def functions(calls):
    return [call["function"] for call in calls]


class TestWhole:
    def test_they_are_kept(self):
        calls = whole({"tool_calls": [{"id": "a", "type": "function", "function": WEATHER}]})
        assert calls == [{"id": "a", "type": "function", "index": 0, "function": WEATHER}]

    @pytest.mark.parametrize("id", ["same", "", None, 7])
    def test_each_has_an_id_of_its_own(self, id):
        first, second = whole({"tool_calls": [{"id": id, "function": WEATHER}] * 2})
        assert first["id"] != second["id"]
        assert functions([first, second]) == [WEATHER, WEATHER]

    def test_the_older_form(self):
        assert functions(whole({"function_call": WEATHER})) == [WEATHER]

    @pytest.mark.parametrize(
        ("arguments", "text"),
        [("", "{}"), ("  \n", "{}"), (None, "{}"), ({"a": 1}, '{"a": 1}'), ("\ud83d", "\ufffd")],
    )
    def test_arguments_are_text(self, arguments, text):
        calls = whole({"tool_calls": [{"function": {"name": "f", "arguments": arguments}}]})
        assert functions(calls) == [{"name": "f", "arguments": text}]

    @pytest.mark.parametrize("calls", [None, [], "f", [None], [{"function": "f"}], [{}]])
    def test_what_is_none(self, calls):
        assert whole({"tool_calls": calls}) == []


class TestFragments:
    def test_are_joined_by_their_index(self):
        calls = joined(
            {"index": 0, "id": "a", "function": {"name": "weather", "arguments": ""}},
            {"index": 1, "id": "b", "function": TIME},
            {"index": 0, "function": {"arguments": '{"of": '}},
            {"index": 0, "function": {"arguments": '"Oslo"}'}},
        )
        assert functions(calls) == [WEATHER, TIME]
        assert [call["id"] for call in calls] == ["a", "b"]

    def test_may_repeat_their_id_and_name(self):
        head = {"index": 0, "id": "a"}
        calls = joined(
            {**head, "function": {"name": "weather", "arguments": '{"of": '}},
            {**head, "function": {"name": "weather", "arguments": '"Oslo"}'}},
        )
        assert functions(calls) == [WEATHER]

    @pytest.mark.parametrize("index", [{}, {"index": 0}, {"index": None}])
    def test_another_id_is_another_call(self, index):
        calls = joined(
            {**index, "id": "a", "function": WEATHER}, {**index, "id": "b", "function": TIME}
        )
        assert functions(calls) == [WEATHER, TIME]

    def test_whole_calls_without_index_and_id(self):
        assert functions(joined({"function": WEATHER}, {"function": TIME})) == [WEATHER, TIME]

    def test_arguments_without_an_index_belong_to_the_latest_call(self):
        calls = joined(
            {"id": "a", "function": {"name": "weather", "arguments": '{"of": '}},
            {"function": {"arguments": '"Oslo"}'}},
        )
        assert functions(calls) == [WEATHER]
