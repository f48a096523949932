"""The tools of CrewAI's agents and tasks."""

from __future__ import annotations

import re
import typing as t
from collections.abc import Mapping

from ..problem_messages import kind_of
from ..problem_messages import listing
from ..problem_messages import quote
from .crewai_fields import EMPTY
from .draft import Draft
from .import_result import Place
from .name_mapping import Names
from .supported_fields import Fields

_NARROWING: t.Final = re.compile(
    r"allowed|bucket|collection|database|dir|domain|file|folder|host|link|path|repo|root|site"
    r"|table|uri|url"
)
"""Found in the names of arguments that say what a tool may reach."""
_LOCATION: t.Final = re.compile(r"://|[/\\]|^www\.|\.[A-Za-z]{2,5}$")
"""Found in texts that are paths or addresses."""
_CLASS_FIELDS: t.Final = ("tool_type", "python", "name")
"""Fields of a serialized tool that name its class."""


class ToolUse(t.NamedTuple):
    """A tool that is created with arguments."""

    kind: str
    """Its class, or the function that is it."""
    arguments: Mapping[str, object]
    literal: str | None = None
    """What it calls itself."""
    options: tuple[str, ...] = ()
    """What options may call this very tool: the call itself, and its variable."""
    place: Place | None = None
    """Where its arguments are, if not where it is used."""

    @property
    def identity(self) -> object:
        """Equal for tools that are created alike."""
        return self.options[:1] or repr(sorted(self.arguments))


class CrewTools:
    """Adds tools to a draft; a tool is one node, however many use it."""

    def __init__(self, draft: Draft, names: Names) -> None:
        self._draft = draft
        self._names = names
        self._nodes: dict[str, str] = {}
        self._calls: dict[str, object] = {}
        self._noted: set[tuple[str, Place]] = set()

    def connect(self, fields: Fields, target: str) -> None:
        """Connect the ``tools`` of an agent's or task's *fields* to its node *target*."""
        tools, place = fields.get("tools", (None, Place("")))
        if tools is None:
            return
        if not isinstance(tools, list):
            self._draft.refuse_type(place, "a list of names", tools)
            return
        used: set[str] = set()
        for index, tool in enumerate(tools):
            foreign, at = tool if _is_placed(tool) else (tool, place / index)
            name = self._find(foreign, at)
            if name is not None and name not in used:
                used.add(name)
                self._draft.add_edge(self._node(name, at), target, at)

    def _find(self, tool: object, place: Place) -> str | None:
        if isinstance(tool, str):
            return self._names.tool(tool)
        use = tool if isinstance(tool, ToolUse) else _serialized(tool)
        if use is None or not (use.kind or use.literal):
            detail = f"A tool must be a name, not {kind_of(tool)}, so it is left out."
            self._draft.add_note(place, "tool-left-out", detail, "changed")
            return None
        return self._mapped(use) or self._by_class(use, place)

    def _mapped(self, use: ToolUse) -> str | None:
        """Return the name to which an option maps this very tool."""
        mapped = {_without_style(name): found for name, found in self._names.tools.items()}
        options = map(_without_style, use.options)
        return next((mapped[name] for name in options if name in mapped), None)

    def _by_class(self, use: ToolUse, place: Place) -> str:
        found = [self._names.tool(name) for name in (use.literal, use.kind) if name]
        name = next((name for name in found if name in self._names.known_tools), found[-1])
        title = f"The tool {quote(name)}"
        self._note_arguments(use.arguments, use.place or place, title)
        key = (repr(use.identity), place)
        if self._calls.setdefault(name, use.identity) != use.identity and key not in self._noted:
            self._noted.add(key)
            detail = (
                f"{title} is created in several ways, which become one."
                " Map each of its variables to a registered tool with the option 'tools'."
            )
            self._draft.add_note(place, "tools-merged", detail, "changed")
        return name

    def _note_arguments(self, arguments: Mapping[str, object], place: Place, title: str) -> None:
        """Note that a tool loses its *arguments*, and whether it may reach more without them."""
        given = {name: value for name, value in arguments.items() if value not in EMPTY}
        narrowing = [name for name, value in given.items() if _narrows(name, value)]
        if not given or (title, place) in self._noted:
            return
        self._noted.add((title, place))
        if narrowing:
            detail = (
                f"{title} may reach more here than what {listing(narrowing)} allows."
                " Ask the host to register a tool with this limit, and map this one to it."
            )
            self._draft.add_note(place, "tool-unrestricted", detail, "unguarded")
        others = [name for name in given if name not in narrowing]
        if others:
            detail = f"{title} loses {listing(others)}. The host configures its tools."
            self._draft.add_note(place, "tool-arguments", detail, "changed")

    def _node(self, name: str, place: Place) -> str:
        if name not in self._nodes:
            data = {"name": name}
            added = self._draft.add_node(f"tool:{name}", "tool", data, place, {"name": place})
            self._nodes[name] = added
        return self._nodes[name]


def _is_placed(tool: object) -> t.TypeGuard[tuple[object, Place]]:
    return isinstance(tool, tuple) and len(tool) == 2 and isinstance(tool[1], Place)


def _serialized(tool: object) -> ToolUse | None:
    if not isinstance(tool, dict):
        return None
    kind = next((tool[name] for name in _CLASS_FIELDS if isinstance(tool.get(name), str)), None)
    if kind is None:
        return None
    arguments = {name: value for name, value in tool.items() if name not in _CLASS_FIELDS}
    name = tool.get("name")
    return ToolUse(re.split(r"[.:]", kind)[-1], arguments, name if isinstance(name, str) else None)


def _without_style(call: str) -> str:
    return call.replace('"', "'").replace(" ", "")


def _narrows(name: str, value: object) -> bool:
    if _NARROWING.search(name.lower()):
        return True
    return isinstance(value, str) and _LOCATION.search(value) is not None
