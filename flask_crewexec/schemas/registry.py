"""Tools, models, functions and storages that graphs may name."""

from __future__ import annotations

import marshmallow as ma
from marshmallow import fields


class RegisteredToolSchema(ma.Schema):
    """A tool that graphs may name."""

    name = fields.String(metadata={"description": "Name for graphs"})
    description = fields.String(metadata={"description": "What models are told about the tool"})
    arguments = fields.Dict(
        allow_none=True, metadata={"description": "JSON Schema; null if it is not known"}
    )
    timeout = fields.Float(
        allow_none=True, metadata={"description": "Seconds that one call may take"}
    )
    max_output_chars = fields.Integer(metadata={"description": "Longer outputs are truncated"})
    on_unknown = fields.String(
        metadata={
            "description": "What happens to an interrupted call: it is repeated, a person is"
            " asked, or the run fails",
            "enum": ["repeat", "ask", "fail"],
        }
    )


class RegisteredModelSchema(ma.Schema):
    """A model that graphs may name."""

    name = fields.String(metadata={"description": "Name for graphs"})
    max_tokens = fields.Integer(
        allow_none=True, metadata={"description": "Maximum that graphs may request"}
    )


class RegisteredStorageSchema(ma.Schema):
    """A storage for inputs of the type ``file``."""

    name = fields.String(metadata={"description": "Prefix of references, before the colon"})


class RegisteredFunctionSchema(ma.Schema):
    """A guardrail or predicate that graphs may name."""

    name = fields.String(metadata={"description": "Name for graphs"})
    description = fields.String(metadata={"description": "What the function checks"})


class RegistrySchema(ma.Schema):
    """What graphs may name."""

    tools = fields.List(
        fields.Nested(RegisteredToolSchema),
        metadata={"description": "Tools that agents and tasks may use"},
    )
    models = fields.List(
        fields.Nested(RegisteredModelSchema), metadata={"description": "Models that agents may use"}
    )
    guardrails = fields.List(
        fields.Nested(RegisteredFunctionSchema),
        metadata={"description": "Functions that check outputs"},
    )
    predicates = fields.List(
        fields.Nested(RegisteredFunctionSchema),
        metadata={"description": "Functions that decide conditions"},
    )
    storages = fields.List(
        fields.Nested(RegisteredStorageSchema), metadata={"description": "Storages of input files"}
    )
