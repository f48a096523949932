"""Checks when a worker starts, so that a mistake is found before a run needs what is wrong."""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Iterator

from ..app_state import AppState
from ..graphs import is_for_nobody
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


def check_approvals(app_state: AppState) -> None:
    """Log each tool whose calls nobody could approve, apart from managers who bypass its rules."""
    registry = app_state.registry
    if registry.assign is not None:
        return
    for name, spec in registry.tools.items():
        host = None if spec.approval is None else spec.approval.host_approval
        if host is not None and is_for_nobody(host.terms) and not host.graph_may_assign:
            log.error(
                "Nobody can approve calls of the tool '%s': with 'four_eyes' its owner cannot. Pass"
                " 'roles' or 'graph_may_assign=True' to its 'Approval', or register a function with"
                " '@crewexec.assign'.",
                name,
            )


def _problem_of(spec: LLMSpec, connections: ModelConnections) -> BaseException | None:
    without_key = dataclasses.replace(spec, api_key=None)  # it may belong to a user
    secrets = SecretResolver((), "", lambda revealed: None)
    try:
        build_llm(without_key, None, secrets, connections, default_timeout=1.0)
    except Exception as error:  # noqa: BLE001  # a function of the host may raise it, too
        return error.__cause__ or error
    return None
