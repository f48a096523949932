"""CrewAI's prompts, with all placeholders filled in at once.

CrewAI replaces ``{role}``, ``{input}``, ``{tools}`` and the like one after the other, and so also
within texts that it has just filled in: one text could insert others, again and again.
"""

from __future__ import annotations

import typing as t
from collections.abc import Callable
from collections.abc import Mapping

from ...graphs.placeholders import fill


class _PlaceholderAgent:
    """An agent whose texts are their own placeholders, which so stay in the prompt."""

    role = "{role}"
    goal = "{goal}"
    backstory = "{backstory}"


def keep_placeholders(build: Callable[..., str]) -> Callable[..., str]:
    """Return a method for CrewAI's ``Prompts`` that does not insert the agent's texts."""

    def build_prompt(prompts: t.Any, *arguments: object) -> str:
        return build(prompts.model_copy(update={"agent": _PlaceholderAgent}), *arguments)

    return build_prompt


def fill_prompt(executor: t.Any, prompt: str, inputs: Mapping[str, str]) -> str:
    """Fill in everything that the prompt of an agent's executor needs."""
    texts = {name: getattr(executor.agent, name) for name in ("role", "goal", "backstory")}
    return fill(prompt, {**texts, **{key: inputs[key] for key in ("input", "tool_names", "tools")}})
