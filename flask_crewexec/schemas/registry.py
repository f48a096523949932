"""Tools, models, functions and storages that graphs may name."""

from __future__ import annotations

import typing as t

import marshmallow as ma
from marshmallow import fields
from marshmallow import validate

from ..graphs import APPROVAL_DECISIONS
from ..graphs import OnApprovalExpiry


class RegisteredApprovalSchema(ma.Schema):
    """How people approve calls of a tool."""

    always = fields.Boolean(
        metadata={"description": "Whether all calls need approval, or a function decides"}
    )
    message = fields.String(
        allow_none=True, metadata={"description": "What those who are asked are told"}
    )
    roles = fields.List(
        fields.String(),
        metadata={
            "description": "Only users with one of these may answer; if empty, the owner may"
        },
    )
    decisions = fields.List(
        fields.String(validate=validate.OneOf(APPROVAL_DECISIONS)),
        metadata={"description": "What they may decide"},
    )
    expires_in = fields.Float(
        allow_none=True, metadata={"description": "Seconds until it is too late for an answer"}
    )
    on_expiry = fields.String(
        validate=validate.OneOf(t.get_args(OnApprovalExpiry)),
        metadata={"description": "What happens then"},
    )
    four_eyes = fields.Boolean(
        metadata={"description": "Whether another person must answer than the execution's owner"}
    )
    graph_may_assign = fields.Boolean(
        metadata={"description": "Whether a graph may name who is asked"}
    )


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
    approval = fields.Nested(
        RegisteredApprovalSchema,
        allow_none=True,
        metadata={"description": "How people approve calls; null if they need no approval"},
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
