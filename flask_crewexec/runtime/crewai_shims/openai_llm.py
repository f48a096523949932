"""CrewAI's LLM classes for OpenAI's protocol, with a reader that expects less of servers."""

from __future__ import annotations

import functools
import inspect
import re
import typing as t
from collections.abc import Collection

import httpx
import openai
from crewai.events.types.llm_events import LLMCallType
from crewai.llms.providers.openai.completion import OpenAICompletion
from crewai.llms.providers.openai_compatible.completion import OPENAI_COMPATIBLE_PROVIDERS
from crewai.llms.providers.openai_compatible.completion import OpenAICompatibleCompletion
from openai.resources.chat.completions import Completions

from ..model_failures import ModelAnswerError
from ..model_failures import refused_answer
from ..openai_protocol.answer import Answer
from ..openai_protocol.body import read_body
from ..openai_protocol.errors import UpstreamError

_REASONING_MODEL: t.Final = re.compile(r"(gpt-[5-9](?!.*chat)|o\d)")
"""Models that refuse ``max_tokens`` and ``temperature``; those for chats do not."""


class OpenAILLM(OpenAICompletion):
    """A model behind a server that speaks OpenAI's protocol, more or less.

    CrewAI's own class raises, or returns half an answer, where a server leaves the protocol.
    """

    def unknown_options(self) -> Collection[str]:
        """Return the names of options that the protocol does not know, misspelt ones for instance.

        A call with them would fail.
        """
        return self.additional_params.keys() - _request_parameters()

    def _build_sync_client(self) -> openai.OpenAI:
        """Return a client that sends nothing to the server but what the host has registered.

        The SDK would also send the organization, the project and the headers that it finds in the
        environment.
        """
        client: openai.OpenAI = super()._build_sync_client()
        client.organization, client.project = self.organization, self.project
        client._custom_headers = dict(self.default_headers or {})
        return client

    def _build_async_client(self) -> None:
        """Build none: a run never uses it, and it would read the certificates once more."""

    def _handle_completion(self, params: t.Any, *args: t.Any, **call: t.Any) -> t.Any:
        """Make a call and return its text or its tool calls."""
        if call.get("response_model"):
            return super()._handle_completion(params, *args, **call)
        return self._exchange(params, call)

    def _handle_streaming_completion(self, params: t.Any, *args: t.Any, **call: t.Any) -> t.Any:
        """Make a call whose answer arrives in pieces, and return it as a whole."""
        if call.get("response_model"):
            return super()._handle_streaming_completion(params, *args, **call)
        return self._exchange(params, call)

    def _exchange(self, params: dict[str, t.Any], call: dict[str, t.Any]) -> t.Any:
        caller: dict[str, t.Any] = {key: call.get(key) for key in ("from_task", "from_agent")}
        create = self._get_sync_client().chat.completions.with_streaming_response.create
        with create(**params) as response:
            on_text = functools.partial(self._emit_stream_chunk_event, **caller)
            answer = _read(response.http_response, on_text)
        text = self._apply_stop_words(answer.text)
        self._emit_call_completed_event(
            response=answer.tool_calls or text,
            call_type=LLMCallType.TOOL_CALL if answer.tool_calls else LLMCallType.LLM_CALL,
            messages=params["messages"],
            usage=answer.usage,
            finish_reason=answer.finish_reason,
            response_id=answer.id,
            **caller,
        )
        if answer.tool_calls:
            return answer.tool_calls
        if answer.refusal.strip():
            raise ModelAnswerError(refused_answer(answer.refusal))
        return self._invoke_after_llm_call_hooks(params["messages"], text, caller["from_agent"])


class OpenAICompatibleLLM(OpenAILLM, OpenAICompatibleCompletion):
    """A model of a provider whose URL CrewAI knows."""


COMPATIBLE_PROVIDERS: t.Final = frozenset(OPENAI_COMPATIBLE_PROVIDERS)


def is_reasoning_model(name: str) -> bool:
    """Return whether OpenAI's model of this name reasons before it answers."""
    base = name.rpartition("/")[2].lower().removeprefix("ft:")
    return _REASONING_MODEL.match(base) is not None


def _read(response: httpx.Response, on_text: t.Callable[[str], object]) -> Answer:
    try:
        return read_body(response.iter_bytes(), on_text)
    except UpstreamError as error:
        error.response = response
        raise


@functools.cache
def _request_parameters() -> Collection[str]:
    """Return the names of the parameters of a call of the SDK."""
    return inspect.signature(Completions.create).parameters.keys()
