"""The language models that crews use.

They are registered once for all applications of the process, so the environment configures them.
"""

from __future__ import annotations

from flask_crewexec import current_execution

from . import config
from .extensions import crewexec

NOWHERE = "http://127.0.0.1:9/v1"
"""Nothing listens on this port."""

crewexec.llm(
    "default",
    model=config.model_name(),
    base_url=config.model_base_url(),
    api_key=config.model_api_key,  # a function, which is called when a run starts
    stream=True,
)


def unsteady_base_url() -> str:
    """Return an address without a server for the first attempt of an execution."""
    # Without an execution, a worker that starts only checks the model.
    is_first = bool(current_execution) and current_execution.attempt == 1
    return NOWHERE if is_first else config.model_base_url() or config.OPENAI_URL


# A failure that can be relied on, to show what becomes of it.
crewexec.llm(
    "unsteady",
    model=config.model_name(),
    base_url=unsteady_base_url,
    api_key=config.model_api_key,
    stream=True,
)
