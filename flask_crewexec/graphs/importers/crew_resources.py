"""Models and tools of CrewAI's agents and tasks, and the model that plans the crew."""

from __future__ import annotations

from collections.abc import Mapping
from collections.abc import Sequence

from ..graph import DEFAULT_MODEL
from ..problem_messages import listing
from ..problem_messages import quote
from .crewai_fields import MODEL
from .draft import Draft
from .import_result import Json
from .import_result import Place
from .name_mapping import Names
from .supported_fields import Fields
from .supported_fields import fields_of
from .supported_fields import keep_supported

_OPTIONS = ("temperature", "max_tokens")


class CrewResources:
    """Adds models and tools to a draft; equal ones share a node."""

    def __init__(self, draft: Draft, names: Names) -> None:
        self._draft = draft
        self._names = names
        self._shared: dict[tuple[object, ...], str] = {}

    def connect_model(
        self, value: object, place: Place, targets: Sequence[str], type: str | None = None
    ) -> None:
        """Connect a model to *targets*, with the *type* "manager" as their manager."""
        model = self._read_model(value, place)
        if model is None:
            return
        foreign, options = model
        name = self._registered(foreign, place)
        if name is not None or options or type:
            data = {"name": name or DEFAULT_MODEL, **{key: v for key, (v, _) in options.items()}}
            places = {"name": place, **{key: at for key, (_, at) in options.items()}}
            node = self._node("llm", data, place, places)
            for target in targets:
                self._draft.add_edge(node, target, place, type)

    def connect_tools(self, fields: Fields, target: str) -> None:
        """Connect the ``tools`` of an agent's or task's *fields* to its node *target*."""
        tools, place = fields.get("tools", (None, Place("")))
        if tools is None:
            return
        if not isinstance(tools, list):
            self._draft.refuse_type(place, "a list of names", tools)
            return
        used: set[str] = set()
        for index, tool in enumerate(tools):
            foreign, at = tool if isinstance(tool, tuple) else (tool, place / index)
            name = self._tool_name(foreign, at)
            if name is not None and name not in used:
                used.add(name)
                node = self._node("tool", {"name": name}, at, {"name": at})
                self._draft.add_edge(node, target, at)

    def add_planning(self, fields: Fields) -> None:
        """Let a model plan the crew, if the crew's *fields* ask for it."""
        planning, place = fields.get("planning", (None, Place("")))
        if planning not in (None, False):
            self._draft.top["planning"] = planning
            self._draft.origins["/planning"] = place
        value, place = fields.get("planning_llm", (None, Place("")))
        if value is None:
            return
        if not planning:
            detail = "Planning is off, so 'planning_llm' is left out."
            self._draft.add_note(place, "left-out", detail)
        elif model := self._read_model(value, place):
            self._plan_with(*model, place)

    def _plan_with(self, foreign: str, options: Fields, place: Place) -> None:
        name = self._registered(foreign, place)
        for option, (_, at) in options.items():
            detail = f"The host configures the planning model, so {quote(option)} is left out."
            self._draft.add_note(at, "left-out", detail)
        self._draft.top["planning_model"] = name or DEFAULT_MODEL
        self._draft.origins["/planning_model"] = place

    def _registered(self, foreign: str, place: Place) -> str | None:
        """Return the registered name of a model; None, with a note, for the default model."""
        name = self._names.model(foreign)
        if name is None:
            known = listing(sorted(self._names.known_models or ()))
            detail = (
                f"There is no model {quote(foreign)}, so {quote(DEFAULT_MODEL)} is used."
                f" Registered are {known}; 'models' maps names to them."
            )
            self._draft.add_note(place, "model-replaced", detail)
        return name

    def _read_model(self, value: object, place: Place) -> tuple[str, Fields] | None:
        """Return the name and the options of a model."""
        if isinstance(value, str):
            return value, Fields()
        if (members := self._draft.members(value, place)) is None:
            return None
        fields = members if isinstance(members, Fields) else fields_of(members, place)
        kept = keep_supported(fields, MODEL, self._draft)
        model, at = kept.get("model", (None, place / "model"))
        if not isinstance(model, str):
            self._draft.refuse_type(at, "the name of a model", model)
            return None
        provider = kept.value("provider")
        if isinstance(provider, str) and provider and "/" not in model:
            model = f"{provider}/{model}"
        return model, Fields({key: kept[key] for key in _OPTIONS if kept.value(key) is not None})

    def _tool_name(self, tool: object, place: Place) -> str | None:
        if not isinstance(tool, str):
            detail = "A tool with settings is refused. Name a registered tool instead."
            self._draft.refuse(place, "code-reference", detail)
            return None
        name = self._names.tool(tool)
        if name == tool and ":" in tool and not tool.startswith("platform:"):
            detail = f"The tool {quote(tool)} refers to code. Name a registered tool instead."
            self._draft.refuse(place, "code-reference", detail)
            return None
        return name

    def _node(self, type: str, data: Json, place: Place, places: Mapping[str, Place]) -> str:
        """Return the node of a tool or model, shared by all with the same *data*."""
        key = (type, *(f"{name}={value!r}" for name, value in data.items()))
        if key not in self._shared:
            wanted = f"{type}:{data['name']}"
            self._shared[key] = self._draft.add_node(wanted, type, data, place, places)
        return self._shared[key]
