"""Name, process, manager, planning and inputs of a crew that is not CrewAI's JSON."""

from __future__ import annotations

import typing as t

from ..graph import DEFAULT_MODEL
from ..problem_messages import listing
from ..problem_messages import quote
from ..problem_messages import suggestion
from .crew_parts import CrewParts
from .crewai_fields import CREW
from .draft import Draft
from .import_result import Options
from .import_result import Place
from .inputs import declare_inputs
from .supported_fields import Fields
from .supported_fields import keep_supported
from .task_checks import reference_of


def read_settings(fields: Fields, options: Options, parts: CrewParts, draft: Draft) -> CrewSettings:
    """Read the crew's name, process and planning; *options* replace what the files say."""
    kept = keep_supported(fields, CREW, draft)
    given: dict[str, t.Any] = {
        "process": options.process,
        "manager_agent": options.manager_agent,
        "manager_llm": options.manager_llm,
    }
    for name, value in given.items():
        if value is not None:
            kept[name] = (value, Place("") / name)
    if options.manager_agent is None and options.manager_llm is not None:
        kept.pop("manager_agent", None)
    name, place = kept.get("name", (options.name or "crew", Place("")))
    process, at = kept.get("process", ("sequential", place))
    draft.top.update(name=name, process=process)
    draft.origins["/name"], draft.origins["/process"] = place, at
    parts.models.add_planning(kept)
    return CrewSettings(kept, parts, draft)


class CrewSettings:
    """What is read after the agents and after the tasks."""

    def __init__(self, kept: Fields, parts: CrewParts, draft: Draft) -> None:
        self._kept = kept
        self._parts = parts
        self._draft = draft

    def add_manager(self) -> None:
        """Let the manager, if there is one, manage the agents."""
        agent, place = self._kept.get("manager_agent", (None, Place("")))
        model, model_place = self._kept.get("manager_llm", (None, Place("")))
        if self._draft.top["process"] == "sequential":
            self._note_managers()
        elif reference_of(agent) is not None:
            detail = "A manager in code is left out; CrewAI's own manager replaces it."
            self._draft.add_note(place, "code-reference", detail)
            self._parts.add_manager(None, place, DEFAULT_MODEL if model is None else model)
        elif isinstance(agent, str) and agent in self._parts.agents:
            self._parts.add_manager(agent, place)
        elif agent is not None:
            known = self._parts.agents
            detail = f"There is no such agent. Available: {listing(known)}."
            hint = f"{suggestion(str(agent), known)}The agents are {listing(known)}."
            self._draft.refuse(place, "unknown-agent", detail, hint, breaks=True)
        elif model is not None:
            self._parts.add_manager(None, model_place, model)

    def _note_managers(self) -> None:
        for name in ("manager_agent", "manager_llm"):
            value, place = self._kept.get(name, (None, Place("")))
            if value is not None and place.file:
                detail = f"The process is sequential, so {quote(name)} is left out."
                self._draft.add_note(place, "left-out", detail, "info")

    def declare_inputs(self) -> None:
        """Declare the inputs that have defaults."""
        inputs, place = self._kept.get("inputs", (None, Place("")))
        if inputs is not None and (defaults := self._draft.members(inputs, place)) is not None:
            declare_inputs(defaults, place, self._draft)
