"""Model calls, tool calls and checks of executions."""

from __future__ import annotations

import marshmallow as ma
from marshmallow import fields
from marshmallow import validate

from ..statuses import CallKind
from ..statuses import CallStatus
from .fields import MAX_INTEGER
from .fields import Moment
from .fields import RowSchema
from .usage import TokensSchema

MAX_CALLS = 100


class CallErrorSchema(ma.Schema):
    """Why a call has failed."""

    code = fields.String(metadata={"description": "Stable kind of failure"})
    status = fields.Integer(
        metadata={
            "description": "HTTP status of the model's provider, if it has answered",
            "optional": True,
        }
    )
    may_have_acted = fields.Boolean(
        metadata={
            "description": "True if the tool may have had its effect all the same",
            "optional": True,
        }
    )


class CallSchema(RowSchema):
    """A call of a model or a tool, or a check of an answer."""

    number = fields.Integer(metadata={"description": "Number within the execution, from 1"})
    kind = fields.String(
        validate=validate.OneOf(list(CallKind)),
        metadata={"description": "What was called; a 'check' is the verdict of a guardrail"},
    )
    name = fields.String(
        metadata={"description": "Name of the model at its provider, the tool or the guardrail"}
    )
    agent = fields.String(allow_none=True, metadata={"description": "Role of the agent"})
    step = fields.Integer(
        allow_none=True, metadata={"description": "Position of the step; null outside of steps"}
    )
    attempt = fields.Integer(metadata={"description": "Number of the attempt that made it"})
    generation = fields.Integer(
        metadata={"description": "How often the step had been restarted although calls were stored"}
    )
    parent = fields.Integer(
        allow_none=True,
        metadata={"description": "Number of the call that delegated the work it belongs to"},
    )
    status = fields.String(
        validate=validate.OneOf(list(CallStatus)),
        metadata={
            "description": "'unknown' if the worker was lost before the end was stored; the call"
            " may have had its effect"
        },
    )
    request = fields.Raw(
        allow_none=True,
        metadata={
            "description": "Of a model: what was new since the previous call of the conversation,"
            ' \'{"start", "messages"}\', after so many earlier messages; of a tool:'
            " '{\"arguments\"}', with 'edited' if it was called with those of a person. Null if it"
            " was left out"
        },
    )
    answer = fields.Raw(
        allow_none=True,
        metadata={
            "description": 'Of a model: \'{"value", "finish_reason"}\', whose value is a text or'
            " tool calls, with 'remembered' if the model's object keeps more of it; of a tool:"
            " '{\"text\"}', as the model was told; of a check:"
            " '{\"verdict\"}', true or what is wrong. Null if it was left out"
        },
    )
    error = fields.Nested(
        CallErrorSchema,
        allow_none=True,
        metadata={"description": "Why it has failed; null if it has not"},
    )
    altered = fields.Boolean(
        metadata={"description": "Whether something in it was replaced, such as a secret"}
    )
    cut = fields.Boolean(
        metadata={"description": "Whether something in it is left out, such as too long texts"}
    )
    size = fields.Integer(
        metadata={"description": "Characters that are stored of its request and answer"}
    )
    usage = fields.Nested(TokensSchema, metadata={"description": "Tokens and cost of a model call"})
    started_at = Moment(metadata={"description": "When it began"})
    finished_at = Moment(allow_none=True, metadata={"description": "When it ended"})


class WholeCallSchema(CallSchema):
    """A call with everything that a model was asked."""

    messages = fields.Raw(
        allow_none=True,
        metadata={
            "description": "All messages of the request of a model, or the last ones if they are"
            " too large together; null if some are not stored"
        },
    )
    messages_omitted = fields.Integer(
        metadata={"description": "How many messages at the beginning are left out"}
    )
    omitted_in_call = fields.Integer(
        allow_none=True,
        metadata={
            "description": "Number of an earlier call whose messages begin with those that are left"
            " out; null if none are"
        },
    )


class CallPageSchema(ma.Schema):
    """A page of calls, in their order; large ones are in shorter pages, until one is empty."""

    calls = fields.List(
        fields.Nested(CallSchema), metadata={"description": "The calls of this page"}
    )
    next = fields.Integer(metadata={"description": "'after' for the next page"})


class CallQuerySchema(ma.Schema):
    """Range of a list of calls."""

    step = fields.Integer(
        load_default=None,
        validate=validate.Range(0, MAX_INTEGER),
        metadata={"description": "Only calls of the step at this position"},
    )
    after = fields.Integer(
        load_default=0,
        validate=validate.Range(0, MAX_INTEGER),
        metadata={"description": "Only calls with a greater number"},
    )
    limit = fields.Integer(
        load_default=50,
        validate=validate.Range(1, MAX_CALLS),
        metadata={"description": "Maximum number of calls"},
    )
    content = fields.Boolean(
        load_default=True,
        metadata={"description": "Whether requests and answers are shown"},
    )
