"""Rules about the structure of a graph: assignments, managers, unused nodes, cycles."""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Iterable
from collections.abc import Iterator

from ..errors import Problem
from .edges import LinkedDraft
from .edges import ResolvedEdge
from .problem_messages import quote
from .schema import NodeDraft
from .topological_order import execution_order
from .topological_order import find_cycles
from .topological_order import has_cycle


def find_structure_problems(linked: LinkedDraft) -> list[Problem]:
    """Return the problems of the structure."""
    rules = [*_RULES, *(_HIERARCHICAL if _is_hierarchical(linked) else _SEQUENTIAL)]
    return [problem for rule in rules for problem in rule(linked)]


def dependencies(linked: LinkedDraft) -> dict[str, list[str]]:
    """Return for each task, in document order, the tasks whose outputs it reads."""
    return {
        task.id: [edge.source.id for edge in linked.into(task, "context")]
        for task in linked.nodes("task")
    }


def _is_hierarchical(linked: LinkedDraft) -> bool:
    return linked.draft.process == "hierarchical"


def _has_agents_and_tasks(linked: LinkedDraft) -> Iterator[Problem]:
    for kind in ("agent", "task"):
        if not linked.nodes(kind):
            detail = f"The graph has no {kind}. Add at least one."
            yield Problem("/nodes", f"no-{kind}s", detail)


def _roles_are_unique(linked: LinkedDraft) -> Iterator[Problem]:
    agents = [node for node in linked.nodes("agent") if "role" in node.data]
    for agent in _repeated(agents, lambda node: _fold(node.data["role"])):
        detail = (
            f"Another agent has the role {quote(agent.data['role'])}. Give each agent its own role."
        )
        yield Problem(f"{agent.pointer}/data/role", "duplicate-role", detail)


def _fold(role: str) -> str:
    # CrewAI compares roles in this way when an agent delegates.
    return " ".join(role.split()).replace('"', "").casefold()


def _task_names_are_unique(linked: LinkedDraft) -> Iterator[Problem]:
    for task in _repeated(linked.nodes("task"), task_name):
        where = f"{task.pointer}/data/name" if task.data.get("name") else f"{task.pointer}/id"
        detail = f"Another task is named {quote(task_name(task))}. Give each task its own name."
        yield Problem(where, "duplicate-task-name", detail)


def task_name(task: NodeDraft) -> str:
    """Return the name of a task, which is by default the id of its node."""
    return task.data.get("name") or task.id


def _repeated(nodes: Iterable[NodeDraft], key: Callable[[NodeDraft], str]) -> Iterator[NodeDraft]:
    seen: set[str] = set()
    for node in nodes:
        if key(node) in seen:
            yield node
        seen.add(key(node))


def _one_agent_per_task(linked: LinkedDraft) -> Iterator[Problem]:
    for task in linked.nodes("task"):
        for edge in linked.into(task, "assign")[1:]:
            detail = f"The {task.title} already has an agent. Keep one of these edges."
            yield Problem(edge.pointer, "task-with-two-agents", detail)


def _one_model_per_agent(linked: LinkedDraft) -> Iterator[Problem]:
    for agent in linked.nodes("agent"):
        for edge in linked.into(agent, "llm")[1:]:
            detail = f"The {agent.title} already has a model. Keep one of these edges."
            yield Problem(edge.pointer, "agent-with-two-models", detail)


def _tools_and_models_are_used(linked: LinkedDraft) -> Iterator[Problem]:
    ends = {end for edge in linked.draft.edges for end in (edge.source, edge.target)}
    for node in linked.nodes("tool", "llm"):
        if node.id not in ends:
            detail = f"The {node.title} is not connected. Connect it or remove it."
            yield Problem(node.pointer, "unused-node", detail)


def _approvals_agree(linked: LinkedDraft) -> Iterator[Problem]:
    for tool, other in _contradictions(linked, "approval"):
        detail = (
            f"The {other.title} says otherwise how calls of this tool are approved. Remove one of"
            " them: it holds for all calls of the tool."
        )
        yield Problem(f"{tool.pointer}/data/approval", "two-approvals", detail)


def _questions_agree(linked: LinkedDraft) -> Iterator[Problem]:
    for tool, other in _contradictions(linked, "question"):
        detail = (
            f"The {other.title} says otherwise how people are asked. Remove what one of them says:"
            " it holds for all questions."
        )
        yield Problem(f"{tool.pointer}/data", "two-questions", detail)


def _contradictions(linked: LinkedDraft, field: str) -> Iterator[tuple[NodeDraft, NodeDraft]]:
    """Yield the tool nodes that contradict another one of the same tool, with that."""
    first: dict[str, NodeDraft] = {}
    for tool in linked.nodes("tool"):
        value = tool.data.get(field)
        if value is None or "name" not in tool.data:
            continue
        other = first.setdefault(tool.data["name"], tool)
        if other.data[field] != value:
            yield tool, other


def _tasks_have_no_cycle(linked: LinkedDraft) -> Iterator[Problem]:
    for cycle in find_cycles(dependencies(linked)):
        path = " → ".join([*cycle, cycle[0]])
        detail = f"These tasks wait for each other: {path}. Remove one of the edges."
        yield Problem(linked.draft.nodes[cycle[0]].pointer, "cycle", detail)


def _every_task_has_an_agent(linked: LinkedDraft) -> Iterator[Problem]:
    for task in linked.nodes("task"):
        if not linked.into(task, "assign"):
            detail = f"The {task.title} has no agent. Draw an edge from an agent to it."
            yield Problem(task.pointer, "task-without-agent", detail)


def _every_agent_is_needed(linked: LinkedDraft) -> Iterator[Problem]:
    needed = _needed_agents(linked)
    for agent in linked.nodes("agent"):
        if agent.id not in needed:
            detail = (
                f"The {agent.title} has no task. Give it a task, make it the coworker of an agent"
                " that may delegate, or remove it."
            )
            yield Problem(agent.pointer, "unused-agent", detail)


def _needed_agents(linked: LinkedDraft) -> set[str]:
    """Return the ids of the agents with a task, and of the coworkers that these can reach."""
    needed: set[str] = set()
    pending = [node for node in linked.nodes("agent") if linked.out_of(node, "assign")]
    while pending:
        agent = pending.pop()
        if agent.id not in needed:
            needed.add(agent.id)
            pending += [edge.target for edge in linked.out_of(agent, "coworker")]
    return needed


def _coworkers_are_asked(linked: LinkedDraft) -> Iterator[Problem]:
    for edge in linked.edges:
        if edge.meaning == "coworker" and edge.source.data.get("allow_delegation") is False:
            detail = (
                f'The {edge.source.title} does not delegate. Set its "allow_delegation" to true, or'
                " remove this edge."
            )
            yield Problem(edge.pointer, "coworker-without-delegation", detail)


def _no_coworkers(linked: LinkedDraft) -> Iterator[Problem]:
    for edge in linked.edges:
        if edge.meaning == "coworker":
            detail = "The manager of this graph may ask every agent. Remove this edge."
            yield Problem(edge.pointer, "coworker-in-hierarchical", detail)


def _first_task_has_no_condition(linked: LinkedDraft) -> Iterator[Problem]:
    for task in _in_order(linked)[:1]:
        if task.data.get("condition"):
            detail = (
                f"The {task.title} comes first, so its condition has nothing to check. Remove it."
            )
            yield Problem(f"{task.pointer}/data/condition", "first-task-conditional", detail)


def _async_tasks_can_run(linked: LinkedDraft) -> Iterator[Problem]:
    for task in linked.nodes("task"):
        where = f"{task.pointer}/data/async"
        if not task.data.get("async"):
            continue
        if task.data.get("condition"):
            detail = f"The {task.title} cannot have a condition and be async. Keep one of the two."
            yield Problem(where, "async-condition", detail)
        for edge in linked.into(task, "assign"):
            if edge.source.data.get("allow_delegation"):
                detail = (
                    f"The agent of the {task.title} may delegate, so the task must not be async."
                )
                yield Problem(where, "async-delegation", detail)
        if _is_hierarchical(linked):
            detail = (
                f"The {task.title} must not be async, because a manager runs one task at a time."
            )
            yield Problem(where, "async-managed", detail)


def _async_tasks_are_independent(linked: LinkedDraft) -> Iterator[Problem]:
    running: list[NodeDraft] = []
    for task in _in_order(linked):
        if not task.data.get("async"):
            running.clear()
            continue
        for edge in linked.into(task, "context"):
            if edge.source in running:
                detail = (
                    f"The {task.title} runs at the same time as the {edge.source.title}."
                    " Remove this edge."
                )
                yield Problem(edge.pointer, "async-reads-async", detail)
        running.append(task)
    for task in running[1:]:
        detail = f"The {task.title} must not be async: only one async task may be last."
        yield Problem(f"{task.pointer}/data/async", "async-at-end", detail)


def _in_order(linked: LinkedDraft) -> list[NodeDraft]:
    """Return the tasks in execution order; none if there is a cycle."""
    before = dependencies(linked)
    if has_cycle(before):
        return []
    return [linked.draft.nodes[id] for id in execution_order(before)]


def _no_manager(linked: LinkedDraft) -> Iterator[Problem]:
    for edge in linked.manager_edges:
        detail = (
            'Only a graph with the process "hierarchical" has a manager. Change the process, or'
            " remove the edge."
        )
        yield Problem(edge.pointer, "manager-in-sequential", detail)


def _one_manager(linked: LinkedDraft) -> Iterator[Problem]:
    edges = linked.manager_edges
    if not edges:
        detail = (
            'A hierarchical graph needs a manager. Draw edges of type "manager" from one agent '
            "or one llm to the other agents."
        )
        yield Problem("/process", "no-manager", detail)
    for edge in edges:
        if edge.source.id != edges[0].source.id:
            detail = f"The {edges[0].source.title} is already the manager. There can be only one."
            yield Problem(f"{edge.pointer}/source", "two-managers", detail)


def _managers_only_manage(linked: LinkedDraft) -> Iterator[Problem]:
    for manager in _manager_agents(linked.manager_edges):
        for edge in linked.into(manager, "tool"):
            detail = f"The {manager.title} is the manager and cannot use tools. Remove this edge."
            yield Problem(edge.pointer, "manager-with-tools", detail)
        for edge in linked.out_of(manager, "assign"):
            detail = f"The {manager.title} is the manager and cannot have tasks. Remove this edge."
            yield Problem(edge.pointer, "manager-with-task", detail)


def _manager_agents(edges: Iterable[ResolvedEdge]) -> list[NodeDraft]:
    agents = {edge.source.id: edge.source for edge in edges if edge.source.type == "agent"}
    return list(agents.values())


Rule = Callable[[LinkedDraft], Iterator[Problem]]

_RULES: tuple[Rule, ...] = (
    _has_agents_and_tasks,
    _roles_are_unique,
    _task_names_are_unique,
    _one_agent_per_task,
    _one_model_per_agent,
    _tools_and_models_are_used,
    _approvals_agree,
    _questions_agree,
    _tasks_have_no_cycle,
    _first_task_has_no_condition,
    _async_tasks_can_run,
    _async_tasks_are_independent,
)
_SEQUENTIAL: tuple[Rule, ...] = (
    _every_task_has_an_agent,
    _every_agent_is_needed,
    _coworkers_are_asked,
    _no_manager,
)
_HIERARCHICAL: tuple[Rule, ...] = (_one_manager, _managers_only_manage, _no_coworkers)
