"""Subclasses of CrewAI's LLM classes."""

from __future__ import annotations

import typing as t
from collections.abc import Mapping

from crewai import BaseLLM
from crewai.hooks.llm_hooks import model_call_hooks_dispatched
from crewai.llms.base_llm import call_stop_override
from pydantic import PrivateAttr

__all__ = (
    "DelegatingLLM",
    "model_call_hooks_dispatched",
    "remember",
    "remembered_by",
)

_REMEMBERED: t.Final = (
    "_last_reasoning_items",
    "_last_response_id",
    "_previous_thinking_blocks",
)
"""Attributes in which CrewAI's classes keep parts of an answer for their next request."""


def remembered_by(llm: BaseLLM) -> dict[str, t.Any]:
    """Return what a model's object keeps of its answers for its next request.

    OpenAI's Responses and Anthropic's thinking need it: it is in no message.
    """
    found = {name: getattr(llm, name, None) for name in _REMEMBERED}
    return {name: value for name, value in found.items() if value}


def remember(llm: BaseLLM, remembered: Mapping[str, t.Any]) -> None:
    """Let a model's object keep what another one has kept."""
    for name, value in remembered.items():
        setattr(llm, name, value)


class DelegatingLLM(BaseLLM):
    """Stands for several models; a subclass decides which of them answers a call."""

    _llms: list[BaseLLM] = PrivateAttr()

    @classmethod
    def wrapping(cls, llms: list[BaseLLM]) -> t.Self:
        """Return one that stands for *llms*, under the name of the first."""
        first = llms[0]
        delegating = cls(model=first.model, provider=first.provider, stop=first.stop)
        delegating._llms = llms
        return delegating

    def _delegate(self, llm: BaseLLM, *args: t.Any, **kwargs: t.Any) -> t.Any:
        """Let *llm* answer, with the stop words that CrewAI has set for this call."""
        with call_stop_override(llm, self.stop_sequences):
            return llm.call(*args, **kwargs)

    def supports_function_calling(self) -> bool:
        """Return whether the first model takes tools."""
        return t.cast(bool, getattr(self._llms[0], "supports_function_calling", bool)())

    def supports_stop_words(self) -> bool:
        """Return whether the first model takes stop words."""
        return self._llms[0].supports_stop_words()

    def get_context_window_size(self) -> int:
        """Return the smallest context window."""
        return min(llm.get_context_window_size() for llm in self._llms)

    def supports_multimodal(self) -> bool:
        """Return whether all models take more than text."""
        return all(llm.supports_multimodal() for llm in self._llms)
