"""CrewAI's classic ``agents.yaml`` and ``tasks.yaml``."""

from __future__ import annotations

from ..problem_messages import listing
from ..problem_messages import quote
from .crew_parts import CrewParts
from .draft import Draft
from .files import Files
from .import_result import FILES
from .import_result import Json
from .import_result import Options
from .import_result import Place
from .name_mapping import Names
from .supported_fields import Fields
from .supported_fields import fields_of


def read_classic(files: Files, options: Options, names: Names, draft: Draft) -> None:
    """Read the two files; *options* replace what ``crew.py`` defines."""
    agents, agents_place = _open("agents", files, draft)
    tasks, tasks_place = _open("tasks", files, draft)
    draft.top.update(name=options.name or "crew", process=options.process or "sequential")
    draft.origins["/nodes"] = tasks_place
    if agents is None or tasks is None:
        return
    parts = CrewParts(draft, names)
    if not (
        parts.has_valid_size(agents, agents_place) and parts.has_valid_size(tasks, tasks_place)
    ):
        return
    for name, value in agents.items():
        if (definition := draft.members(value, agents_place / name)) is not None:
            fields = _trimmed(fields_of(definition, agents_place / name))
            parts.add_agent(name, fields, agents_place / name)
    _read_manager(options, parts, draft)
    for name in _ordered(tasks, options, draft):
        if (definition := draft.members(tasks[name], tasks_place / name)) is not None:
            fields = fields_of({"name": name, **definition}, tasks_place / name)
            parts.add_task(name, fields, tasks_place / name)
    parts.finish(tasks_place)


def _open(stem: str, files: Files, draft: Draft) -> tuple[Json | None, Place]:
    names = [f"{folder}{stem}.{end}" for folder in ("", "config/") for end in ("yaml", "yml")]
    file = files.find(*names)
    if file is None:
        detail = f"There is no file {quote(names[0])}. Add it."
        draft.refuse(FILES, "missing-file", detail, breaks=True)
        return None, Place("")
    value = files.yaml(file)
    draft.broken = draft.broken or value is None
    return value, Place(file)


def _trimmed(agent: Fields) -> Fields:
    """Remove the line break at the end of a folded text: a role is one line."""
    role, place = agent.get("role", (None, Place("")))
    if isinstance(role, str):
        agent["role"] = (role.strip(), place)
    return agent


def _ordered(tasks: Json, options: Options, draft: Draft) -> list[str]:
    """Return the names of the tasks in the order of the options, or of the file."""
    if not options.order:
        return [*tasks]
    for index, name in enumerate(options.order):
        if name not in tasks or name in options.order[:index]:
            detail = f"'order' must name each task once, not {quote(name)}: {listing(tasks)}."
            draft.refuse(Place("") / "order" / index, "wrong-order", detail, breaks=True)
    missing = [name for name in tasks if name not in options.order]
    if missing:
        detail = f"'order' must name each task once; these are missing: {listing(missing)}."
        draft.refuse(Place("") / "order", "wrong-order", detail, breaks=True)
    return [name for name in options.order if name in tasks]


def _read_manager(options: Options, parts: CrewParts, draft: Draft) -> None:
    if options.manager_agent is not None:
        place = Place("") / "manager_agent"
        if options.manager_agent in parts.agents:
            parts.add_manager(options.manager_agent, place)
        else:
            detail = f"There is no such agent. Available: {listing(parts.agents)}."
            draft.refuse(place, "unknown-agent", detail, breaks=True)
    elif options.manager_llm is not None:
        parts.add_manager(None, Place("") / "manager_llm", options.manager_llm)
