"""Input requests, and answers to them."""

from __future__ import annotations

import typing as t

import marshmallow as ma
from marshmallow import fields
from marshmallow import validate

from ..graphs.assignees import MAX_SECONDS
from ..identity import MAX_USER_ID
from ..statuses import Decision
from ..statuses import InputKind
from ..statuses import InputStatus
from .fields import JsonBoolean
from .fields import Moment
from .fields import RowSchema
from .fields import Text
from .pages import PageQuerySchema

MAX_WORDS: t.Final = 200_000
"""Maximum number of characters of what is written, other than instead of the answer itself."""
MAX_ANSWERS: t.Final = 100
"""Maximum number of answers that are sent at once."""
MAX_ARGUMENTS: t.Final = 100_000
"""Maximum number of characters of arguments that people can read and approve, as JSON."""


class InputRequestQuerySchema(PageQuerySchema):
    """Range of the list of input requests, and filters."""

    status = fields.String(
        load_default=None,
        validate=validate.OneOf(list(InputStatus)),
        metadata={"description": "Only requests with this status"},
    )
    execution_id = fields.UUID(
        load_default=None, metadata={"description": "Only those of this execution"}
    )
    assigned = fields.String(
        load_default=None,
        validate=validate.OneOf(["me"]),
        metadata={"description": "'me' for those that the user is asked, and may answer"},
    )
    expires_within = fields.Float(
        load_default=None,
        allow_nan=False,
        validate=validate.Range(0, MAX_SECONDS),
        metadata={"description": "Only those that expire within so many seconds, or have"},
    )


class DraftSchema(ma.Schema):
    """What is reviewed."""

    text = fields.String(metadata={"description": "The answer of the step"})
    value = fields.Dict(
        metadata={
            "description": "The same as an object, if the task has a schema",
            "optional": True,
        }
    )


class AnswerContentSchema(ma.Schema):
    """What somebody has written."""

    text = fields.String(
        metadata={
            "description": "Text, for a change or instead of the answer",
            "optional": True,
        }
    )
    value = fields.Raw(
        metadata={
            "description": "An object instead of the answer, or a choice",
            "optional": True,
        }
    )
    arguments = fields.Dict(
        metadata={
            "description": "Arguments instead of those of the call",
            "optional": True,
        }
    )


class AssigneesSchema(ma.Schema):
    """Who is asked."""

    users = fields.List(fields.String(), metadata={"description": "Ids of users"})
    roles = fields.List(fields.String(), metadata={"description": "Roles of users"})


class InputRequestSchema(RowSchema):
    """What an execution asks people."""

    id = fields.String(metadata={"description": "Id of the request"})
    execution_id = fields.String(metadata={"description": "Id of the execution"})
    graph_name = fields.String(
        allow_none=True,
        metadata={
            "description": "Present name of the execution's graph; null for those who are asked,"
            " but do not see the execution"
        },
    )
    kind = fields.String(
        validate=validate.OneOf(list(InputKind)),
        metadata={
            "description": "'review' of the answer of a step, 'approval' of a tool call,"
            " 'question' of an agent, or 'outcome' of a tool call that was interrupted"
        },
    )
    step = fields.Integer(metadata={"description": "Position of the step, from 0"})
    step_name = fields.String(metadata={"description": "Name of the step"})
    round = fields.Integer(metadata={"description": "How often the same was asked, from 1"})
    message = fields.String(
        allow_none=True,
        metadata={
            "description": "What the graph tells those who are asked, or the question; null for"
            " managers who may not see questions"
        },
    )
    problem = fields.String(
        allow_none=True,
        metadata={
            "description": "Why it is asked: the answer that somebody has edited was refused,"
            " or a tool call was interrupted"
        },
    )
    draft = fields.Nested(
        DraftSchema,
        allow_none=True,
        metadata={
            "description": "What is reviewed; null for managers who may not see it, and for other"
            " kinds"
        },
    )
    tool = fields.String(
        allow_none=True, metadata={"description": "Name of the tool whose call waits"}
    )
    arguments = fields.Dict(
        allow_none=True,
        metadata={"description": "Arguments of the call; null for managers who may not see them"},
    )
    digest = fields.String(
        allow_none=True,
        metadata={"description": "SHA-256 of the arguments with which the tool would be called"},
    )
    schema = fields.Dict(
        allow_none=True, metadata={"description": "JSON Schema that what is written must match"}
    )
    decisions = fields.List(
        fields.String(validate=validate.OneOf(list(Decision))),
        metadata={"description": "Which decisions are allowed"},
    )
    assignees = fields.Nested(
        AssigneesSchema,
        metadata={"description": "Who is asked; nobody is named where the owner is"},
    )
    roles_only = fields.Boolean(
        metadata={"description": "Whether a tool demands that only users with these roles answer"}
    )
    four_eyes = fields.Boolean(
        metadata={
            "description": "Whether neither the owner of the execution nor the person who edited"
            " what is asked about may answer"
        }
    )
    edited_by = fields.String(
        allow_none=True,
        metadata={"description": "Who has written the draft or the arguments, if a person has"},
    )
    expires_at = Moment(allow_none=True, metadata={"description": "Until when it can be answered"})
    on_expiry = fields.String(
        metadata={"description": "What happens then: 'fail', 'approve', 'reject' or 'default'"}
    )
    default = fields.Dict(
        allow_none=True,
        metadata={"description": "The answer that is used then, if that is 'default'"},
    )
    status = fields.String(
        validate=validate.OneOf(list(InputStatus)),
        metadata={
            "description": "'withdrawn' if it is not asked any more: the execution has ended, or"
            " the step was restarted"
        },
    )
    may_answer = fields.Boolean(
        metadata={"description": "Whether it is open, and the user is one of those who may answer"}
    )
    may_bypass = fields.Boolean(
        metadata={
            "description": "Whether it is open, and the user, a manager, may answer only with"
            " 'bypass'"
        }
    )
    decision = fields.String(
        allow_none=True,
        validate=validate.OneOf(list(Decision)),
        metadata={"description": "What was decided"},
    )
    answer = fields.Nested(
        AnswerContentSchema, allow_none=True, metadata={"description": "What was written"}
    )
    answered_by = fields.String(
        allow_none=True, metadata={"description": "Who has answered; null if nobody has"}
    )
    bypassed = fields.Boolean(
        metadata={"description": "Whether that was a manager who was not asked"}
    )
    link_issued_by = fields.String(
        allow_none=True,
        metadata={
            "description": "Who has issued the signed link with which it was answered; null if the"
            " application did, or there was none"
        },
    )
    created_at = Moment(metadata={"description": "When it was asked"})
    answered_at = Moment(
        allow_none=True,
        metadata={"description": "When it was answered, has expired or was withdrawn"},
    )


class InputRequestPageSchema(ma.Schema):
    """One page of the list."""

    input_requests = fields.List(
        fields.Nested(InputRequestSchema), metadata={"description": "The requests of this page"}
    )
    next = fields.String(
        allow_none=True, metadata={"description": "Value of 'before' for the next page"}
    )


class InputAnswerSchema(ma.Schema):
    """An answer to an input request."""

    example: t.ClassVar[t.Any] = {"decision": "change", "text": "Name the sources."}

    decision = fields.String(
        required=True,
        validate=validate.OneOf(list(Decision)),
        metadata={"description": "One of the request's 'decisions'"},
    )
    text = Text(
        1,
        None,
        lines=True,
        metadata={
            "description": "What is to be changed; the answer itself, for 'edit' and 'respond';"
            " why, for 'reject'"
        },
    )
    arguments = fields.Dict(
        metadata={"description": "For 'edit' of a tool call: all arguments with which to make it"}
    )
    value = fields.Raw(
        metadata={
            "description": "For 'edit' where the request has a 'schema', the object; for 'respond'"
            " to a question with choices, one of them"
        }
    )
    bypass = JsonBoolean(
        load_default=False,
        metadata={
            "description": "Whether a manager answers although the request asks others, which it"
            " will show"
        },
    )


class AnswererSchema(ma.Schema):
    """Name of the person who answers."""

    by = Text(
        1,
        MAX_USER_ID,
        load_default=None,
        allow_none=True,
        metadata={"description": "Who answers, as the request will show it"},
    )


class InputAnswerItemSchema(InputAnswerSchema):
    """An answer to one of several input requests."""

    id = fields.String(required=True, metadata={"description": "Id of the input request"})


def _are_different(answers: list[dict[str, t.Any]]) -> None:
    """Check that each answer is to another request."""
    ids = [answer["id"].lower().replace("-", "") for answer in answers]
    for at, id in enumerate(ids):
        if id in ids[:at]:
            raise ma.ValidationError({at: {"id": ["Answer each input request once."]}})


class InputAnswersSchema(ma.Schema):
    """Answers to several input requests of one execution."""

    example: t.ClassVar[t.Any] = {
        "answers": [{"id": "01900000-0000-7000-8000-000000000000", "decision": "approve"}]
    }

    answers = fields.List(
        fields.Nested(InputAnswerItemSchema),
        required=True,
        validate=[validate.Length(1, MAX_ANSWERS), _are_different],
        metadata={"description": "The answers, each to another request"},
    )


class AnsweredSchema(ma.Schema):
    """Input requests that were answered at once."""

    input_requests = fields.List(
        fields.Nested(InputRequestSchema),
        metadata={"description": "The requests, in the order of the answers"},
    )
