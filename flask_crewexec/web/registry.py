"""The route that lists the tools, models and functions that graphs may name."""

from __future__ import annotations

import dataclasses
import inspect
import typing as t
from collections.abc import Mapping

from flask import Blueprint

from ..app_state import current_app_state
from ..registry.approval import Approval
from ..registry.specs import GuardrailSpec
from ..registry.specs import LLMSpec
from ..registry.specs import PredicateSpec
from ..registry.specs import ToolSpec
from ..registry.tool_schemas import arguments_schema
from ..schemas import RegisteredApprovalSchema
from ..schemas import RegistrySchema
from .authentication import current_identity
from .view_contracts import responds

Json = dict[str, t.Any]

_APPROVAL: t.Final = RegisteredApprovalSchema()


@responds(RegistrySchema())
def show_registry() -> Json:
    """List what graphs and inputs of the requester may name."""
    app_state = current_app_state()
    registry = app_state.registry
    allowed = registry.permissions_for(current_identity().roles)
    max_chars = app_state.settings.max_tool_output_chars
    return {
        "tools": [_tool(registry.tools[name], max_chars) for name in sorted(allowed.tools)],
        "models": [_model(registry.llms[name]) for name in sorted(allowed.models)],
        "guardrails": _described(registry.guardrails),
        "predicates": _described(registry.predicates),
        "storages": [{"name": name} for name in sorted(registry.storages)],
    }


def _tool(spec: ToolSpec, max_chars: int) -> Json:
    return {
        "name": spec.name,
        "description": inspect.cleandoc(spec.description),
        "arguments": arguments_schema(spec),
        "timeout": spec.timeout,
        "max_output_chars": spec.max_output_chars or max_chars,
        "on_unknown": spec.on_unknown,
        "approval": spec.approval and _approval(spec.approval),
    }


def _approval(approval: Approval) -> Json:
    all_terms = {
        **dataclasses.asdict(approval.host_approval.terms),
        "always": approval.when == "always",
        "graph_may_assign": approval.graph_may_assign,
    }
    return t.cast(Json, _APPROVAL.dump(all_terms))


def _model(spec: LLMSpec) -> Json:
    """Describe a model, without how it is reached and its fallbacks, which users need not know."""
    return {"name": spec.name, "max_tokens": spec.max_tokens}


def _described(specs: Mapping[str, GuardrailSpec | PredicateSpec]) -> list[Json]:
    return [
        {"name": name, "description": inspect.cleandoc(spec.description)}
        for name, spec in sorted(specs.items())
    ]


def add_routes(blueprint: Blueprint) -> None:
    """Add the route of the registry to *blueprint*."""
    blueprint.get("/registry")(show_registry)
