"""A definition -> CrewAI's objects, as CrewAI's documentation has it."""

from __future__ import annotations

import typing as t

from crewai import Agent
from crewai import Crew
from crewai import LLM
from crewai import Process
from crewai import Task


def build_crew(definition: dict[str, t.Any], model_url: str) -> Crew:
    """Return a new crew; each agent has an LLM of its own, so that usage is counted right."""
    agents = {
        name: Agent(
            llm=LLM(model="openai/gpt-4o-mini", base_url=model_url, api_key="sk-plain", timeout=30),
            allow_delegation=False,
            **fields,
        )
        for name, fields in definition["agents"].items()
    }
    tasks = [
        Task(
            name=task["name"],
            description=task["description"],
            expected_output=task["expected_output"],
            agent=agents[task["agent"]],
        )
        for task in definition["tasks"]
    ]
    return Crew(agents=list(agents.values()), tasks=tasks, process=Process.sequential)
