"""The route that shows what graphs may name."""

from __future__ import annotations

import inspect
import typing as t

from flask import Blueprint

from ..binding import current_binding
from ..schemas import RegistrySchema
from ..tool_arguments import arguments_schema
from .parsing import answers

Json = dict[str, t.Any]


@answers(RegistrySchema())
def show_registry() -> Json:
    """Show the tools, models and storages that graphs and inputs may name."""
    registry = current_binding().registry
    tools = [
        {
            "name": name,
            "description": inspect.cleandoc(spec.description),
            "arguments": arguments_schema(spec),
        }
        for name, spec in sorted(registry.tools.items())
    ]
    # How a model is reached is the host's business: no more than its name leaves this process.
    models = [{"name": name} for name in sorted(registry.models)]
    storages = [{"name": name} for name in sorted(registry.storages)]
    return {"tools": tools, "models": models, "storages": storages}


def add_routes(blueprint: Blueprint) -> None:
    """Mount the route."""
    blueprint.get("/registry")(show_registry)
