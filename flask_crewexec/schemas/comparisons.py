"""How two executions differ."""

from __future__ import annotations

import marshmallow as ma
from marshmallow import fields
from marshmallow import validate

from ..statuses import CallKind
from ..statuses import StepOrigin
from ..statuses import StepStatus
from .executions import ExecutionSchema
from .usage import UsageSchema
from .versions import ChangeSchema


class TextDifferenceSchema(ma.Schema):
    """How two texts differ."""

    same = fields.Boolean(
        allow_none=True,
        metadata={"description": "Whether they are the same; null if one is too large to be read"},
    )
    diff = fields.String(
        allow_none=True,
        metadata={"description": "Unified diff, line by line; null if they are the same"},
    )
    truncated = fields.Boolean(metadata={"description": "Whether the diff was cut off"})
    omitted = fields.Boolean(
        metadata={"description": "Whether the diff was left out, since the texts are too large"}
    )


class InputDifferenceSchema(ma.Schema):
    """An input that differs."""

    name = fields.String(metadata={"description": "Name of the input"})
    a = fields.Raw(
        metadata={"description": "Its value in the first; missing if it has none", "optional": True}
    )
    b = fields.Raw(
        metadata={
            "description": "Its value in the second; missing if it has none",
            "optional": True,
        }
    )


class ComparedStepSchema(ma.Schema):
    """A step of one of two executions."""

    position = fields.Integer(metadata={"description": "Position in the order of execution"})
    status = fields.String(
        validate=validate.OneOf(list(StepStatus)), metadata={"description": "Status of the step"}
    )
    origin = fields.String(
        allow_none=True,
        validate=validate.OneOf(list(StepOrigin)),
        metadata={"description": "'reused' or 'edited' in a fork that did not run it"},
    )
    agent = fields.String(allow_none=True, metadata={"description": "Role of the agent"})
    seconds = fields.Float(
        allow_none=True, metadata={"description": "From its start to its end; null without both"}
    )
    usage = fields.Nested(UsageSchema, metadata={"description": "Its calls and tokens"})


class StepDifferenceSchema(ma.Schema):
    """Steps of the same name."""

    name = fields.String(metadata={"description": "Name of the step"})
    a = fields.Nested(
        ComparedStepSchema,
        allow_none=True,
        metadata={"description": "The step of the first; null if it has none"},
    )
    b = fields.Nested(
        ComparedStepSchema,
        allow_none=True,
        metadata={"description": "The step of the second; null if it has none"},
    )
    output = fields.Nested(TextDifferenceSchema, metadata={"description": "How the outputs differ"})


class CallTotalSchema(ma.Schema):
    """How often something was called."""

    calls = fields.Integer(metadata={"description": "Number of calls"})
    failed = fields.Integer(metadata={"description": "Number of those that failed"})
    total_tokens = fields.Integer(metadata={"description": "Tokens of model calls"})
    cost = fields.Float(metadata={"description": "From 'CREWEXEC_PRICES'; 0 without prices"})


class CallDifferenceSchema(ma.Schema):
    """Calls of the same model or tool, or checks by the same guardrail."""

    kind = fields.String(
        validate=validate.OneOf(list(CallKind)), metadata={"description": "What was called"}
    )
    name = fields.String(metadata={"description": "Name of the model, tool or guardrail"})
    a = fields.Nested(
        CallTotalSchema,
        allow_none=True,
        metadata={"description": "Calls of the first; null if there are none"},
    )
    b = fields.Nested(
        CallTotalSchema,
        allow_none=True,
        metadata={"description": "Calls of the second; null if there are none"},
    )


class TotalsDifferenceSchema(ma.Schema):
    """Figures of the second execution minus those of the first."""

    seconds = fields.Float(
        allow_none=True, metadata={"description": "From start to end; null unless both started"}
    )
    llm_calls = fields.Integer(metadata={"description": "Model calls"})
    tool_calls = fields.Integer(metadata={"description": "Tool calls"})
    total_tokens = fields.Integer(metadata={"description": "Tokens"})
    cost = fields.Float(metadata={"description": "From 'CREWEXEC_PRICES'; 0 without prices"})


class ComparisonSchema(ma.Schema):
    """How two executions, 'a' and 'b', differ."""

    a = fields.Nested(
        ExecutionSchema, metadata={"description": "The first: its status, error, time and usage"}
    )
    b = fields.Nested(
        ExecutionSchema, metadata={"description": "The second: its status, error, time and usage"}
    )
    difference = fields.Nested(
        TotalsDifferenceSchema, metadata={"description": "The second minus the first"}
    )
    inputs = fields.List(
        fields.Nested(InputDifferenceSchema), metadata={"description": "Inputs that differ"}
    )
    graph = fields.List(
        fields.Nested(ChangeSchema),
        metadata={"description": "Changes from the graph of the first to that of the second"},
    )
    steps = fields.List(
        fields.Nested(StepDifferenceSchema),
        metadata={"description": "Steps by name, in the order of the second"},
    )
    result = fields.Nested(TextDifferenceSchema, metadata={"description": "How the results differ"})
    calls = fields.List(
        fields.Nested(CallDifferenceSchema),
        metadata={"description": "What was called, as far as calls are recorded"},
    )
