"""Checks when a worker starts, so that a mistake is found before a run needs what is wrong."""

from __future__ import annotations

import dataclasses
import logging

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
    with ModelConnections(max_bytes=0) as connections:
        for spec in app_state.registry.llms.values():
            _check_model(spec, connections)


def _check_model(spec: LLMSpec, connections: ModelConnections) -> None:
    without_key = dataclasses.replace(spec, api_key=None)  # it may belong to a user
    secrets = SecretResolver((), "", lambda revealed: None)
    try:
        build_llm(without_key, None, secrets, connections, default_timeout=1.0)
    except Exception as error:  # noqa: BLE001  # a function of the host may raise it, too
        reason = error.__cause__ or error
        log.error("Model '%s' cannot be used: %s", spec.name, reason)
