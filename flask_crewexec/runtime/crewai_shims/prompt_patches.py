"""CrewAI's prompts, filled in once.

CrewAI replaces ``{role}``, ``{input}``, ``{tools}`` and the like one after the other, and so also
within what it has just filled in: a text could call up others, over and over.
"""

from __future__ import annotations

import typing as t
from collections.abc import Callable
from collections.abc import Mapping

from ...graphs.placeholders import fill


class _Nobody:
    """An agent whose texts are their own names, which leaves them in the prompt."""

    role = "{role}"
    goal = "{goal}"
    backstory = "{backstory}"


def leave_unfilled(build: Callable[..., str]) -> Callable[..., str]:
    """Return a method for CrewAI's ``Prompts`` that builds a prompt without the agent's texts."""

    def build_prompt(prompts: t.Any, *arguments: object) -> str:
        return build(prompts.model_copy(update={"agent": _Nobody}), *arguments)

    return build_prompt


def fill_prompt(executor: t.Any, prompt: str, inputs: Mapping[str, str]) -> str:
    """Fill in all that the prompt of an agent's executor needs."""
    texts = {name: getattr(executor.agent, name) for name in ("role", "goal", "backstory")}
    return fill(prompt, {**texts, **{key: inputs[key] for key in ("input", "tool_names", "tools")}})
