"""The language model that crews may use.

A name is registered once for the whole process, so the model comes from the environment, which is
the same for every application in it.
"""

from __future__ import annotations

from . import config
from .extensions import crewexec

crewexec.llm(
    "default",
    model=config.model_name(),
    base_url=config.model_base_url(),
    api_key=config.model_api_key,  # the function: the key is asked for when a run begins
)
