"""The fields of CrewAI's agents, tasks and crews that the graph language does not have.

Those that could run code, read files or reach other machines are refused. The rest is left out
with a note.
"""

from __future__ import annotations

import typing as t
from collections.abc import Iterator
from collections.abc import Mapping

from ..problem_messages import listing
from ..problem_messages import quote
from .draft import Draft
from .import_result import Json
from .import_result import Place


class Refusal(t.NamedTuple):
    """Why a field is refused."""

    code: str
    advice: str


class Omission(t.NamedTuple):
    """Why a field is left out, unless it says what is the case anyway."""

    default: object
    advice: str


_CODE: t.Final = Refusal("code-reference", "Code never comes with a graph. Remove it.")
_FILE: t.Final = Refusal("file-path", "A graph never reads or writes files. Remove it.")
_PLACE: t.Final = Refusal(
    "address", "The host says how models and services are reached. Remove it, and name a model."
)
_SECRET: t.Final = Refusal("secret", "Keys belong to the host. Remove it, and name a model.")
_COMMAND: t.Final = Refusal(
    "mcp-server", "The host registers tools, also those of MCP servers. Remove it, and name a tool."
)
KNOWLEDGE: t.Final = Refusal(
    "knowledge",
    "A graph has no knowledge files. Remove it, and let a registered tool look things up.",
)
_SERVICE: t.Final = Refusal(
    "outside-service", "A graph reaches nothing outside the host. Remove it, and name a tool."
)
_HIDDEN: t.Final = Refusal("nested-config", "Write its members as fields beside it instead.")

_ANYWHERE: t.Final[Mapping[str, Refusal]] = {
    "python": _CODE,
    "tool_type": _CODE,
    "code": _CODE,
    "script": _CODE,
    "command": _COMMAND,
    "base_url": _PLACE,
    "api_base": _PLACE,
    "azure_endpoint": _PLACE,
    "endpoint": _PLACE,
    "url": _PLACE,
    "api_key": _SECRET,
}
"""Refused wherever they are, also inside of fields that are left out."""

_BOTH: t.Final[Mapping[str, Refusal]] = {
    "checkpoint": _FILE,
    "config": _HIDDEN,
    "knowledge": KNOWLEDGE,
    "knowledge_sources": KNOWLEDGE,
    "knowledge_storage": KNOWLEDGE,
    "skills": _FILE,
    "step_callback": _CODE,
}
_AGENT_REFUSED: t.Final[Mapping[str, Refusal]] = {
    **_BOTH,
    "a2a": _SERVICE,
    "agent_executor": _CODE,
    "allow_code_execution": Refusal("code-execution", "Agents here never run code. Remove it."),
    "apps": _SERVICE,
    "callbacks": _CODE,
    "executor_class": _CODE,
    "from_repository": _SERVICE,
    "mcps": _COMMAND,
}
_TASK_REFUSED: t.Final[Mapping[str, Refusal]] = {
    "callback": _CODE,
    "condition": _CODE,
    "config": _HIDDEN,
    "converter_cls": _CODE,
    "input_files": _FILE,
    "output_file": Refusal("file-path", "The output is kept with the execution. Remove it."),
}
_CREW_REFUSED: t.Final[Mapping[str, Refusal]] = {
    **_BOTH,
    "after_kickoff_callbacks": _CODE,
    "before_kickoff_callbacks": _CODE,
    "output_log_file": _FILE,
    "prompt_file": _FILE,
    "task_callback": _CODE,
    "trained_agents_file": _FILE,
}
CLASSES: t.Final = ("output_json", "output_pydantic", "response_model")
"""Fields whose text is the name of a class; an object is a JSON Schema."""
_DATA: t.Final = frozenset({*CLASSES, "inputs"})
"""Fields in which every name is the user's own."""

_HOST: t.Final = "That is the host's to say."
_LOGS: t.Final = "The execution's events say what happens."
_NO_MEMORY: t.Final = "Runs remember nothing of each other."
_ONE_MODEL: t.Final = "An agent has one model for everything."
_NOT_YET: t.Final = "Say it in the texts if the result depends on it."

_AGENT_OMITTED: t.Final[Mapping[str, Omission]] = {
    "cache": Omission(True, _HOST),
    "code_execution_mode": Omission("safe", "Agents here never run code."),
    "date_format": Omission("%Y-%m-%d", "The date is written as in 2026-11-23."),
    "embedder": Omission(None, _NO_MEMORY),
    "function_calling_llm": Omission(None, _ONE_MODEL),
    "max_execution_time": Omission(None, "Give the execution a 'timeout'."),
    "max_retry_limit": Omission(2, "Executions are tried again as a whole."),
    "max_rpm": Omission(None, _HOST),
    "max_tokens": Omission(None, 'Write it into \'llm\': {"model": …, "max_tokens": …}.'),
    "memory": Omission(False, _NO_MEMORY),
    "planning": Omission(False, "Write 'reasoning' instead: then it plans before each task."),
    "planning_config": Omission(None, "Write 'reasoning' and 'max_reasoning_attempts' instead."),
    "respect_context_window": Omission(True, _HOST),
    "use_better_compaction": Omission(True, _HOST),
    "use_system_prompt": Omission(True, _HOST),
    "verbose": Omission(False, _LOGS),
}
_TASK_OMITTED: t.Final[Mapping[str, Omission]] = {
    "create_directory": Omission(True, "A graph never writes files."),
    "human_input": Omission(False, "Runs do not stop to ask people."),
}
_CREW_OMITTED: t.Final[Mapping[str, Omission]] = {
    "cache": Omission(False, _HOST),
    "chat_llm": Omission(None, "Crews here are not chatted with."),
    "embedder": Omission(None, _NO_MEMORY),
    "function_calling_llm": Omission(None, _ONE_MODEL),
    "inputs": Omission({}, "Send them as 'inputs' when you queue an execution."),
    "max_rpm": Omission(None, _HOST),
    "memory": Omission(False, _NO_MEMORY),
    "share_crew": Omission(False, "Nothing is sent to CrewAI."),
    "stream": Omission(False, "The host registers models that stream."),
    "tracing": Omission(None, "The host traces runs with OpenTelemetry."),
    "verbose": Omission(False, _LOGS),
}


class Kind(t.NamedTuple):
    """What one kind of object may have."""

    title: str
    carried: frozenset[str]
    refused: Mapping[str, Refusal]
    omitted: Mapping[str, Omission]
    types: frozenset[str] = frozenset()
    """Values of ``type`` that change nothing."""


AGENT: t.Final = Kind(
    "an agent",
    frozenset(
        {
            *("role", "goal", "backstory", "allow_delegation", "max_iter", "llm", "tools"),
            *("reasoning", "max_reasoning_attempts", "inject_date"),
        }
    ),
    _AGENT_REFUSED,
    _AGENT_OMITTED,
    frozenset({"agent", "Agent", "crewai.Agent", "crewai.agent.core.Agent"}),
)
TASK: t.Final = Kind(
    "a task",
    frozenset(
        {
            *("name", "description", "expected_output", "agent", "context", "tools", "markdown"),
            *("guardrail", "guardrails", "guardrail_max_retries", "async_execution", *CLASSES),
        }
    ),
    _TASK_REFUSED,
    _TASK_OMITTED,
    frozenset({"task", "Task", "crewai.Task", "crewai.task.Task"}),
)
CREW: t.Final = Kind(
    "a crew",
    frozenset(
        {
            *("name", "agents", "tasks", "process", "manager_agent", "manager_llm"),
            *("planning", "planning_llm", "inputs"),
        }
    ),
    _CREW_REFUSED,
    _CREW_OMITTED,
)
MODEL: t.Final = Kind(
    "a model",
    frozenset({"model", "provider", "temperature", "max_tokens"}),
    {},
    {},
)

TOOL: t.Final = Kind(
    "a tool",
    frozenset({"name", "tool_id", "description"}),
    {},
    {"parameters": Omission({}, "The host says how its tools are set up.")},
)


class Fields(dict[str, tuple[t.Any, Place]]):
    """The members of an object, each with its place."""

    def value(self, name: str) -> t.Any:
        """Return a member, None if it is not there."""
        return self[name][0] if name in self else None


def fields_of(value: Json, place: Place) -> Fields:
    """Return the members of *value*, which is at *place*."""
    return Fields({name: (member, place / name) for name, member in value.items()})


def keep_carried(fields: Fields, kind: Kind, draft: Draft) -> Fields:
    """Return the fields that a graph can say; note or refuse the others."""
    for name, (value, place) in fields.items():
        if name not in kind.carried:
            _leave_out(name, value, place, kind, draft)
    return Fields({name: found for name, found in fields.items() if name in kind.carried})


def _leave_out(name: str, value: object, place: Place, kind: Kind, draft: Draft) -> None:
    if not refuse_harm(name, value, place, kind, draft) and not _says_nothing(name, value, kind):
        draft.note(place, *_omission(name, kind))


def refuse_harm(name: str, value: object, place: Place, kind: Kind, draft: Draft) -> bool:
    """Refuse what could do harm in a field; return whether there is any."""
    refusal = _refusal(name, value, kind)
    harm = [(place, name, refusal)] if refusal else [*_find_harm(name, value, place)]
    for at, field, reason in harm:
        detail = f"The field {quote(field)} is refused. {reason.advice}"
        draft.refuse(at, reason.code, detail)
    return bool(harm)


def _refusal(name: str, value: object, kind: Kind) -> Refusal | None:
    if value in (None, False, [], {}, ""):
        return None
    if name == "type":
        return None if isinstance(value, str) and value in kind.types else _CODE
    if name in CLASSES and isinstance(value, str):
        return _CODE
    return kind.refused.get(name) or _ANYWHERE.get(name)


def _find_harm(field: str, value: object, place: Place) -> Iterator[tuple[Place, str, Refusal]]:
    if field in CLASSES and isinstance(value, dict) and "python" in value:
        yield place / "python", "python", _CODE
    pending = [] if field in _DATA else [(value, place)]
    while pending:
        item, at = pending.pop()
        if isinstance(item, dict):
            for name, member in item.items():
                if name in _ANYWHERE and member is not None:
                    yield at / name, name, _ANYWHERE[name]
                else:
                    pending.append((member, at / name))
        elif isinstance(item, list):
            pending += [(member, at / index) for index, member in enumerate(item)]


def _says_nothing(name: str, value: object, kind: Kind) -> bool:
    if name in kind.omitted:
        default = kind.omitted[name].default
        return value is None or (type(value) is type(default) and value == default)
    return name == "type" or value in (None, False, [], {}, "")


def _omission(name: str, kind: Kind) -> tuple[str, str]:
    if name in kind.omitted:
        advice = kind.omitted[name].advice
        return "not-carried", f"The field {quote(name)} is left out. {advice}"
    allowed = listing(sorted(kind.carried))
    return "not-carried", (
        f"A graph cannot say {quote(name)} of {kind.title}, so it is left out. {_NOT_YET}"
        f" The fields are {allowed}."
    )
