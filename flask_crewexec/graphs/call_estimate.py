"""How many model calls a run may make."""

from __future__ import annotations

import typing as t

from .graph import AgentNode
from .graph import Graph
from .graph import MANAGER_MAX_ITER
from .graph import TaskNode


class ModelCalls(t.NamedTuple):
    """Model calls of one attempt that meets no errors."""

    lower: int
    upper: int

    def within(self, limit: float | None) -> ModelCalls:
        """Return both, as far as *limit* allows; None is no limit."""
        most = self.upper if limit is None else int(limit)
        return ModelCalls(min(self.lower, most), min(self.upper, most))


def estimate_calls(graph: Graph) -> ModelCalls:
    """Return how many model calls the tasks of *graph* need at least and at most.

    At least one for each task without a condition, and for each rule that its answer is judged
    by. An agent answers up to ``max_iter`` times and is then asked once more for its final answer.
    One that may delegate can hand work to a coworker with each answer but the last; coworkers do
    not delegate further. In a hierarchical graph the manager does every task and delegates to its
    agent, or to all. An answer that delegates several times at once counts as if it did so once.
    An answer that may be refused is made anew, and judged again, as often as it may. Plans, of the
    crew and of agents that reason, come on top.
    """
    plan = 0 if graph.planner is None else 1
    least = sum(_least(task, graph) for task in graph.tasks if task.condition is None)
    return ModelCalls(plan + least, plan + sum(_most(task, graph) for task in graph.tasks))


def _least(task: TaskNode, graph: Graph) -> int:
    return min(1, _plans(task, graph)) + 1 + _judgements(task)


def _most(task: TaskNode, graph: Graph) -> int:
    answers, coworkers = _worker(task, graph)
    delegated = max((agent.max_iter + 1 for agent in coworkers), default=0)
    times = 1 + task.guardrail_max_retries if task.is_checked else 1
    once = answers + 1 + answers * delegated + _judgements(task)
    return _plans(task, graph) + times * once


def _plans(task: TaskNode, graph: Graph) -> int:
    """Return with how many calls whoever does *task* may plan it."""
    doers = [each for each in graph.agents if each.id == task.agent_id]
    doer = graph.manager or doers[0]
    if isinstance(doer, AgentNode) and doer.reasoning:
        return doer.max_reasoning_attempts
    return 0


def _judgements(task: TaskNode) -> int:
    """Return with how many calls an answer is judged."""
    return sum(guardrail.text is not None for guardrail in task.guardrails)


def _worker(task: TaskNode, graph: Graph) -> tuple[int, list[AgentNode]]:
    """Return how often who does *task* may answer, and to whom it may delegate."""
    if graph.manager is not None:
        team = [agent for agent in graph.agents if task.agent_id in (None, agent.id)]
        manager = graph.manager
        return manager.max_iter if isinstance(manager, AgentNode) else MANAGER_MAX_ITER, team
    (doer,) = (agent for agent in graph.agents if agent.id == task.agent_id)
    others = [agent for agent in graph.agents if agent.id != doer.id]
    return doer.max_iter, others if doer.allow_delegation else []
