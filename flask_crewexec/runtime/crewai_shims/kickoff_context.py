"""Context variables that CrewAI reads during a kickoff."""

from __future__ import annotations

import uuid

from crewai.execution import set_execution_uuid
from crewai.llms.retry import _active_llm_rate_limit_retry as in_rate_limit_retry
from crewai_core.printer import set_suppress_console_output


def prepare_run_context(execution_id: uuid.UUID) -> None:
    """Prepare the current context, which must be a run's own copy, for a kickoff."""
    set_suppress_console_output(True)
    set_execution_uuid(str(execution_id))
    in_rate_limit_retry.set(True)  # else CrewAI repeats a call twice after a refusal
