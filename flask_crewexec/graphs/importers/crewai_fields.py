"""The fields of CrewAI's agents, tasks, crews, models and tools, and what becomes of each.

Nothing that is left out prevents an import: a note says what it was for, and how much it matters.
"""

from __future__ import annotations

import typing as t
from collections.abc import Mapping

from ...errors import Severity


class Omission(t.NamedTuple):
    """What a note says about a field that is left out, unless it has its default."""

    severity: Severity
    advice: str
    default: object = None
    code: str = "left-out"


class Kind(t.NamedTuple):
    """The fields of one kind of object."""

    title: str
    supported: Mapping[str, str]
    """Names of the fields that graphs have, and what they become."""
    omitted: Mapping[str, Omission]
    types: frozenset[str] = frozenset()
    """Values of ``type`` that have no effect."""


CLASSES: t.Final = ("output_json", "output_pydantic", "response_model")
"""Fields with a class, or a JSON Schema as object."""
USER_DATA: t.Final = frozenset({*CLASSES, "inputs"})
"""Fields whose members are named by users."""
EMPTY: t.Final[tuple[object, ...]] = (None, False, "", [], {})
"""Values that say nothing."""

_CODE: t.Final = Omission(
    "changed", "Graphs contain no code. Do this in the host.", None, "code-reference"
)
_KNOWLEDGE: t.Final = Omission(
    "changed", "Use a registered tool that looks it up.", None, "knowledge"
)
_SERVICE: t.Final = Omission(
    "changed", "Ask the host to register a tool for it.", None, "outside-service"
)
_MCP: t.Final = Omission(
    "changed", "Ask the host to register the server, and use its tools.", None, "mcp-server"
)
_HOST: t.Final = Omission("info", "The host configures this.")
_LOGS: t.Final = Omission("info", "See the events of the execution.")
_MEMORY: t.Final = Omission("changed", "Executions share no memory.")
_ONE_MODEL: t.Final = Omission("changed", "An agent has one model for all its calls.")
_TEMPLATE: t.Final = Omission("changed", "Write it into the agent's texts.")
_RUN: t.Final = Omission("info", "CrewAI fills it while a crew runs.")
_POLICY: t.Final = Omission("changed", "A tool that fails tells its agent so.")
_CHECKPOINT: t.Final = Omission("info", "Executions always continue after the completed steps.")

_BOTH: t.Final[Mapping[str, Omission]] = {
    "checkpoint": _CHECKPOINT,
    "checkpoint_kickoff_event_id": _RUN,
    "embedder": Omission("info", "It only serves memory and knowledge."),
    "execution_context": _RUN,
    "function_calling_llm": _ONE_MODEL,
    "knowledge": _KNOWLEDGE,
    "knowledge_sources": _KNOWLEDGE,
    "max_rpm": _HOST,
    "memory": _MEMORY,
    "security_config": Omission("info", "It only names the object."),
    "skills": Omission("changed", "Write it into the backstory.", None, "skill"),
    "step_callback": _CODE,
    "tool_failure_policy": _POLICY,
    "verbose": _LOGS,
}

AGENT: t.Final = Kind(
    "an agent",
    {
        "role": "role",
        "goal": "goal",
        "backstory": "backstory",
        "allow_delegation": "allow_delegation, and edges to coworkers without a task",
        "config": "its members, where the agent does not set them itself",
        "guardrail": "a guardrail of each of the agent's tasks",
        "guardrail_max_retries": "the same field of those tasks",
        "inject_date": "inject_date",
        "llm": "an llm node",
        "max_iter": "max_iter",
        "max_reasoning_attempts": "max_reasoning_attempts",
        "planning": "reasoning, with one attempt; planning_config wins",
        "planning_config": "reasoning, and max_attempts as max_reasoning_attempts",
        "reasoning": "reasoning; planning_config wins",
        "tools": "tool nodes",
    },
    {
        **_BOTH,
        "a2a": _SERVICE,
        "adapted_agent": _RUN,
        "agent_executor": _CODE,
        "agent_knowledge_context": _RUN,
        "allow_code_execution": Omission(
            "changed", "Ask the host to register a tool that runs code.", False, "code-execution"
        ),
        "apps": _SERVICE,
        "cache": _HOST._replace(default=True),
        "cache_handler": _HOST,
        "callbacks": _CODE,
        "code_execution_mode": Omission("info", "Agents cannot run code.", "safe"),
        "crew": _RUN,
        "crew_knowledge_context": _RUN,
        "date_format": Omission("changed", "The date is written like 2026-11-23.", "%Y-%m-%d"),
        "entity_type": _RUN._replace(default="agent"),
        "executor_class": _CODE,
        "from_repository": Omission(
            "changed", "Write the agent's fields into the file.", None, "outside-service"
        ),
        "i18n": _TEMPLATE,
        "id": _RUN,
        "knowledge_config": _KNOWLEDGE,
        "knowledge_search_query": _RUN,
        "knowledge_storage": _KNOWLEDGE,
        "max_execution_time": Omission("changed", "Set the 'timeout' of the execution instead."),
        "max_retry_limit": Omission("info", "Executions are retried as a whole.", 2),
        "max_tokens": Omission(
            "changed", 'Write it into \'llm\' instead: {"model": …, "max_tokens": …}.'
        ),
        "mcps": _MCP,
        "multimodal": Omission("changed", "Agents read texts only."),
        "prompt_template": _TEMPLATE,
        "respect_context_window": _HOST._replace(default=True),
        "response_template": _TEMPLATE,
        "system_template": _TEMPLATE,
        "tools_handler": _RUN,
        "tools_results": _RUN,
        "use_better_compaction": _HOST._replace(default=True),
        "use_system_prompt": Omission("changed", "Agents have a system prompt.", True),
    },
    frozenset({"agent", "Agent", "crewai.Agent", "crewai.agent.core.Agent"}),
)
TASK: t.Final = Kind(
    "a task",
    {
        "name": "name",
        "description": "description",
        "expected_output": "expected_output; a default if it is blank",
        "agent": "an edge from the agent",
        "async_execution": "async",
        "condition": "condition: the registered predicate of this name",
        "config": "its members, where the task does not set them itself",
        "context": "edges from other tasks",
        "guardrail": "a guardrail: its text, or the registered one of this name",
        "guardrail_max_retries": "guardrail_max_retries",
        "guardrails": "guardrails",
        "human_input": "human_input",
        "markdown": "markdown",
        "max_retries": "guardrail_max_retries, which wins",
        "output_json": "output_schema",
        "output_pydantic": "output_schema",
        "response_model": "output_schema",
        "tools": "tool nodes",
    },
    {
        "allow_crewai_trigger_context": Omission("info", "Use an input in the description."),
        "callback": _CODE,
        "callbacks": _CODE,
        "checkpoint_original_description": _RUN,
        "checkpoint_original_expected_output": _RUN,
        "converter_cls": _CODE,
        "create_directory": Omission("info", "Nothing is written to files.", True),
        "delegations": _RUN._replace(default=0),
        "end_time": _RUN,
        "id": _RUN,
        "input_files": Omission("changed", "Declare an input of the type 'file'.", None, "file"),
        "output": _RUN,
        "output_file": Omission("info", "The output is kept with the execution.", None, "file"),
        "processed_by_agents": _RUN,
        "prompt_context": _RUN,
        "retry_count": _RUN._replace(default=0),
        "security_config": _BOTH["security_config"],
        "start_time": _RUN,
        "tool_failure_policy": _POLICY,
        "tools_errors": _RUN._replace(default=0),
        "used_tools": _RUN._replace(default=0),
    },
    frozenset(
        {
            *("task", "Task", "crewai.Task", "crewai.task.Task"),
            *("conditional", "conditional_task", "ConditionalTask"),
            "crewai.tasks.conditional_task.ConditionalTask",
        }
    ),
)
CREW: t.Final = Kind(
    "a crew",
    {
        "name": "name",
        "agents": "agent nodes",
        "tasks": "task nodes",
        "process": "process",
        "manager_agent": "an agent node with edges of the type manager",
        "manager_llm": "an llm node with edges of the type manager",
        "planning": "planning",
        "planning_llm": "planning_model",
        "inputs": "inputs with defaults, in this order",
    },
    {
        **_BOTH,
        "after_kickoff_callbacks": _CODE,
        "before_kickoff_callbacks": _CODE,
        "cache": _HOST,
        "chat_llm": Omission("info", "Crews have no chat."),
        "checkpoint_inputs": _RUN,
        "checkpoint_train": _RUN,
        "config": Omission("changed", "Write its members as fields of the crew."),
        "entity_type": _RUN._replace(default="crew"),
        "execution_logs": _RUN,
        "id": _RUN,
        "output_log_file": Omission("info", "See the events of the execution.", None, "file"),
        "prompt_file": _TEMPLATE,
        "share_crew": Omission("info", "Nothing is sent to CrewAI."),
        "stream": _HOST,
        "task_callback": _CODE,
        "task_execution_output_json_files": _RUN,
        "token_usage": _RUN,
        "tracing": Omission("info", "The host traces runs with OpenTelemetry."),
        "trained_agents_file": _TEMPLATE,
        "usage_metrics": _RUN,
    },
)

_ADDRESS: t.Final = Omission(
    "changed", "The host configures how models are reached.", None, "address"
)
_KEY: t.Final = Omission("info", "The host configures keys.", None, "secret")
_SAMPLING: t.Final = Omission("changed", "Ask the host to register a model with it.")
MODEL: t.Final = Kind(
    "a model",
    {
        "model": "name of the llm node",
        "provider": "the first part of that name",
        "temperature": "temperature",
        "max_tokens": "max_tokens",
        "deployment_name": "the name if there is no model",
    },
    {
        **dict.fromkeys(("api_base", "api_version", "azure_endpoint", "base_url"), _ADDRESS),
        **dict.fromkeys(("endpoint", "url", "location", "project", "region_name"), _ADDRESS),
        **dict.fromkeys(("api_key", "default_headers", "extra_headers", "token"), _KEY),
        **dict.fromkeys(("frequency_penalty", "presence_penalty", "top_p", "top_k"), _SAMPLING),
        **dict.fromkeys(("seed", "stop", "reasoning_effort", "response_format"), _SAMPLING),
        **dict.fromkeys(("callbacks", "max_retries", "stream", "timeout", "verbose"), _HOST),
    },
)
PLANNING: t.Final = Kind(
    "a planning configuration",
    {"max_attempts": "max_reasoning_attempts"},
    {
        "llm": _ONE_MODEL,
        "max_replans": Omission("changed", "Plans are made once.", 3),
        "max_step_iterations": Omission("changed", "The agent's 'max_iter' counts.", 15),
        "max_steps": Omission("changed", "Plans have no limit of steps.", 20),
        "observe_steps": Omission("changed", "Plans are made once."),
        "plan_prompt": _TEMPLATE,
        "reasoning_effort": Omission("changed", "Plans are made once."),
        "refine_prompt": _TEMPLATE,
        "step_timeout": Omission("changed", "Set the 'timeout' of the execution instead."),
        "system_prompt": _TEMPLATE,
    },
)
