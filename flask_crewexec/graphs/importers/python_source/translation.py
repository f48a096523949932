"""Turns the arguments of ``Agent(…)``, ``Task(…)`` and ``Crew(…)`` into CrewAI's fields."""

from __future__ import annotations

import typing as t
from collections.abc import Callable

from ...placeholders import is_name
from ...problem_messages import quote
from ..crew_tools import ToolUse
from ..crewai_fields import AGENT
from ..crewai_fields import CLASSES
from ..crewai_fields import CREW
from ..crewai_fields import Kind
from ..crewai_fields import TASK
from ..draft import Draft
from ..import_result import Json
from ..import_result import Place
from ..supported_fields import Fields
from .values import Call
from .values import Class
from .values import Computed
from .values import Function
from .values import Instance
from .values import Method
from .values import name_of
from .values import Reference
from .values import Value

_TEXTS: t.Final = ("role", "goal", "backstory", "description", "expected_output", "name")
_MODELS: t.Final = ("llm", "manager_llm", "planning_llm")
_CHECKS: t.Final = ("guardrail", "guardrails", "condition")
_GATES: t.Final = (*_CHECKS, "human_input")
"""Fields without which a crew is unguarded."""
_OWN_CLASSES: t.Final = ("Agent", "BaseAgent", "Task", "ConditionalTask", "Crew")
_PROVIDERS: t.Final = {
    "ChatAnthropic": "anthropic",
    "ChatGoogleGenerativeAI": "gemini",
    "ChatGroq": "groq",
    "ChatMistralAI": "mistral",
    "ChatOllama": "ollama",
    "Ollama": "ollama",
    "OllamaLLM": "ollama",
}
"""Providers of LangChain's classes of models."""
_MODEL_NAMES: t.Final = ("model", "model_name", "azure_deployment", "deployment_name")


class Translator:
    """Reads the values of arguments; what only running the code would tell is noted."""

    def __init__(self, draft: Draft, name_part: Callable[[Value], str | None]) -> None:
        """Create a translator.

        :param name_part: returns the name of an agent or task.
        """
        self._draft = draft
        self._name_part = name_part

    def fields(self, call: Call, kind: Kind, place: Place) -> Fields:
        """Return the fields that the arguments of a call set."""
        fields = Fields()
        for name, value in call.keywords.items():
            if value is None or (kind is CREW and name in ("agents", "tasks")) or name == "config":
                continue
            at = place / name
            found = self._field(name, value, kind, at)
            if isinstance(found, Computed):
                self.note_computed(name, found.line, at)
            elif found is not None:
                fields[name] = (found, at)
        if call.last not in _OWN_CLASSES:
            fields["type"] = ({"python": call.name}, place)
        return fields

    def note_computed(self, name: str, line: int, place: Place) -> None:
        """Note that only running the code would tell the value of a field."""
        detail = (
            f"Line {line}: the code computes {quote(name)}, so it is left out."
            " Write the value itself."
        )
        severity: t.Literal["changed", "unguarded"] = "unguarded" if name in _GATES else "changed"
        self._draft.add_note(place, "computed", detail, severity)

    def _field(self, name: str, value: Value, kind: Kind, place: Place) -> Value:
        if name in _MODELS:
            return self.model(value)
        if name == "tools" and kind in (AGENT, TASK):
            return self._tools(value, place)
        if name in ("agent", "manager_agent", "context"):
            return self._parts(value)
        if name in _CHECKS:
            return _each(value, _rule)
        if name in CLASSES:
            return _reference(value) if not isinstance(value, dict) else plain(value)
        if name == "process":
            return value.last if isinstance(value, Reference) else value
        if name in _TEXTS and isinstance(value, Reference):
            return "{" + value.last + "}" if is_name(value.last) else Computed(0)
        if name == "planning_config" and isinstance(value, Call):
            return plain(value.keywords)
        found = plain(value)
        is_reference = isinstance(found, dict) and found.keys() == {"python"}
        if name in kind.supported and is_reference:
            return value if isinstance(value, Computed) else Computed(_line_of(value))
        return found

    def model(self, value: Value) -> Value:
        """Return a model as in CrewAI's JSON."""
        if not isinstance(value, Call):
            return value if isinstance(value, str | dict | Computed) else _reference(value)
        found: Json = {}
        for name, given in value.keywords.items():
            if not isinstance(given, Computed | Reference):
                found["model" if name in _MODEL_NAMES else name] = plain(given)
            elif name not in _MODEL_NAMES:
                found[name] = {"python": "computed"}
        if value.positional and isinstance(value.positional[0], str):
            found.setdefault("model", value.positional[0])
        if not isinstance(found.get("model"), str):
            return {"python": value.name}
        if value.last in _PROVIDERS and "/" not in found["model"]:
            found["model"] = f"{_PROVIDERS[value.last]}/{found['model']}"
        return {name: given for name, given in found.items() if given is not None}

    def _parts(self, value: Value) -> Value:
        """Return the names of agents or tasks."""
        if isinstance(value, list):
            names = [self._parts(each) for each in value]
            return next((name for name in names if isinstance(name, Computed)), names)
        if isinstance(value, str | Computed):
            return value
        name = self._name_part(value)
        return Computed(_line_of(value)) if name is None else name

    def _tools(self, value: Value, place: Place) -> Value:
        """Return the tools of an agent or task, with their places."""
        if isinstance(value, Computed):
            return value
        found: list[tuple[ToolUse, Place]] = []
        for at, tool in enumerate(value if isinstance(value, list) else [value]):
            use = self._tool(tool, place / at)
            if use is not None:
                found.append((use, place / at))
        return found

    def _tool(self, tool: Value, place: Place) -> ToolUse | None:
        match tool:
            case str():
                return ToolUse(tool, {})
            case Call() if tool.last in ("get_mcp_tools", "MCPServerAdapter"):
                detail = f"Line {tool.line}: the tools of MCP servers are left out."
                hint = " Ask the host to register the server, and use its tools."
                self._draft.add_note(place, "mcp-server", detail + hint, "changed")
            case Call():
                return _created(tool)
            case Reference() | Class():
                name = tool.last if isinstance(tool, Reference) else tool.name
                return ToolUse(name, {}, options=(name,))
            case Function():
                return ToolUse(tool.node.name, {}, _decorated_name(tool))
            case Method(function=function):
                return ToolUse(function.node.name, {}, _decorated_name(function))
            case _:
                self.note_computed("tools", _line_of(tool), place)
        return None


def _created(call: Call) -> ToolUse:
    arguments: Json = {f"argument {at}": plain(each) for at, each in enumerate(call.positional, 1)}
    arguments.update({name: plain(value) for name, value in call.keywords.items()})
    variable = () if call.variable is None else (call.variable,)
    return ToolUse(call.last, arguments, call.literal_name, (call.text, *variable))


def _decorated_name(function: Function) -> str | None:
    """Return ``Find orders`` of a function with the decorator ``@tool("Find orders")``."""
    for each in function.node.decorator_list:
        if name_of(each).rpartition(".")[2] == "tool":
            for argument in getattr(each, "args", ()):
                if isinstance(getattr(argument, "value", None), str):
                    return str(argument.value)
    return None


def plain(value: Value) -> Value:
    """Return a value as JSON: things of Python by their names."""
    if isinstance(value, list):
        return [plain(each) for each in value]
    if isinstance(value, dict):
        return {name: plain(each) for name, each in value.items()}
    if value is None or isinstance(value, str | int | float | Computed):
        return value if not isinstance(value, Computed) else {"python": "computed"}
    return _reference(value)


def _reference(value: Value) -> Value:
    match value:
        case Computed() | str():
            return value
        case Reference() | Call() | Class():
            return {"python": value.name}
        case Function():
            return {"python": value.node.name}
        case Method(function=function):
            return {"python": function.node.name}
        case Instance(cls=cls):
            return {"python": cls.name}
        case _:
            return plain(value) if isinstance(value, list | dict) else value


def _each(value: Value, read: Callable[[Value], Value]) -> Value:
    return [read(each) for each in value] if isinstance(value, list) else read(value)


def _rule(value: Value) -> Value:
    """Return a guardrail: its text, or the name of a function."""
    if isinstance(value, Call) and value.last == "LLMGuardrail":
        text = value.keywords.get("description", next(iter(value.positional), None))
        if isinstance(text, str):
            return text
    return {"python": "computed"} if isinstance(value, Computed) else _reference(value)


def _line_of(value: Value) -> int:
    match value:
        case Computed() | Call():
            return value.line
        case Function() | Class():
            return value.node.lineno
        case Method(function=function):
            return function.node.lineno
        case _:
            return 0
