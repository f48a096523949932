"""Rules about the whole: who has which task, who manages, what is left over."""

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


def find_structure_problems(sketch: LinkedDraft) -> list[Problem]:
    """Return what keeps the nodes and edges together from being a crew."""
    rules = [*_RULES, *(_HIERARCHICAL if _is_hierarchical(sketch) else _SEQUENTIAL)]
    return [problem for rule in rules for problem in rule(sketch)]


def dependencies(sketch: LinkedDraft) -> dict[str, list[str]]:
    """Return for each task, in document order, the tasks whose outputs it reads."""
    return {
        task.id: [link.source.id for link in sketch.into(task, "context")]
        for task in sketch.nodes("task")
    }


def _is_hierarchical(sketch: LinkedDraft) -> bool:
    return sketch.draft.process == "hierarchical"


def _has_agents_and_tasks(sketch: LinkedDraft) -> Iterator[Problem]:
    for kind in ("agent", "task"):
        if not sketch.nodes(kind):
            detail = f"The graph has no {kind}. Add at least one."
            yield Problem("/nodes", f"no-{kind}s", detail)


def _roles_are_unique(sketch: LinkedDraft) -> Iterator[Problem]:
    agents = [node for node in sketch.nodes("agent") if "role" in node.data]
    for agent in _repeated(agents, lambda node: _fold(node.data["role"])):
        detail = f"Another agent has the role {quote(agent.data['role'])}. Give each its own."
        yield Problem(f"{agent.pointer}/data/role", "duplicate-role", detail)


def _fold(role: str) -> str:
    # CrewAI compares roles like this when one agent delegates to another.
    return " ".join(role.split()).replace('"', "").casefold()


def _task_names_are_unique(sketch: LinkedDraft) -> Iterator[Problem]:
    for task in _repeated(sketch.nodes("task"), task_name):
        where = f"{task.pointer}/data/name" if task.data.get("name") else f"{task.pointer}/id"
        detail = f"Another task is named {quote(task_name(task))}. Give each task its own name."
        yield Problem(where, "duplicate-task-name", detail)


def task_name(task: NodeDraft) -> str:
    """Return the name of a task, which is its node's id unless it has one."""
    return task.data.get("name") or task.id


def _repeated(nodes: Iterable[NodeDraft], key: Callable[[NodeDraft], str]) -> Iterator[NodeDraft]:
    seen: set[str] = set()
    for node in nodes:
        if key(node) in seen:
            yield node
        seen.add(key(node))


def _one_agent_per_task(sketch: LinkedDraft) -> Iterator[Problem]:
    for task in sketch.nodes("task"):
        for link in sketch.into(task, "assign")[1:]:
            detail = f"The {task.title} already has an agent. Keep one of these edges."
            yield Problem(link.pointer, "task-with-two-agents", detail)


def _one_model_per_agent(sketch: LinkedDraft) -> Iterator[Problem]:
    for agent in sketch.nodes("agent"):
        for link in sketch.into(agent, "llm")[1:]:
            detail = f"The {agent.title} already has a model. Keep one of these edges."
            yield Problem(link.pointer, "agent-with-two-models", detail)


def _tools_and_models_are_used(sketch: LinkedDraft) -> Iterator[Problem]:
    ends = {end for edge in sketch.draft.edges for end in (edge.source, edge.target)}
    for node in sketch.nodes("tool", "llm"):
        if node.id not in ends:
            detail = f"The {node.title} is connected to nothing. Connect it or remove it."
            yield Problem(node.pointer, "unused-node", detail)


def _tasks_have_no_cycle(sketch: LinkedDraft) -> Iterator[Problem]:
    for cycle in find_cycles(dependencies(sketch)):
        path = " → ".join([*cycle, cycle[0]])
        detail = f"These tasks wait for each other: {path}. Remove one of the edges."
        yield Problem(sketch.draft.nodes[cycle[0]].pointer, "cycle", detail)


def _every_task_has_an_agent(sketch: LinkedDraft) -> Iterator[Problem]:
    for task in sketch.nodes("task"):
        if not sketch.into(task, "assign"):
            detail = f"Nobody does the {task.title}. Draw an edge from an agent to it."
            yield Problem(task.pointer, "task-without-agent", detail)


def _every_agent_has_a_task(sketch: LinkedDraft) -> Iterator[Problem]:
    for agent in sketch.nodes("agent"):
        if not sketch.out_of(agent, "assign"):
            detail = f"The {agent.title} has nothing to do. Give it a task or remove it."
            yield Problem(agent.pointer, "unused-agent", detail)


def _first_task_has_no_condition(sketch: LinkedDraft) -> Iterator[Problem]:
    for task in _in_order(sketch)[:1]:
        if task.data.get("condition"):
            detail = (
                f"The {task.title} comes first: nothing is there to judge by. Remove its condition."
            )
            yield Problem(f"{task.pointer}/data/condition", "first-task-conditional", detail)


def _async_tasks_can_run(sketch: LinkedDraft) -> Iterator[Problem]:
    for task in sketch.nodes("task"):
        where = f"{task.pointer}/data/async"
        if not task.data.get("async"):
            continue
        if task.data.get("condition"):
            detail = f"The {task.title} cannot have a condition and be async. Keep one of the two."
            yield Problem(where, "async-condition", detail)
        for link in sketch.into(task, "assign"):
            if link.source.data.get("allow_delegation"):
                detail = f"Who does the {task.title} may delegate, so it must not be async."
                yield Problem(where, "async-delegation", detail)
        if _is_hierarchical(sketch):
            detail = f"The {task.title} must not be async: a manager does one after the other."
            yield Problem(where, "async-managed", detail)


def _async_tasks_are_independent(sketch: LinkedDraft) -> Iterator[Problem]:
    beside: list[NodeDraft] = []
    for task in _in_order(sketch):
        if not task.data.get("async"):
            beside.clear()
            continue
        for link in sketch.into(task, "context"):
            if link.source in beside:
                detail = f"The {task.title} runs beside the {link.source.title}. Remove this edge."
                yield Problem(link.pointer, "async-reads-async", detail)
        beside.append(task)
    for task in beside[1:]:
        detail = f"The {task.title} must wait: only one async task may stand at the end."
        yield Problem(f"{task.pointer}/data/async", "async-at-end", detail)


def _in_order(sketch: LinkedDraft) -> list[NodeDraft]:
    """Return the tasks as they run; none while they wait for each other."""
    before = dependencies(sketch)
    if find_cycles(before):
        return []
    return [sketch.draft.nodes[id] for id in execution_order(before)]


def _nobody_manages(sketch: LinkedDraft) -> Iterator[Problem]:
    for link in sketch.managing:
        detail = 'Only a graph with the process "hierarchical" has a manager. Change one of them.'
        yield Problem(link.pointer, "manager-in-sequential", detail)


def _one_manager(sketch: LinkedDraft) -> Iterator[Problem]:
    managing = sketch.managing
    if not managing:
        detail = (
            'A hierarchical graph needs a manager. Draw edges of type "manager" from one agent '
            "or one llm to the agents."
        )
        yield Problem("/process", "no-manager", detail)
    for link in managing:
        if link.source.id != managing[0].source.id:
            detail = f"The {managing[0].source.title} is the manager already. There can be one."
            yield Problem(f"{link.pointer}/source", "two-managers", detail)


def _managers_only_manage(sketch: LinkedDraft) -> Iterator[Problem]:
    for manager in _managing_agents(sketch.managing):
        for link in sketch.into(manager, "tool"):
            detail = f"The {manager.title} manages and cannot use tools. Remove this edge."
            yield Problem(link.pointer, "manager-with-tools", detail)
        for link in sketch.out_of(manager, "assign"):
            detail = f"The {manager.title} manages and cannot have tasks. Remove this edge."
            yield Problem(link.pointer, "manager-with-task", detail)


def _managing_agents(managing: Iterable[ResolvedEdge]) -> list[NodeDraft]:
    agents = {link.source.id: link.source for link in managing if link.source.type == "agent"}
    return list(agents.values())


Rule = Callable[[LinkedDraft], Iterator[Problem]]

_RULES: tuple[Rule, ...] = (
    _has_agents_and_tasks,
    _roles_are_unique,
    _task_names_are_unique,
    _one_agent_per_task,
    _one_model_per_agent,
    _tools_and_models_are_used,
    _tasks_have_no_cycle,
    _first_task_has_no_condition,
    _async_tasks_can_run,
    _async_tasks_are_independent,
)
_SEQUENTIAL: tuple[Rule, ...] = (
    _every_task_has_an_agent,
    _every_agent_has_a_task,
    _nobody_manages,
)
_HIERARCHICAL: tuple[Rule, ...] = (_one_manager, _managers_only_manage)
