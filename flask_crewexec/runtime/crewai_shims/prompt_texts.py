"""Texts of CrewAI's own prompts."""

from __future__ import annotations

from crewai.utilities.i18n import get_i18n


def default_manager_texts() -> dict[str, str]:
    """Return role, goal and backstory of the manager that CrewAI would make for a model."""
    names = ("role", "goal", "backstory")
    return {name: get_i18n().retrieve("hierarchical_manager_agent", name) for name in names}


def output_format_instructions(output_format: str) -> str:
    """Return the instructions to answer in *output_format*."""
    text: str = get_i18n().slice("formatted_task_instructions")
    return text.replace("{output_format}", output_format)
