"""CrewAI's classic ``agents.yaml`` and ``tasks.yaml``, with or without ``crew.py``."""

from __future__ import annotations

from ..problem_messages import listing
from ..problem_messages import quote
from ..problem_messages import suggestion
from .choose_crew import choose_crew
from .crew_parts import CrewParts
from .crew_settings import read_settings
from .draft import Draft
from .files import Files
from .find_schema import schema_finder
from .import_result import Json
from .import_result import Options
from .import_result import Place
from .name_mapping import Names
from .python_source import CrewReader
from .python_source import PythonProject
from .supported_fields import Fields
from .supported_fields import fields_of
from .yaml_config import YamlConfig


def read_classic(files: Files, options: Options, names: Names, draft: Draft) -> None:
    """Read a project; *options* replace what ``crew.py`` defines, or go before it."""
    project = PythonProject(files, draft)
    config = YamlConfig(files, draft)
    parts = CrewParts(draft, names, schema_finder(names, project, draft))
    crews = project.crews()
    if crews:
        crew = choose_crew(crews, options, draft)
        if crew is not None:
            CrewReader(crew, project, config, parts, draft).read(options)
    elif not draft.broken:
        _read_yaml(config, options, parts, draft)


def _read_yaml(config: YamlConfig, options: Options, parts: CrewParts, draft: Draft) -> None:
    agents, agents_place = config.find("agents", "agents.yaml")
    tasks, tasks_place = config.find("tasks", "tasks.yaml")
    draft.top.update(name=options.name or "crew", process=options.process or "sequential")
    draft.origins["/nodes"] = tasks_place
    if agents is None or tasks is None:
        return
    if not (
        parts.has_valid_size(agents, agents_place) and parts.has_valid_size(tasks, tasks_place)
    ):
        return
    settings = read_settings(Fields(), options, parts, draft)
    for name, value in agents.items():
        if (definition := draft.members(value, agents_place / name)) is not None:
            fields = _trimmed(fields_of(definition, agents_place / name))
            parts.add_agent(name, fields, agents_place / name)
    settings.add_manager()
    _read_tasks(tasks, tasks_place, options, parts, draft)


def _read_tasks(
    tasks: Json, place: Place, options: Options, parts: CrewParts, draft: Draft
) -> None:
    ordered = _ordered(tasks, options, draft)
    for name in ordered:
        if (definition := draft.members(tasks[name], place / name)) is not None:
            fields = fields_of({"name": name, **definition}, place / name)
            _leave_out_context(fields, tasks, ordered, draft)
            parts.add_task(name, fields, place / name)
    parts.finish(place)


def _leave_out_context(fields: Fields, tasks: Json, chosen: list[str], draft: Draft) -> None:
    """Leave out the context of tasks that are not chosen."""
    context, place = fields.get("context", (None, Place("")))
    if isinstance(context, list):
        others = [name for name in context if name in tasks and name not in chosen]
        if others:
            detail = f"The tasks {listing(others)} are not imported, so they are left out."
            draft.add_note(place, "left-out", detail, "changed")
            fields["context"] = ([name for name in context if name not in others], place)


def _trimmed(agent: Fields) -> Fields:
    """Remove the line break at the end of a folded text: a role is one line."""
    role, place = agent.get("role", (None, Place("")))
    if isinstance(role, str):
        agent["role"] = (role.strip(), place)
    return agent


def _ordered(tasks: Json, options: Options, draft: Draft) -> list[str]:
    """Return the names of the chosen tasks in the order of the options, or of the file."""
    chosen = _chosen(tasks, options, draft)
    if not options.order:
        return chosen
    for index, name in enumerate(options.order):
        if name not in chosen or name in options.order[:index]:
            detail = f"'order' must name each task once, not {quote(name)}: {listing(chosen)}."
            at = Place("") / "order" / index
            hint = f"{suggestion(name, chosen)}The tasks are {listing(chosen)}."
            draft.refuse(at, "wrong-order", detail, hint, breaks=True)
    missing = [name for name in chosen if name not in options.order]
    if missing:
        detail = f"'order' must name each task once; these are missing: {listing(missing)}."
        draft.refuse(Place("") / "order", "wrong-order", detail, breaks=True)
    return [name for name in options.order if name in chosen]


def _chosen(tasks: Json, options: Options, draft: Draft) -> list[str]:
    for index, name in enumerate(options.tasks):
        if name not in tasks:
            detail = f"There is no task {quote(name)}. Available: {listing(tasks)}."
            hint = f"{suggestion(name, tasks)}The tasks are {listing(tasks)}."
            at = Place("") / "tasks" / index
            draft.refuse(at, "unknown-task", detail, hint, breaks=True)
    return [name for name in tasks if not options.tasks or name in options.tasks]
