"""CrewAI's ``flow.yaml``: the crews that a flow calls; the flow itself is left out."""

from __future__ import annotations

import re
import typing as t

from .draft import Draft
from .files import Files
from .import_result import Json
from .import_result import Place
from .supported_fields import Fields
from .supported_fields import fields_of

_SCHEMA: t.Final = re.compile(r"^[\"']?schema[\"']?:\s*[\"']?crewai\.flow/", re.MULTILINE)
_STATE: t.Final = re.compile(r"\$\{state\.(\w+)\}")


def find_flow(files: Files) -> str | None:
    """Return the name of the file with a flow."""
    names = [name for name in files.texts if name.endswith((".yaml", ".yml"))]
    return next((name for name in names if _SCHEMA.search(files.texts[name])), None)


def flow_crews(file: str, files: Files, draft: Draft) -> dict[str, Fields]:
    """Return the crews of a flow by the names of its methods."""
    flow = files.yaml(file)
    draft.broken = draft.broken or flow is None
    place = Place(file) / "methods"
    methods = (flow or {}).get("methods")
    crews: dict[str, Fields] = {}
    for name, method in (methods if isinstance(methods, dict) else {}).items():
        action = method.get("do") if isinstance(method, dict) else None
        if isinstance(action, dict) and action.get("call") == "crew":
            definition, at = action.get("with"), place / name / "do" / "with"
            if isinstance(definition, dict):
                fields = fields_of(definition, at)
                fields.setdefault("name", (name, at))
                _read_inputs(fields, action, _defaults(flow or {}), place / name / "do")
                crews[name] = fields
    if crews:
        detail = "Only a crew is imported; the flow around it is left out. Call it from the host."
        draft.add_note(place, "flow-left-out", detail, "changed")
    return crews


def _defaults(flow: Json) -> Json:
    state = flow.get("state")
    defaults = state.get("default") if isinstance(state, dict) else None
    return defaults if isinstance(defaults, dict) else {}


def _read_inputs(fields: Fields, action: Json, defaults: Json, place: Place) -> None:
    """Give inputs that come from the flow's state the defaults that the state has."""
    given = action.get("inputs", fields.value("inputs"))
    fields.pop("inputs", None)
    if not isinstance(given, dict):
        return
    found: Json = {}
    for name, value in given.items():
        state = _STATE.fullmatch(value) if isinstance(value, str) else None
        if state is not None and defaults.get(state[1]) is not None:
            found[name] = defaults[state[1]]
        elif state is None and not (isinstance(value, str) and "${" in value):
            found[name] = value
    if found:
        fields["inputs"] = (found, place / "inputs")
