"""Checks when a worker starts, so that a mistake is found before a run needs what is wrong."""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Iterator

from ..app_state import AppState
from ..registry.secrets import SecretResolver
from ..registry.specs import LLMSpec
from .llm_builder import build_llm
from .model_connections import ModelConnections

log = logging.getLogger(__name__)


def check_environment() -> None:
    """Check that this process can make connections to models.

    :raises WorkerMisconfigured: if it cannot.
    """
    with ModelConnections(max_bytes=0):
        pass


def check_models(app_state: AppState) -> None:
    """Log each registered model that cannot be used as it is registered, without calling it."""
    for name, reason in model_problems(app_state):
        log.error("Model '%s' cannot be used: %s", name, reason)


def model_problems(app_state: AppState) -> Iterator[tuple[str, BaseException]]:
    """Yield the name of each model that cannot be used as it is registered, with the reason."""
    with ModelConnections(max_bytes=0) as connections:
        for spec in app_state.registry.llms.values():
            if reason := _problem_of(spec, connections):
                yield spec.name, reason


def _problem_of(spec: LLMSpec, connections: ModelConnections) -> BaseException | None:
    without_key = dataclasses.replace(spec, api_key=None)  # it may belong to a user
    secrets = SecretResolver((), "", lambda revealed: None)
    try:
        build_llm(without_key, None, secrets, connections, default_timeout=1.0)
    except Exception as error:  # noqa: BLE001  # a function of the host may raise it, too
        return error.__cause__ or error
    return None
