"""What an agent says when it has used all of its iterations."""

from __future__ import annotations

import typing as t
from collections.abc import Sequence

from crewai.agents.parser import AgentFinish
from crewai.utilities.agent_utils import format_answer
from crewai.utilities.agent_utils import format_message_for_llm  # type: ignore[attr-defined]  # re-exported by accident
from crewai.utilities.i18n import I18N_DEFAULT


class IterationsExhausted(Exception):
    """An agent has used all of its iterations, and still calls tools."""


def ask_for_final_answer(llm: t.Any, messages: Sequence[t.Any], callbacks: t.Any) -> AgentFinish:
    """Ask for the final answer, without tools.

    :raises IterationsExhausted: if the model calls a tool all the same.
    """
    force = format_message_for_llm(I18N_DEFAULT.errors("force_final_answer"), role="user")
    answer = llm.call([*messages, force], callbacks=callbacks)
    if not isinstance(answer, str):
        raise IterationsExhausted("The agent still calls tools after its last iteration.")
    formatted = format_answer(answer=answer)
    if isinstance(formatted, AgentFinish):
        return formatted
    return AgentFinish(thought=formatted.thought, output=formatted.text, text=formatted.text)
