"""The route that shows what graphs may name."""

from __future__ import annotations

import inspect
import typing as t
from collections.abc import Mapping

from flask import Blueprint

from ..binding import current_binding
from ..registry import GuardrailSpec
from ..registry import PredicateSpec
from ..schemas import RegistrySchema
from ..tool_arguments import arguments_schema
from .parsing import answers

Json = dict[str, t.Any]


@answers(RegistrySchema())
def show_registry() -> Json:
    """Show what graphs may name."""
    registry = current_binding().registry
    tools = [
        {
            "name": name,
            "description": inspect.cleandoc(spec.description),
            "arguments": arguments_schema(spec),
        }
        for name, spec in sorted(registry.tools.items())
    ]
    return {
        "tools": tools,
        # How a model is reached is the host's business: only its name leaves this process.
        "models": [{"name": name} for name in sorted(registry.models)],
        "guardrails": _described(registry.guardrails),
        "predicates": _described(registry.predicates),
    }


def _described(specs: Mapping[str, GuardrailSpec | PredicateSpec]) -> list[Json]:
    return [
        {"name": name, "description": inspect.cleandoc(spec.description)}
        for name, spec in sorted(specs.items())
    ]


def add_routes(blueprint: Blueprint) -> None:
    """Mount the route."""
    blueprint.get("/registry")(show_registry)
