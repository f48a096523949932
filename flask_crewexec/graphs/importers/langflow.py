"""A flow of Langflow around one of its crews.

Langflow's components carry their source code; it is left out, and only what their forms hold and
how they are connected is read.
"""

from __future__ import annotations

import json
import typing as t

from ..problem_messages import kind_of
from ..problem_messages import listing
from ..problem_messages import quote
from .crew_parts import Parts
from .crewai_fields import CREW
from .crewai_fields import Fields
from .crewai_fields import keep_carried
from .crewai_fields import TOOL
from .draft import Draft
from .files import Files
from .import_result import FILES
from .import_result import Json
from .import_result import Options
from .import_result import Place
from .name_mapping import Names

_CREWS: t.Final = {
    "SequentialCrewComponent": "sequential",
    "HierarchicalCrewComponent": "hierarchical",
}
_BOTH_IN_ONE: t.Final = "SequentialTaskAgentComponent"
_AGENTS: t.Final = frozenset({"CrewAIAgentComponent", _BOTH_IN_ONE})
_TASKS: t.Final = frozenset({"SequentialTaskComponent", "HierarchicalTaskComponent", _BOTH_IN_ONE})
_AGENT_FORM: t.Final = {
    **{name: name for name in ("role", "goal", "backstory", "allow_delegation")},
    **{name: name for name in ("allow_code_execution", "memory", "verbose")},
    "kwargs": "config",
    "agent_kwargs": "config",
}
_TASK_FORM: t.Final = {
    "task_description": "description",
    "expected_output": "expected_output",
    "async_execution": "async_execution",
}
_CREW_FORM: t.Final = {
    "verbose": "verbose",
    "memory": "memory",
    "use_cache": "cache",
    "max_rpm": "max_rpm",
    "share_crew": "share_crew",
}
_MODEL_FORM: t.Final = {
    "model_name": "model",
    "temperature": "temperature",
    "max_tokens": "max_tokens",
    "base_url": "base_url",
    "openai_api_base": "base_url",
    "api_key": "api_key",
    "openai_api_key": "api_key",
}
"""What a form's field is called at CrewAI."""


class _Node(t.NamedTuple):
    id: str
    type: str
    form: Json
    place: Place


def read_langflow(files: Files, options: Options, names: Names, draft: Draft) -> None:
    """Read the only file."""
    if len(files.texts) != 1:
        detail = f"There are {len(files.texts)} files. Send the one that was exported."
        draft.refuse(FILES, "one-file", detail, breaks=True)
        return
    (file,) = files.texts
    value = files.jsonc(file)
    if value is None:
        draft.broken = True
        return
    draft.origins[""] = Place(file)
    draft.top["name"] = value.get("name") or options.name or "crew"
    flow = _Flow(draft, names, Place(file) / "data")
    flow.open(value.get("data"))
    if not draft.broken:
        flow.read()


class _Flow:
    def __init__(self, draft: Draft, names: Names, place: Place) -> None:
        self._draft = draft
        self._parts = Parts(draft, names)
        self._place = place
        self._nodes: dict[str, _Node] = {}
        self._into: dict[tuple[str, str], list[_Node]] = {}
        self._used: set[str] = set()

    def open(self, data: object) -> None:
        members = self._parts.members(data, self._place)
        for name, read in (("nodes", self._open_node), ("edges", self._open_edge)):
            parts = (members or {}).get(name)
            place = self._place / name
            if not isinstance(parts, list):
                detail = f"{quote(name)} must be a list, not {kind_of(parts)}."
                self._draft.refuse(place, "wrong-type", detail, breaks=True)
            elif name == "edges" or self._parts.fits(parts, place):
                for index, part in enumerate(parts):
                    read(part, place / index)

    def _open_node(self, value: object, place: Place) -> None:
        data = _at(value, "data")
        id, kind, form = _at(value, "id"), _at(data, "type"), _at(data, "node", "template")
        if not isinstance(id, str) or id in self._nodes:
            detail = "A node needs an id of its own."
            self._draft.refuse(place / "id", "invalid-id", detail, breaks=True)
            return
        form = form if isinstance(form, dict) else {}
        at = place / "data" / "node" / "template"
        self._nodes[id] = _Node(id, kind if isinstance(kind, str) else "", form, at)

    def _open_edge(self, value: object, place: Place) -> None:
        source, target = _at(value, "source"), _at(value, "target")
        field = _at(_handle(value), "fieldName")
        if not all(isinstance(end, str) and end in self._nodes for end in (source, target)):
            detail = "The edge leads from or to a node that is not there. Remove it."
            self._draft.refuse(place, "unknown-node", detail, breaks=True)
        elif isinstance(field, str):
            self._into.setdefault((target, field), []).append(self._nodes[source])

    def read(self) -> None:
        crews = [node for node in self._nodes.values() if node.type in _CREWS]
        if len(crews) != 1:
            detail = f"There must be one component of {listing(_CREWS)}, not {len(crews)}."
            self._draft.refuse(self._place / "nodes", "one-crew", detail, breaks=True)
            return
        (crew,) = crews
        self._used.add(crew.id)
        self._draft.top["process"] = _CREWS[crew.type]
        self._parts.plan(keep_carried(self._fields(crew, _CREW_FORM), CREW, self._draft))
        tasks = self._tasks(crew)
        self._read_agents(crew, tasks)
        self._read_manager(crew)
        for task in tasks:
            self._read_task(task)
        self._parts.check_edges(self._place / "edges")
        self._note_rest()

    def _fields(self, node: _Node, names: dict[str, str]) -> Fields:
        """Return what a component's form holds, with the names that CrewAI has for it."""
        found = Fields()
        for field in node.form:
            name = names.get(field, field)
            value = _at(node.form, field, "value")
            if field == "code" or value in (None, "", {}, []):
                pass
            elif not _at(node.form, field, "load_from_db"):
                found[name] = (value, node.place / field / "value")
            elif "api_key" not in field:
                detail = f"{quote(field)} names a variable of Langflow. Write the value itself."
                self._draft.note(node.place / field, "not-carried", detail)
            if field in names and (feeding := self._into.get((node.id, field))):
                self._note_feeding(node, field, feeding[0])
        return found

    def _note_feeding(self, node: _Node, field: str, source: _Node) -> None:
        detail = (
            f"The component {quote(source.id)} fills in this field, which a graph cannot say."
            " Write the text, with an input such as {topic}."
        )
        self._draft.note(node.place / field, "not-carried", detail)

    def _tasks(self, crew: _Node) -> list[_Node]:
        """Return the crew's tasks, each behind those that it continues."""
        ordered: dict[str, _Node] = {}
        pending = [(node, False) for node in reversed(self._into.get((crew.id, "tasks"), []))]
        open_: set[str] = set()
        while pending:
            node, done = pending.pop()
            if done:
                ordered[node.id] = node
            elif node.id in open_ and node.id not in ordered:
                detail = f"The task {quote(node.id)} waits for itself. Remove one of the edges."
                self._draft.refuse(self._place / "edges", "cycle", detail, breaks=True)
            elif node.id not in ordered and node.type in _TASKS:
                open_.add(node.id)
                pending.append((node, True))
                before = [
                    *self._into.get((node.id, "task"), []),
                    *self._into.get((node.id, "previous_task"), []),
                ]
                pending += [(other, False) for other in reversed(before)]
        return [*ordered.values()]

    def _read_agents(self, crew: _Node, tasks: list[_Node]) -> None:
        wanted = {node.id for node in self._into.get((crew.id, "agents"), [])}
        wanted |= {node.id for node in self._into.get((crew.id, "manager_agent"), [])}
        for task in tasks:
            wanted |= {node.id for node in self._into.get((task.id, "agent"), [])}
            if task.type == _BOTH_IN_ONE:
                wanted.add(task.id)
        for node in self._nodes.values():
            if node.id in wanted and node.type in _AGENTS:
                self._read_agent(node)

    def _read_agent(self, node: _Node) -> None:
        self._used.add(node.id)
        fields = self._fields(node, _AGENT_FORM)
        for model in self._into.get((node.id, "llm"), [])[:1]:
            fields["llm"] = (self._model(model), model.place)
        fields["tools"] = (self._tools(node), node.place / "tools")
        self._parts.agent(node.id, fields, node.place)

    def _model(self, node: _Node) -> Fields:
        self._used.add(node.id)
        fields = self._fields(node, _MODEL_FORM)
        model, place = fields.get("model", (None, node.place))
        if isinstance(model, str):
            provider = _at(node.form, "provider", "value") or node.type.removesuffix("Model")
            fields["model"] = (f"{str(provider).lower()}/{model}", place)
        return fields

    def _tools(self, node: _Node) -> list[object]:
        tools = self._into.get((node.id, "tools"), [])
        for tool in tools:
            if tool.id not in self._used:
                self._used.add(tool.id)
                settings = {name: value for name, (value, _) in self._fields(tool, {}).items()}
                fields = Fields({"parameters": (settings, tool.place)})
                keep_carried(fields, TOOL, self._draft)
        return [(tool.type, tool.place) for tool in tools]

    def _read_manager(self, crew: _Node) -> None:
        for node in self._into.get((crew.id, "manager_agent"), [])[:1]:
            if node.id in self._parts.agents:
                self._parts.manage(node.id, crew.place / "manager_agent")
                return
        for node in self._into.get((crew.id, "manager_llm"), [])[:1]:
            self._parts.manage(None, node.place, self._model(node))

    def _read_task(self, node: _Node) -> None:
        self._used.add(node.id)
        fields = self._fields(node, _TASK_FORM)
        fields.update({"tools": (self._tools(node), node.place / "tools")})
        if node.type == _BOTH_IN_ONE:
            fields.update({"agent": (node.id, node.place), "tools": ([], node.place)})
        for agent in self._into.get((node.id, "agent"), [])[:1]:
            fields["agent"] = (agent.id, node.place / "agent")
        self._parts.task(node.id, fields, node.place)

    def _note_rest(self) -> None:
        if any("code" in node.form for node in self._nodes.values()):
            detail = "The code of the components is left out: a graph has none."
            self._draft.note(self._place / "nodes", "code-left-out", detail)
        for index, node in enumerate(self._nodes.values()):
            if node.id not in self._used:
                detail = (
                    f"The component {quote(node.id)} is no part of the crew, so it is left out."
                )
                self._draft.note(self._place / "nodes" / index, "not-carried", detail)


def _at(value: object, *names: str) -> t.Any:
    """Return what the path of *names* leads to, None if it leads nowhere."""
    for name in names:
        value = value.get(name) if isinstance(value, dict) else None
    return value


def _handle(edge: object) -> object:
    """Return where an edge ends; older flows write it as a text with odd quotes."""
    handle = _at(edge, "data", "targetHandle") or _at(edge, "targetHandle")
    if not isinstance(handle, str):
        return handle
    try:
        return json.loads(handle.replace("œ", '"'))
    except (ValueError, RecursionError):
        return None
