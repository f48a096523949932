"""Langflow's flows with one of its crews.

Langflow's components contain their source code, which is left out: only the values of their forms
and their connections are read.
"""

from __future__ import annotations

import typing as t

from ...errors import Severity
from ..problem_messages import listing
from ..problem_messages import quote
from .crew_parts import CrewParts
from .crew_tools import ToolUse
from .crewai_fields import CREW
from .draft import Draft
from .files import Files
from .import_result import FILES
from .import_result import Options
from .import_result import Place
from .langflow_flow import Component
from .langflow_flow import Flow
from .langflow_flow import member
from .langflow_texts import ProvidedTexts
from .name_mapping import Names
from .supported_fields import Fields
from .supported_fields import keep_supported

_CREWS: t.Final = {
    "SequentialCrewComponent": "sequential",
    "HierarchicalCrewComponent": "hierarchical",
}
_TASK_WITH_AGENT: t.Final = "SequentialTaskAgentComponent"
_AGENTS: t.Final = frozenset({"CrewAIAgentComponent", _TASK_WITH_AGENT})
_TASKS: t.Final = frozenset(
    {"SequentialTaskComponent", "HierarchicalTaskComponent", _TASK_WITH_AGENT}
)
_OUTSIDE: t.Final = frozenset({"ChatInput", "ChatOutput", "TextInput", "TextOutput", "note"})
"""Components that only show or ask for a text."""
_AGENT_FORM: t.Final = {
    **{name: name for name in ("role", "goal", "backstory", "allow_delegation")},
    **{name: name for name in ("allow_code_execution", "memory", "verbose")},
    "kwargs": "config",
    "agent_kwargs": "config",
}
"""CrewAI's names of the fields of an agent's form; the following are those of other forms."""
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


def read_langflow(files: Files, options: Options, names: Names, draft: Draft) -> None:
    """Read the exported file."""
    if len(files.texts) != 1:
        detail = f"There are {len(files.texts)} files. Send only the exported one."
        draft.refuse(FILES, "one-file", detail, breaks=True)
        return
    (file,) = files.texts
    value = files.jsonc(file)
    if value is None:
        draft.broken = True
        return
    draft.origins[""] = Place(file)
    draft.top["name"] = value.get("name") or options.name or "crew"
    reader = _FlowReader(draft, names, Place(file) / "data")
    reader.flow.read(value.get("data"))
    if not draft.broken:
        reader.read()


class _FlowReader:
    """Reads the crew of a flow."""

    def __init__(self, draft: Draft, names: Names, place: Place) -> None:
        self._draft = draft
        self._parts = CrewParts(draft, names)
        self.flow = Flow(draft, self._parts, place)
        self._texts = ProvidedTexts(self.flow)
        self._place = place
        self._used: set[str] = set()

    def read(self) -> None:
        crews = [node for node in self.flow.components.values() if node.type in _CREWS]
        if len(crews) != 1:
            detail = f"There must be one component of {listing(_CREWS)}, not {len(crews)}."
            self._draft.refuse(self._place / "nodes", "one-crew", detail, breaks=True)
            return
        (crew,) = crews
        self._used.add(crew.id)
        self._draft.top["process"] = _CREWS[crew.type]
        fields = keep_supported(self._fields(crew, _CREW_FORM), CREW, self._draft)
        self._parts.models.add_planning(fields)
        tasks = self.flow.ordered_tasks(crew, _TASKS)
        self._read_agents(crew, tasks)
        self._read_manager(crew)
        for task in tasks:
            self._read_task(task)
        self._parts.finish(self._place / "edges")
        self._note_unused()

    def _fields(self, node: Component, names: dict[str, str]) -> Fields:
        """Return the values of a component's form, with CrewAI's names."""
        found = Fields()
        for field in node.form:
            name = names.get(field, field)
            value = member(node.form, field, "value")
            if field == "code" or value in (None, "", {}, []):
                pass
            elif not member(node.form, field, "load_from_db"):
                found[name] = (value, node.place / field / "value")
            elif "api_key" not in field:
                detail = f"{quote(field)} refers to a variable of Langflow. Write the value itself."
                self._draft.add_note(node.place / field, "left-out", detail)
            if field in names and (sources := self.flow.into(node, field)):
                self._read_connected(node, field, sources[0], names[field], found)
        return found

    def _read_connected(
        self, node: Component, field: str, source: Component, name: str, found: Fields
    ) -> None:
        """Read the text of a component that is connected to a *field*."""
        provided = self._texts.of(source)
        if provided.text is not None:
            self._used |= provided.ids
            found[name] = (provided.text, source.place)
            return
        detail = (
            f"The component {quote(source.id)} provides this value, which is left out."
            " Write a text, with an input such as {topic}."
        )
        self._draft.add_note(node.place / field, "left-out", detail)

    def _read_agents(self, crew: Component, tasks: list[Component]) -> None:
        wanted = {node.id for node in self.flow.into(crew, "agents")}
        wanted |= {node.id for node in self.flow.into(crew, "manager_agent")}
        for task in tasks:
            wanted |= {node.id for node in self.flow.into(task, "agent")}
            if task.type == _TASK_WITH_AGENT:
                wanted.add(task.id)
        for node in self.flow.components.values():
            if node.id in wanted and node.type in _AGENTS:
                self._read_agent(node)

    def _read_agent(self, node: Component) -> None:
        self._used.add(node.id)
        fields = self._fields(node, _AGENT_FORM)
        for model in self.flow.into(node, "llm")[:1]:
            fields["llm"] = (self._model(model), model.place)
        fields["tools"] = (self._tools(node), node.place / "tools")
        self._parts.add_agent(node.id, fields, node.place)

    def _model(self, node: Component) -> Fields:
        self._used.add(node.id)
        fields = self._fields(node, _MODEL_FORM)
        model, place = fields.get("model", (None, node.place))
        if isinstance(model, str):
            provider = member(node.form, "provider", "value") or node.type.removesuffix("Model")
            fields["model"] = (f"{str(provider).lower()}/{model}", place)
        return fields

    def _tools(self, node: Component) -> list[object]:
        found: list[object] = []
        for tool in self.flow.into(node, "tools"):
            self._used.add(tool.id)
            settings = {name: value for name, (value, _) in self._fields(tool, {}).items()}
            found.append((ToolUse(tool.type, settings, options=(tool.id,)), tool.place))
        return found

    def _read_manager(self, crew: Component) -> None:
        for node in self.flow.into(crew, "manager_agent")[:1]:
            if node.id in self._parts.agents:
                self._parts.add_manager(node.id, crew.place / "manager_agent")
                return
        for node in self.flow.into(crew, "manager_llm")[:1]:
            self._parts.add_manager(None, node.place, self._model(node))

    def _read_task(self, node: Component) -> None:
        self._used.add(node.id)
        fields = self._fields(node, _TASK_FORM)
        fields.update({"tools": (self._tools(node), node.place / "tools")})
        if node.type == _TASK_WITH_AGENT:
            fields.update({"agent": (node.id, node.place), "tools": ([], node.place)})
        for agent in self.flow.into(node, "agent")[:1]:
            fields["agent"] = (agent.id, node.place / "agent")
        self._parts.add_task(node.id, fields, node.place)

    def _note_unused(self) -> None:
        components = self.flow.components.values()
        if any("code" in node.form for node in components):
            detail = "The code of the components is left out: graphs contain no code."
            self._draft.add_note(self._place / "nodes", "code-left-out", detail, "info")
        for index, node in enumerate(components):
            if node.id not in self._used:
                severity: Severity = "info" if node.type in _OUTSIDE else "changed"
                detail = f"The component {quote(node.id)} is not in the crew, so it is left out."
                self._draft.add_note(self._place / "nodes" / index, "left-out", detail, severity)
