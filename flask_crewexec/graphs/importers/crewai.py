"""CrewAI's ``crew.jsonc`` with agents in ``agents/<name>.jsonc`` or within it."""

from __future__ import annotations

import posixpath
import typing as t

from ..graph import DEFAULT_MODEL
from ..problem_messages import kind_of
from ..problem_messages import quote
from .choose_crew import choose_crew
from .classic import read_classic
from .crew_parts import CrewParts
from .crewai_fields import CREW
from .draft import Draft
from .files import Files
from .find_schema import schema_finder
from .flow_definition import find_flow
from .flow_definition import flow_crews
from .import_result import FILES
from .import_result import Json
from .import_result import Options
from .import_result import Place
from .inputs import declare_inputs
from .name_mapping import Names
from .python_source import PythonProject
from .supported_fields import Fields
from .supported_fields import fields_of
from .supported_fields import keep_supported
from .task_checks import reference_of


def read_crewai(files: Files, options: Options, names: Names, draft: Draft) -> None:
    """Read a project of ``crewai create crew``, or a ``CrewDefinition``."""
    file = _find_definition(files)
    flow = None if file else find_flow(files)
    if flow is not None:
        crews = flow_crews(flow, files, draft)
        crew = None if draft.broken else choose_crew(crews, options, draft)
        if crew is not None:
            kept = keep_supported(crew, CREW, draft)
            _CrewReader(files, draft, names, Place(flow), kept).read(options)
        return
    if file is None and any(name.endswith((".py", ".yaml", ".yml")) for name in files.texts):
        read_classic(files, options, names, draft)
        return
    if file is None:
        detail = 'There is no file "crew.jsonc", "crew.json" or "crew.py". Add it.'
        draft.refuse(FILES, "missing-file", detail, breaks=True)
        return
    definition = files.jsonc(file)
    if definition is None:
        draft.broken = True
        return
    place = Place(file)
    kept = keep_supported(fields_of(definition, place), CREW, draft)
    _CrewReader(files, draft, names, place, kept).read(options)


def _find_definition(files: Files) -> str | None:
    """Return the name of the crew's file, which is the only one of its name in any folder."""
    file = files.find("crew.jsonc", "crew.json")
    ends = ("/crew.jsonc", "/crew.json")
    others = [name for name in files.texts if name.endswith(ends) and ".." not in name]
    return file or (others[0] if len(others) == 1 else None)


class _CrewReader:
    """Reads the parts of a crew, with its agents' files."""

    def __init__(
        self, files: Files, draft: Draft, names: Names, place: Place, fields: Fields
    ) -> None:
        self._files = files
        self._draft = draft
        project = PythonProject(files, draft)
        self._parts = CrewParts(draft, names, schema_finder(names, project, draft))
        self._place = place
        self._fields = fields

    def read(self, options: Options) -> None:
        name = self._fields.value("name")
        process = self._fields.value("process")
        self._draft.top["name"] = (options.name or "crew") if name is None else name
        self._draft.top["process"] = "sequential" if process is None else process
        self._draft.origins["/nodes"] = self._place
        self._draft.origins[""] = self._place
        self._read_agents()
        self._read_manager()
        self._parts.models.add_planning(self._fields)
        self._read_tasks()
        self._read_inputs()

    def _read_inputs(self) -> None:
        inputs, place = self._fields.get("inputs", (None, self._place))
        if inputs is not None and (defaults := self._draft.members(inputs, place)) is not None:
            declare_inputs(defaults, place, self._draft)

    def _read_agents(self) -> None:
        agents, place = self._fields.get("agents", (None, self._place / "agents"))
        if isinstance(agents, dict):
            entries = [(name, value, place / name) for name, value in agents.items()]
        elif isinstance(agents, list):
            entries = [self._entry(value, place / index) for index, value in enumerate(agents)]
        else:
            detail = f"'agents' must be a list of names, not {kind_of(agents)}."
            self._draft.refuse(place, "wrong-type", detail, breaks=True)
            return
        if self._parts.has_valid_size(entries, place):
            for name, value, at in entries:
                self._read_agent(name, value, at)

    def _entry(self, value: object, place: Place) -> tuple[object, object, Place]:
        """Return name and definition of a list's item: a name, or a definition with a name."""
        if not isinstance(value, dict):
            return value, None, place
        if "name" in value:
            rest = {key: member for key, member in value.items() if key != "name"}
            return value["name"], rest, place
        if len(value) == 1:
            ((name, definition),) = value.items()
            return name, definition, place / name
        return None, value, place

    def _read_agent(self, name: object, value: object, place: Place) -> None:
        if not isinstance(name, str) or not name:
            detail = "An agent needs a name. Add the name of its file, or the field 'name'."
            self._draft.refuse(place, "missing-name", detail, breaks=True)
            return
        if name in self._parts.agents:
            detail = f"The agent {quote(name)} is already listed, so the repetition is left out."
            self._draft.add_note(place, "listed-twice", detail, "info")
            return
        if value is None:
            found = self._open(name, place)
        else:
            definition = self._draft.members(value, place)
            found = None if definition is None else (definition, place)
        if found is not None:
            self._parts.add_agent(name, self._with_settings(*found), found[1])

    def _open(self, name: str, place: Place) -> tuple[Json, Place] | None:
        folder = posixpath.dirname(self._place.file)
        wanted = [posixpath.join(folder, f"agents/{name}.{end}") for end in ("jsonc", "json")]
        file = self._files.find(*wanted)
        if file is None:
            detail = f"There is no file {quote(wanted[0])}. Add it, or remove this name."
            self._draft.refuse(place, "missing-file", detail, breaks=True)
            return None
        definition = self._files.jsonc(file)
        self._draft.broken = self._draft.broken or definition is None
        return None if definition is None else (definition, Place(file))

    def _with_settings(self, definition: Json, place: Place) -> Fields:
        fields = fields_of(definition, place)
        settings, at = fields.pop("settings", (None, place))
        if settings is not None and (members := self._draft.members(settings, at)) is not None:
            fields.update(fields_of(members, at))
        return fields

    def _read_manager(self) -> None:
        agent, place = self._fields.get("manager_agent", (None, self._place))
        model, model_place = self._fields.get("manager_llm", (None, self._place))
        if reference_of(agent) is not None and self._draft.top["process"] == "hierarchical":
            detail = "A manager in code is left out; CrewAI's own manager replaces it."
            self._draft.add_note(place, "code-reference", detail)
            self._parts.add_manager(None, place, DEFAULT_MODEL if model is None else model)
        elif self._draft.top["process"] == "sequential":
            self._note_managers(
                {"manager_agent": (agent, place), "manager_llm": (model, model_place)}
            )
        elif agent is not None:
            self._add_manager(agent, place)
        elif model is not None:
            self._parts.add_manager(None, model_place, model)

    def _note_managers(self, managers: dict[str, tuple[t.Any, Place]]) -> None:
        for name, (value, place) in managers.items():
            if value is not None:
                detail = f"The process is sequential, so {quote(name)} is left out."
                self._draft.add_note(place, "left-out", detail, "info")

    def _add_manager(self, name: object, place: Place) -> None:
        if not isinstance(name, str) or name not in self._parts.agents:
            self._read_agent(name, None, place)
        if isinstance(name, str) and name in self._parts.agents:
            self._parts.add_manager(name, place)

    def _read_tasks(self) -> None:
        tasks, place = self._fields.get("tasks", (None, self._place / "tasks"))
        if not isinstance(tasks, list):
            detail = f"'tasks' must be a list of tasks, not {kind_of(tasks)}."
            self._draft.refuse(place, "wrong-type", detail, breaks=True)
        elif self._parts.has_valid_size(tasks, place):
            for index, value in enumerate(tasks):
                definition = self._draft.members(value, place / index)
                if definition is not None:
                    fields = fields_of(definition, place / index)
                    self._parts.add_task(f"task_{index + 1}", fields, place / index)
            self._parts.finish(place)
