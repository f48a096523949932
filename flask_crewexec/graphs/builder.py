"""Builds the graph of a document without problems."""

from __future__ import annotations

from .edges import LinkedDraft
from .graph import AgentNode
from .graph import Graph
from .graph import Guardrail
from .graph import LlmNode
from .graph import TaskNode
from .references import find_references
from .references import planning_model
from .review import Review
from .schema import NodeDraft
from .structure import dependencies
from .structure import task_name
from .topological_order import execution_order


def build_graph(linked: LinkedDraft) -> Graph:
    """Return the graph of a draft without problems."""
    manager = next((edge.source for edge in linked.manager_edges), None)
    order = execution_order(dependencies(linked))
    return Graph(
        name=linked.draft.name,
        process=linked.draft.process,
        agents=tuple(_agent(node, linked) for node in linked.nodes("agent") if node != manager),
        tasks=tuple(_task(linked.draft.nodes[task], linked, order) for task in order),
        manager=_manager(manager, linked) if manager else None,
        references=tuple(find_references(linked)),
        declared=linked.draft.inputs,
        planner=planning_model(linked.draft),
    )


def _manager(node: NodeDraft, linked: LinkedDraft) -> AgentNode | LlmNode:
    return _agent(node, linked) if node.type == "agent" else _llm(node)


def _agent(node: NodeDraft, linked: LinkedDraft) -> AgentNode:
    models = [_llm(edge.source) for edge in linked.into(node, "llm")]
    return AgentNode(
        id=node.id,
        llm=models[0] if models else None,
        tools=_tools(node, linked),
        **node.data,
    )


def _llm(node: NodeDraft) -> LlmNode:
    return LlmNode(id=node.id, **node.data)


def _task(node: NodeDraft, linked: LinkedDraft, order: list[str]) -> TaskNode:
    agents = [edge.source.id for edge in linked.into(node, "assign")]
    context = [edge.source.id for edge in linked.into(node, "context")]
    return TaskNode(
        id=node.id,
        name=task_name(node),
        description=node.data["description"],
        expected_output=node.data["expected_output"],
        agent_id=agents[0] if agents else None,
        context=tuple(sorted(context, key=order.index)),
        tools=_tools(node, linked),
        condition=node.data["condition"],
        is_async=node.data["async"],
        markdown=node.data["markdown"],
        output_schema=node.data["output_schema"],
        guardrails=tuple(Guardrail(**each) for each in node.data["guardrails"]),
        guardrail_max_retries=node.data["guardrail_max_retries"],
        review=node.data["review"] or (Review() if node.data["human_input"] else None),
    )


def _tools(node: NodeDraft, linked: LinkedDraft) -> tuple[str, ...]:
    names = [edge.source.data["name"] for edge in linked.into(node, "tool")]
    return tuple(dict.fromkeys(names))
