"""Models of CrewAI's agents and managers, and the model that plans the crew."""

from __future__ import annotations

import typing as t
from collections.abc import Sequence

from ..graph import DEFAULT_MODEL
from ..problem_messages import listing
from ..problem_messages import quote
from .crewai_fields import MODEL
from .draft import Draft
from .import_result import Place
from .name_mapping import Names
from .supported_fields import Fields
from .supported_fields import fields_of
from .supported_fields import keep_supported

_OPTIONS: t.Final = ("temperature", "max_tokens")


class CrewModels:
    """Adds models to a draft; equal ones share a node."""

    def __init__(self, draft: Draft, names: Names) -> None:
        self._draft = draft
        self._names = names
        self._nodes: dict[tuple[object, ...], str] = {}

    def connect(
        self, value: object, place: Place, targets: Sequence[str], type: str | None = None
    ) -> None:
        """Connect a model to *targets*, with the *type* "manager" as their manager."""
        model = self._read(value, place)
        if model is None:
            return
        foreign, options = model
        name = self._registered(foreign, place)
        if name is not None or options or type:
            node = self._node(name or DEFAULT_MODEL, options, place)
            for target in targets:
                self._draft.add_edge(node, target, place, type)

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
            self._draft.add_note(place, "left-out", detail, "info")
        elif model := self._read(value, place):
            self._plan_with(*model, place)

    def _plan_with(self, foreign: str | None, options: Fields, place: Place) -> None:
        name = self._registered(foreign, place)
        for option, (_, at) in options.items():
            detail = f"The host configures the planning model, so {quote(option)} is left out."
            self._draft.add_note(at, "left-out", detail)
        self._draft.top["planning_model"] = name or DEFAULT_MODEL
        self._draft.origins["/planning_model"] = place

    def _registered(self, foreign: str | None, place: Place) -> str | None:
        """Return the registered name of a model; None, with a note, for the default model."""
        name = None if foreign is None else self._names.model(foreign)
        if name is None:
            known = listing(sorted(self._names.known_models or ()))
            what = "A model in code" if foreign is None else f"The model {quote(foreign)}"
            detail = (
                f"{what} is not registered, so {quote(DEFAULT_MODEL)} is used instead."
                f" Registered are {known}; the option 'models' maps names to them."
            )
            self._draft.add_note(place, "model-replaced", detail, "changed")
        return name

    def _read(self, value: object, place: Place) -> tuple[str | None, Fields] | None:
        """Return the name, or None for a model in code, and the options of a model."""
        if isinstance(value, str):
            return value, Fields()
        if (members := self._draft.members(value, place)) is None:
            return None
        fields = members if isinstance(members, Fields) else fields_of(members, place)
        if isinstance(reference := fields.value("python"), str):
            known = self._names.models.keys() | (self._names.known_models or {}).keys()
            return (reference if reference in known else None), Fields()
        kept = keep_supported(fields, MODEL, self._draft)
        model, at = kept.get("model", (kept.value("deployment_name"), place / "model"))
        if not isinstance(model, str):
            self._draft.refuse_type(at, "the name of a model", model)
            return None
        provider = kept.value("provider")
        if isinstance(provider, str) and provider and "/" not in model:
            model = f"{provider}/{model}"
        return model, Fields({key: kept[key] for key in _OPTIONS if kept.value(key) is not None})

    def _node(self, name: str, options: Fields, place: Place) -> str:
        """Return the node of a model, shared by all with the same options."""
        data = {"name": name, **{key: value for key, (value, _) in options.items()}}
        key = tuple(f"{name}={value!r}" for name, value in data.items())
        if key not in self._nodes:
            places = {"name": place, **{key: at for key, (_, at) in options.items()}}
            self._nodes[key] = self._draft.add_node(f"llm:{name}", "llm", data, place, places)
        return self._nodes[key]
