"""What graphs may name."""

from __future__ import annotations

import marshmallow as ma
from marshmallow import fields


class RegisteredToolSchema(ma.Schema):
    """A tool that graphs may name."""

    name = fields.String()
    description = fields.String()
    arguments = fields.Dict(
        allow_none=True, metadata={"description": "JSON Schema; null if it cannot be told"}
    )
    timeout = fields.Float(
        allow_none=True, metadata={"description": "Seconds that one call may take"}
    )
    max_output_chars = fields.Integer(metadata={"description": "What is longer is cut"})


class RegisteredModelSchema(ma.Schema):
    """A model that graphs may name."""

    name = fields.String()
    max_tokens = fields.Integer(
        allow_none=True, metadata={"description": "The most that graphs may ask for"}
    )


class RegisteredStorageSchema(ma.Schema):
    """Where inputs of the type ``file`` may come from."""

    name = fields.String(metadata={"description": "What references begin with, before a colon"})


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
