"""Tools, models, functions and storages that graphs may name."""

from __future__ import annotations

import marshmallow as ma
from marshmallow import fields


class RegisteredToolSchema(ma.Schema):
    """A tool that graphs may name."""

    name = fields.String()
    description = fields.String()
    arguments = fields.Dict(
        allow_none=True, metadata={"description": "JSON Schema; null if it is not known"}
    )
    timeout = fields.Float(
        allow_none=True, metadata={"description": "Seconds that one call may take"}
    )
    max_output_chars = fields.Integer(metadata={"description": "Longer outputs are truncated"})


class RegisteredModelSchema(ma.Schema):
    """A model that graphs may name."""

    name = fields.String()
    max_tokens = fields.Integer(
        allow_none=True, metadata={"description": "Maximum that graphs may request"}
    )


class RegisteredStorageSchema(ma.Schema):
    """A storage for inputs of the type ``file``."""

    name = fields.String(metadata={"description": "Prefix of references, before the colon"})


class RegisteredFunctionSchema(ma.Schema):
    """A guardrail or predicate that graphs may name."""

    name = fields.String()
    description = fields.String()


class RegistrySchema(ma.Schema):
    """What graphs may name."""

    tools = fields.List(fields.Nested(RegisteredToolSchema))
    models = fields.List(fields.Nested(RegisteredModelSchema))
    guardrails = fields.List(fields.Nested(RegisteredFunctionSchema))
    predicates = fields.List(fields.Nested(RegisteredFunctionSchema))
    storages = fields.List(fields.Nested(RegisteredStorageSchema))
