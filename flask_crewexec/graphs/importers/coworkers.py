"""Agents without a task: coworkers of agents that delegate, or left out."""

from __future__ import annotations

from collections.abc import Mapping

from .draft import Draft
from .import_result import Place


def connect_coworkers(draft: Draft, agents: Mapping[str, Place]) -> None:
    """Connect *agents* without a task with those that may delegate to them, or remove them.

    :param agents: ids of nodes, and where they come from.
    """
    with_task = {edge["source"] for edge in draft.edges if edge["source"] in agents}
    idle = [id for id in agents if id not in with_task]
    delegating = [id for id in agents if draft.data(id).get("allow_delegation") is True]
    if with_task and with_task.isdisjoint(delegating):
        draft.remove(idle)
        for id in idle:
            detail = "No task and no agent that delegates needs this agent, so it is left out."
            draft.add_note(agents[id], "unused-agent", detail, "info")
        return
    for id in idle:
        for other in delegating:
            if other != id:
                draft.add_edge(other, id, agents[id], "coworker")
