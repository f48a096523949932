"""The fields of CrewAI's agents, tasks, crews, models and tools.

Fields that could run code, read files or reach other machines are refused. Other fields that graphs
do not have are left out with a note.
"""

from __future__ import annotations

import typing as t
from collections.abc import Mapping


class Refusal(t.NamedTuple):
    """Why a field is refused."""

    code: str
    advice: str


class Omission(t.NamedTuple):
    """Why a field is left out, unless it has its default."""

    default: object
    advice: str


CODE: t.Final = Refusal("code-reference", "Graphs must not contain code. Remove it.")
_FILE: t.Final = Refusal("file-path", "Graphs cannot read or write files. Remove it.")
_ADDRESS: t.Final = Refusal(
    "address", "The host configures how models are reached. Remove it, and name a model."
)
_SECRET: t.Final = Refusal("secret", "The host configures keys. Remove it, and name a model.")
_COMMAND: t.Final = Refusal(
    "mcp-server", "The host registers the tools of MCP servers. Remove it, and name a tool."
)
KNOWLEDGE: t.Final = Refusal(
    "knowledge",
    "Graphs have no knowledge files. Remove it, and use a registered tool for look-ups.",
)
_SERVICE: t.Final = Refusal(
    "outside-service", "Graphs cannot use outside services. Remove it, and name a tool."
)
_NESTED: t.Final = Refusal("nested-config", "Write its members as fields one level up instead.")

REFUSED_EVERYWHERE: t.Final[Mapping[str, Refusal]] = {
    "python": CODE,
    "tool_type": CODE,
    "code": CODE,
    "script": CODE,
    "command": _COMMAND,
    "base_url": _ADDRESS,
    "api_base": _ADDRESS,
    "azure_endpoint": _ADDRESS,
    "endpoint": _ADDRESS,
    "url": _ADDRESS,
    "api_key": _SECRET,
}
"""Refused everywhere, also within fields that are left out."""

_BOTH: t.Final[Mapping[str, Refusal]] = {
    "checkpoint": _FILE,
    "config": _NESTED,
    "knowledge": KNOWLEDGE,
    "knowledge_sources": KNOWLEDGE,
    "knowledge_storage": KNOWLEDGE,
    "skills": _FILE,
    "step_callback": CODE,
}
_AGENT_REFUSED: t.Final[Mapping[str, Refusal]] = {
    **_BOTH,
    "a2a": _SERVICE,
    "agent_executor": CODE,
    "allow_code_execution": Refusal("code-execution", "Agents cannot run code. Remove it."),
    "apps": _SERVICE,
    "callbacks": CODE,
    "executor_class": CODE,
    "from_repository": _SERVICE,
    "mcps": _COMMAND,
}
_TASK_REFUSED: t.Final[Mapping[str, Refusal]] = {
    "callback": CODE,
    "condition": CODE,
    "config": _NESTED,
    "converter_cls": CODE,
    "input_files": _FILE,
    "output_file": Refusal("file-path", "The output is stored with the execution. Remove it."),
}
_CREW_REFUSED: t.Final[Mapping[str, Refusal]] = {
    **_BOTH,
    "after_kickoff_callbacks": CODE,
    "before_kickoff_callbacks": CODE,
    "output_log_file": _FILE,
    "prompt_file": _FILE,
    "task_callback": CODE,
    "trained_agents_file": _FILE,
}
CLASSES: t.Final = ("output_json", "output_pydantic", "response_model")
"""Fields with the name of a class as text, or a JSON Schema as object."""
USER_DATA: t.Final = frozenset({*CLASSES, "inputs"})
"""Fields whose members are named by users."""

_HOST: t.Final = "The host configures this."
_LOGS: t.Final = "See the events of the execution."
_NO_MEMORY: t.Final = "Executions share no memory."
_ONE_MODEL: t.Final = "An agent has one model for all its calls."
UNKNOWN_FIELD: t.Final = "Write it into the texts if the result depends on it."

_AGENT_OMITTED: t.Final[Mapping[str, Omission]] = {
    "cache": Omission(True, _HOST),
    "code_execution_mode": Omission("safe", "Agents cannot run code."),
    "date_format": Omission("%Y-%m-%d", "The date is written like 2026-11-23."),
    "embedder": Omission(None, _NO_MEMORY),
    "function_calling_llm": Omission(None, _ONE_MODEL),
    "max_execution_time": Omission(None, "Set the 'timeout' of the execution instead."),
    "max_retry_limit": Omission(2, "Executions are retried as a whole."),
    "max_rpm": Omission(None, _HOST),
    "max_tokens": Omission(None, 'Write it into \'llm\' instead: {"model": …, "max_tokens": …}.'),
    "memory": Omission(False, _NO_MEMORY),
    "planning": Omission(False, "Use 'reasoning' instead, to plan before each task."),
    "planning_config": Omission(None, "Use 'reasoning' and 'max_reasoning_attempts' instead."),
    "respect_context_window": Omission(True, _HOST),
    "use_better_compaction": Omission(True, _HOST),
    "use_system_prompt": Omission(True, _HOST),
    "verbose": Omission(False, _LOGS),
}
_TASK_OMITTED: t.Final[Mapping[str, Omission]] = {
    "create_directory": Omission(True, "Graphs cannot write files."),
    "human_input": Omission(False, "Executions do not wait for human input."),
}
_CREW_OMITTED: t.Final[Mapping[str, Omission]] = {
    "cache": Omission(False, _HOST),
    "chat_llm": Omission(None, "Crews have no chat."),
    "embedder": Omission(None, _NO_MEMORY),
    "function_calling_llm": Omission(None, _ONE_MODEL),
    "inputs": Omission({}, "Send them as 'inputs' when you submit an execution."),
    "max_rpm": Omission(None, _HOST),
    "memory": Omission(False, _NO_MEMORY),
    "share_crew": Omission(False, "Nothing is sent to CrewAI."),
    "stream": Omission(False, "The host configures streaming of models."),
    "tracing": Omission(None, "The host traces runs with OpenTelemetry."),
    "verbose": Omission(False, _LOGS),
}


class Kind(t.NamedTuple):
    """The fields of one kind of object."""

    title: str
    supported: frozenset[str]
    refused: Mapping[str, Refusal]
    omitted: Mapping[str, Omission]
    types: frozenset[str] = frozenset()
    """Values of ``type`` that have no effect."""


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
    {"parameters": Omission({}, "The host configures its tools.")},
)
