"""Plans that models make in advance: for the whole crew, or for one task.

CrewAI's own planning is not used: it makes an unlimited number of calls, ignores errors of the
model's provider, and uses a default model where none is given.
"""

from __future__ import annotations

import json
import typing as t
from collections.abc import Iterable

from ..graphs import AgentNode
from ..graphs import Graph
from ..graphs import read_answer
from .crewai_shims.public_api import BaseLLM

_READY: t.Final = "READY"
_CREW: t.Final = (
    "You plan the work of a crew. For each task write a short plan, step by step, of how its agent"
    " does it best with the available tools. Reply with nothing but JSON: an object with the name"
    " of each task and its plan as text."
)
_TASK: t.Final = (
    "You are {role}. {backstory}\nYour goal is: {goal}\nBefore you start a task, you write a short"
    " plan, step by step, of how you will do it. Do not do the task yet. If you have everything you"
    f" need for the plan, write {_READY} as its last line."
)
_IMPROVE: t.Final = f"Improve the plan where it is weak. Write all of it, and {_READY} at its end."
_PLANS: t.Final = {"type": "object", "additionalProperties": {"type": "string"}}


def plan_crew(graph: Graph, llm: BaseLLM) -> dict[str, str]:
    """Return a plan for each task, by its name, with one call.

    An answer that is not divided into tasks becomes the plan of each of them.
    """
    tasks = json.dumps([*_describe_tasks(graph)], ensure_ascii=False, indent=1)
    answer = _ask(llm, _CREW, tasks)
    plans, _ = read_answer(_PLANS, answer)
    if plans is None:
        return {task.name: answer for task in graph.tasks}
    return {task.name: plans[task.name] for task in graph.tasks if task.name in plans}


def _describe_tasks(graph: Graph) -> Iterable[dict[str, t.Any]]:
    agents = {agent.id: agent for agent in graph.agents}
    for task in graph.tasks:
        agent = agents.get(task.agent_id or "")
        yield {
            "task": task.name,
            "description": task.description,
            "expected_output": task.expected_output,
            "agent": agent and {"role": agent.role, "goal": agent.goal},
            "tools": [*task.tools, *(agent.tools if agent else ())],
        }


class Reasoning:
    """Lets an agent plan a task, until the plan is ready or its attempts are used up."""

    def __init__(self, agent: AgentNode, llm: BaseLLM) -> None:
        self._attempts = agent.max_reasoning_attempts
        self._llm = llm

    def __call__(self, agent: t.Any, task: str) -> str:
        """Return a plan for the prompt *task* of CrewAI's *agent*."""
        instructions = _TASK.format(role=agent.role, goal=agent.goal, backstory=agent.backstory)
        plan = _ask(self._llm, instructions, task)
        for _ in range(self._attempts - 1):
            if _is_ready(plan):
                break
            plan = _ask(
                self._llm, instructions, f"{task}\n\n# Your plan so far\n{plan}\n\n{_IMPROVE}"
            )
        return plan.rstrip().removesuffix(_READY).rstrip()


def _ask(llm: BaseLLM, system: str, user: str) -> str:
    messages = [{"role": "system", "content": system}, {"role": "user", "content": user}]
    return str(llm.call(t.cast(t.Any, messages)))


def _is_ready(plan: str) -> bool:
    last = plan.rstrip().rpartition("\n")[2]
    return last.strip(" *_.!`") == _READY
