"""From a sketch without problems to the graph."""

from __future__ import annotations

from .edges import LinkedDraft
from .graph import AgentNode
from .graph import Graph
from .graph import Guardrail
from .graph import LlmNode
from .graph import TaskNode
from .references import find_references
from .references import planning_model
from .schema import NodeDraft
from .structure import dependencies
from .structure import task_name
from .topological_order import execution_order


def build_graph(sketch: LinkedDraft) -> Graph:
    """Return the graph that a sketch without problems stands for."""
    manager = next((link.source for link in sketch.managing), None)
    order = execution_order(dependencies(sketch))
    return Graph(
        name=sketch.draft.name,
        process=sketch.draft.process,
        agents=tuple(_agent(node, sketch) for node in sketch.nodes("agent") if node != manager),
        tasks=tuple(_task(sketch.draft.nodes[task], sketch, order) for task in order),
        manager=_manager(manager, sketch) if manager else None,
        references=tuple(find_references(sketch)),
        declared=sketch.draft.inputs,
        planner=planning_model(sketch.draft),
    )


def _manager(node: NodeDraft, sketch: LinkedDraft) -> AgentNode | LlmNode:
    return _agent(node, sketch) if node.type == "agent" else _llm(node)


def _agent(node: NodeDraft, sketch: LinkedDraft) -> AgentNode:
    models = [_llm(link.source) for link in sketch.into(node, "llm")]
    return AgentNode(
        id=node.id,
        llm=models[0] if models else None,
        tools=_tools(node, sketch),
        **node.data,
    )


def _llm(node: NodeDraft) -> LlmNode:
    return LlmNode(id=node.id, **node.data)


def _task(node: NodeDraft, sketch: LinkedDraft, order: list[str]) -> TaskNode:
    agents = [link.source.id for link in sketch.into(node, "assign")]
    context = [link.source.id for link in sketch.into(node, "context")]
    return TaskNode(
        id=node.id,
        name=task_name(node),
        description=node.data["description"],
        expected_output=node.data["expected_output"],
        agent_id=agents[0] if agents else None,
        context=tuple(sorted(context, key=order.index)),
        tools=_tools(node, sketch),
        condition=node.data["condition"],
        is_async=node.data["async"],
        markdown=node.data["markdown"],
        output_schema=node.data["output_schema"],
        guardrails=tuple(Guardrail(**each) for each in node.data["guardrails"]),
        guardrail_max_retries=node.data["guardrail_max_retries"],
    )


def _tools(node: NodeDraft, sketch: LinkedDraft) -> tuple[str, ...]:
    names = [link.source.data["name"] for link in sketch.into(node, "tool")]
    return tuple(dict.fromkeys(names))
