"""Requests to fork executions, and what a fork does with each step."""

from __future__ import annotations

import typing as t
from collections.abc import Mapping

import marshmallow as ma
from marshmallow import fields
from marshmallow import validate

from ..graphs import Reason
from ..graphs import StepPlan
from ..statuses import StepOrigin
from .executions import WholeExecutionSchema
from .fields import Text
from .fields import Texts
from .submissions import IdempotencyKeySchema
from .submissions import LimitsSchema

MAX_OUTPUT = 1_000_000
"""Maximum length of a text that replaces an output, unless the settings allow less."""

REASONS: t.Final[Mapping[Reason, str]] = {
    "from-step": "It is 'from_step', or follows it.",
    "new-step": "The version that was run has no such step.",
    "not-finished": "It has no output yet.",
    "definition-changed": "Its definition has changed: {causes}.",
    "input-changed": "It uses inputs that have changed: {causes}.",
    "plan-changed": "The crew is planned again, because steps or inputs have changed.",
    "output-changed": "It reads outputs that change: {causes}.",
}
"""Why a step runs, by the code of the reason."""


class ForkRequestSchema(ma.Schema):
    """What a fork changes."""

    from_step = Text(
        1,
        200,
        load_default=None,
        allow_none=True,
        metadata={
            "description": "Name of the first step that runs in any case; by default, every"
            " finished step is taken over that nothing has changed for"
        },
    )
    outputs = Texts(
        Text(1, MAX_OUTPUT, lines=True),
        load_default=dict,
        metadata={
            "description": "Texts by the names of steps, which replace their outputs; for a step"
            " with 'output_schema', the object as JSON",
            "example": {"research": "Bees have five eyes."},
        },
    )
    inputs = fields.Dict(
        load_default=dict,
        metadata={
            "description": "Inputs that change; the others are as before",
            "example": {"topic": "honey"},
        },
    )
    graph_version = fields.String(
        load_default="same",
        validate=validate.OneOf(["same", "latest"]),
        metadata={"description": "Version of the graph to run"},
    )
    limits = fields.Nested(
        LimitsSchema,
        load_default=dict,
        metadata={"description": "Limits that change; the others are as before"},
    )

    example: t.ClassVar = {
        "from_step": "write",
        "outputs": {"research": "Bees have five eyes."},
        "inputs": {"topic": "honey"},
        "graph_version": "latest",
        "limits": {"max_tokens": 50_000},
    }


class ForkSchema(ForkRequestSchema, IdempotencyKeySchema):
    """What a fork changes, with its key."""


class ForkedStepSchema(ma.Schema):
    """What a fork does with a step."""

    step = fields.String(metadata={"description": "Name of the step"})
    origin = fields.String(
        allow_none=True,
        validate=validate.OneOf(list(StepOrigin)),
        metadata={"description": "'reused' or 'edited' if its output is known; null if it runs"},
    )
    reason = fields.String(
        allow_none=True,
        validate=validate.OneOf(list(REASONS)),
        metadata={"description": "Why it runs; null if it does not"},
    )
    causes = fields.List(
        fields.String(),
        metadata={
            "description": "What has changed: inputs, steps, or 'task', 'context', 'agents' and"
            " 'manager' of a definition"
        },
    )
    detail = fields.String(
        allow_none=True, metadata={"description": "The reason as a sentence; null without one"}
    )


class ForkedSchema(ma.Schema):
    """A fork, and what it does with each step."""

    execution = fields.Nested(
        WholeExecutionSchema, metadata={"description": "The execution that was queued"}
    )
    steps = fields.List(
        fields.Nested(ForkedStepSchema), metadata={"description": "Steps in the order of execution"}
    )


def stored_plan(plan: StepPlan) -> dict[str, t.Any]:
    """Return what a fork does with a step, as its history stores it."""
    return {
        "step": plan.name,
        "origin": plan.origin,
        "reason": plan.reason,
        "causes": [*plan.causes],
    }


def explained(stored: Mapping[str, t.Any]) -> dict[str, t.Any]:
    """Return a stored plan of a step with its reason as a sentence."""
    causes = ", ".join(f"'{cause}'" for cause in stored["causes"])
    reason = REASONS.get(stored["reason"])
    return {**stored, "detail": None if reason is None else reason.format(causes=causes)}
