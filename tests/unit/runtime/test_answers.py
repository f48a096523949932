"""Answers of models as they are stored, and restored as objects of their providers."""

from __future__ import annotations

import json
import typing as t

import pydantic
import pytest
from crewai.llms.base_llm import call_stop_override
from crewai.tools.tool_failure import ToolFailure
from crewai.tools.tool_failure import ToolFailureReason
from crewai.utilities.agent_utils import extract_tool_call_info
from openai.types.responses import ResponseReasoningItem
from openai.types.responses.response_reasoning_item import Summary

from flask_crewexec.runtime.call_log import answers
from flask_crewexec.runtime.crewai_shims.openai_llm import OpenAILLM

ARGUMENTS = {"text": "é", "deep": [{"x": None}, 1.5]}


def through_the_database(value: object) -> t.Any:
    return answers.decode(json.loads(json.dumps(answers.encode(value))))


def openai_call() -> object:
    function = {"name": "count", "arguments": json.dumps(ARGUMENTS)}
    return {"id": "call_1", "type": "function", "function": function}


def responses_call() -> object:
    return {"id": "call_1", "name": "count", "arguments": json.dumps(ARGUMENTS)}


def bedrock_call() -> object:
    return {"toolUseId": "tooluse_1", "name": "count", "input": ARGUMENTS}


def anthropic_block() -> object:
    """What CrewAI returns where the SDK does not know the kind of a block."""
    return {"type": "tool_use", "id": "toolu_1", "name": "count", "input": ARGUMENTS}


def anthropic_call() -> object:
    types = pytest.importorskip("anthropic.types")
    return types.ToolUseBlock(id="toolu_1", name="count", input=ARGUMENTS, type="tool_use")


def anthropic_preview_call() -> object:
    """A block of the preview API, with a field that the SDK does not know."""
    types = pytest.importorskip("anthropic.types.beta")
    given = {"id": "toolu_1", "name": "count", "input": ARGUMENTS, "type": "tool_use", "new": 1}
    return types.BetaToolUseBlock.construct(**given)


def azure_call() -> object:
    models = pytest.importorskip("azure.ai.inference.models")
    function = models.FunctionCall(name="count", arguments=json.dumps(ARGUMENTS))
    return models.ChatCompletionsToolCall(id="call_1", function=function)


def gemini_call() -> object:
    """A part with the signature of a thought, which is no text."""
    types = pytest.importorskip("google.genai.types")
    call = types.FunctionCall(name="count", args=ARGUMENTS)
    return types.Part(function_call=call, thought_signature=b"\x00\xff\xfe")


class TestRoundTrip:
    @pytest.mark.parametrize(
        "make",
        [
            openai_call,
            responses_call,
            bedrock_call,
            anthropic_block,
            anthropic_call,
            anthropic_preview_call,
            azure_call,
            gemini_call,
        ],
    )
    def test_of_calls_of_tools(self, make):
        call = make()
        (restored,) = through_the_database([call])
        assert restored == call
        assert type(restored) is type(call)
        info = extract_tool_call_info(restored)
        assert info is not None
        name, arguments = info[1:]
        assert name == "count"
        assert (json.loads(arguments) if isinstance(arguments, str) else arguments) == ARGUMENTS

    @pytest.mark.parametrize("text", ["", "done", "\u2028"])
    def test_of_texts(self, text):
        assert through_the_database(text) == text

    def test_of_what_a_model_keeps(self):
        summary = Summary(text="so", type="summary_text")
        item = ResponseReasoningItem(
            id="rs_1", summary=[summary], type="reasoning", encrypted_content="abc="
        )
        thought = {"type": "thinking", "thinking": "so", "signature": "abc="}
        kept = {"_last_reasoning_items": [item], "_previous_thinking_blocks": [thought]}
        assert through_the_database(kept) == kept

    def test_of_objects_of_crewai(self):
        failure = ToolFailure(message="no", reason=ToolFailureReason.EXCEPTION)
        assert through_the_database(failure) == failure


class Foreign(pydantic.BaseModel):
    """A class of the host."""

    name: str = "x"


class Forgetful(OpenAILLM):
    """Says less than it knows when it is dumped."""

    __module__ = "crewai.forgetful"


class TestWhatCannotBeRestored:
    @pytest.mark.parametrize(
        "value",
        [
            Foreign(),
            [{"x": Foreign()}],
            b"bytes",
            {1, 2},
            call_stop_override,
            {"__class__": "crewai.tools.tool_failure:ToolFailure", "value": {"message": "no"}},
        ],
    )
    def test_it_is_refused(self, value):
        with pytest.raises(answers.NotStorable):
            answers.encode(value)

    def test_a_class_that_cannot_be_found_again(self):
        model = Forgetful(model="gpt-4o-mini", api_key="none")
        with pytest.raises(answers.NotStorable):
            answers.encode(model)

    @pytest.mark.parametrize(
        ("name", "value"),
        [
            ("anthropic.types.gone:ToolUseBlock", {}),
            ("crewai.tools.tool_failure:Gone", {}),
            ("crewai.tools.tool_failure:ToolFailure", {"message": 1}),
            ("subprocess:Popen", {"args": "true"}),
        ],
    )
    def test_a_stored_class_that_is_another_now(self, name, value):
        with pytest.raises(answers.NotRestorable):
            answers.decode([{"__class__": name, "value": value}])
