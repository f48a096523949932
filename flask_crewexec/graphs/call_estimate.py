"""Estimates the number of model calls of a run."""

from __future__ import annotations

import typing as t

from .graph import AgentNode
from .graph import Graph
from .graph import MANAGER_MAX_ITER
from .graph import TaskNode


class ModelCalls(t.NamedTuple):
    """Number of model calls of an attempt without errors."""

    lower: int
    upper: int

    def within(self, limit: float | None) -> ModelCalls:
        """Return both numbers, capped at *limit*; None means no limit."""
        cap = self.upper if limit is None else int(limit)
        return ModelCalls(min(self.lower, cap), min(self.upper, cap))


def estimate_calls(graph: Graph) -> ModelCalls:
    """Return the minimum and maximum number of model calls for the tasks of *graph*.

    The minimum is one call for each task without a condition, and for each rule that judges its
    answer. An agent answers up to ``max_iter`` times, and is then asked once more for its final
    answer. If it may delegate, it can delegate with each answer except the last; coworkers do not
    delegate further. In a hierarchical graph the manager executes each task and delegates to its
    agent, or to any agent. An answer that delegates several times counts as one delegation. A
    checked answer is repeated and judged up to its number of retries, in each round of its
    review. Plans of the crew and of
    agents that reason are added.
    """
    plan = 0 if graph.planner is None else 1
    minimum = sum(_minimum(task, graph) for task in graph.tasks if task.condition is None)
    return ModelCalls(plan + minimum, plan + sum(_maximum(task, graph) for task in graph.tasks))


def _minimum(task: TaskNode, graph: Graph) -> int:
    return min(1, _plans(task, graph)) + 1 + _judgements(task)


def _maximum(task: TaskNode, graph: Graph) -> int:
    answers, coworkers = _responsible(task, graph)
    delegated = max((agent.max_iter + 1 for agent in coworkers), default=0)
    once = answers + 1 + answers * delegated + _judgements(task)
    return _plans(task, graph) + task.max_answers * once


def _plans(task: TaskNode, graph: Graph) -> int:
    """Return the maximum number of calls for the plan of *task*."""
    agents = [each for each in graph.agents if each.id == task.agent_id]
    agent = graph.manager or agents[0]
    if isinstance(agent, AgentNode) and agent.reasoning:
        return agent.max_reasoning_attempts
    return 0


def _judgements(task: TaskNode) -> int:
    """Return the number of calls that judge one answer."""
    return sum(guardrail.text is not None for guardrail in task.guardrails)


def _responsible(task: TaskNode, graph: Graph) -> tuple[int, list[AgentNode]]:
    """Return the maximum number of answers for *task*, and the agents to delegate to."""
    if graph.manager is not None:
        team = [agent for agent in graph.agents if task.agent_id in (None, agent.id)]
        manager = graph.manager
        return manager.max_iter if isinstance(manager, AgentNode) else MANAGER_MAX_ITER, team
    (agent,) = (each for each in graph.agents if each.id == task.agent_id)
    others = [each for each in graph.agents if each.id != agent.id]
    return agent.max_iter, others if agent.allow_delegation else []
