"""The language model that crews use.

It is registered once for all applications of the process, so it is configured by the environment.
"""

from __future__ import annotations

from . import config
from .extensions import crewexec

crewexec.llm(
    "default",
    model=config.model_name(),
    base_url=config.model_base_url(),
    api_key=config.model_api_key,  # a function, which is called when a run starts
    stream=True,
)
