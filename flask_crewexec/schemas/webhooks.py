"""Webhooks of users, and how their deliveries went."""

from __future__ import annotations

import datetime as dt
import re
import typing as t
from collections.abc import Mapping
from collections.abc import Sequence

import marshmallow as ma
from marshmallow import fields
from marshmallow import validate

from ..models.webhook import MAX_URL
from .fields import JsonBoolean
from .fields import MAX_INTEGER
from .fields import Moment
from .fields import RowSchema
from .fields import Text
from .notifications import check_patterns
from .notifications import ENDS
from .notifications import known_patterns
from .pages import LimitQuerySchema

BODIES: t.Final = ("thin", "full")
DELIVERY_STATUSES: t.Final = ("waiting", "delivered", "failed")
EVENT_ID: t.Final = r"^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\.[0-9]{1,9}$"
"""Pattern for OpenAPI of an event's id."""
_PLACE: t.Final = r"^[0-9]{1,9}\.[ -~]{1,120}$"
_YEARS: t.Final = range(2000, 3000)


class Patterns(fields.List[str]):
    """Types of notifications and patterns of them, without repetitions."""

    def __init__(self, **options: t.Any) -> None:
        each = fields.String(validate=validate.OneOf(known_patterns()))
        description = {"description": "Types, or patterns such as 'execution.*' and '*'"}
        super().__init__(each, validate=validate.Length(1), metadata=description, **options)

    def _deserialize(
        self, value: t.Any, attr: str | None, data: Mapping[str, t.Any] | None, **kwargs: t.Any
    ) -> list[t.Any]:
        patterns: Sequence[t.Any] = super()._deserialize(value, attr, data, **kwargs) or []
        return list(check_patterns(patterns)) if patterns else []


class Url(Text):
    """A URL of a webhook."""

    def __init__(self, **options: t.Any) -> None:
        description = {"description": "Begins with 'https://'; without a user and a fragment"}
        super().__init__(1, MAX_URL, metadata=description, **options)


class SubmissionWebhookSchema(ma.Schema):
    """A webhook that is told of one execution."""

    url = Url(required=True)
    events = Patterns(load_default=lambda: list(ENDS))


class WebhookChangeSchema(ma.Schema):
    """Changes of a webhook; what is left out stays."""

    example: t.ClassVar[t.Any] = {"enabled": False}

    url = Url()
    events = Patterns()
    body = fields.String(
        validate=validate.OneOf(BODIES),
        metadata={"description": "'thin', or 'full' with the whole execution"},
    )
    description = Text(
        0, 200, allow_none=True, metadata={"description": "What it is for, in the owner's words"}
    )
    enabled = JsonBoolean(
        truthy={True}, falsy={False}, metadata={"description": "Whether it is told anything"}
    )


class WebhookRequestSchema(WebhookChangeSchema):
    """A new webhook."""

    example: t.ClassVar[t.Any] = {
        "url": "https://example.com/crews",
        "events": ["execution.completed", "execution.failed"],
    }

    url = Url(required=True, allow_none=True)
    events = Patterns(load_default=lambda: list(ENDS))


class WebhookSchema(RowSchema):
    """A webhook."""

    id = fields.String(metadata={"description": "Id of the webhook"})
    user_id = fields.String(attribute="owner_id", metadata={"description": "Id of the owner"})
    url = fields.String(
        allow_none=True,
        metadata={
            "description": "Where messages are sent, for its owner to see; null for what stands for"
            " the webhooks that come with single executions"
        },
    )
    host = fields.String(
        allow_none=True, metadata={"description": "The host in the URL, for managers to see, too"}
    )
    events = fields.List(fields.String(), metadata={"description": "What it is told"})
    body = fields.String(metadata={"description": "'thin', or 'full' with the whole execution"})
    description = fields.String(allow_none=True, metadata={"description": "What it is for"})
    enabled = fields.Boolean(metadata={"description": "Whether it is told anything"})
    disabled_reason = fields.String(
        allow_none=True,
        metadata={"description": "Why it was switched off, unless its owner did it"},
    )
    failures = fields.Integer(metadata={"description": "How many tries in a row have failed"})
    secret_version = fields.Integer(metadata={"description": "Number of the secret, from 1"})
    rotated_at = Moment(
        allow_none=True,
        metadata={"description": "When the secret was changed; the former signs one day longer"},
    )
    created_at = Moment(metadata={"description": "When it was added"})
    updated_at = Moment(metadata={"description": "When it was last changed"})


class WebhookPageSchema(ma.Schema):
    """Webhooks, newest first."""

    webhooks = fields.List(fields.Nested(WebhookSchema), metadata={"description": "The webhooks"})
    next = fields.UUID(allow_none=True, metadata={"description": "'before' of the next page"})


class WebhookSecretSchema(ma.Schema):
    """The secret of a webhook."""

    secret = fields.String(
        metadata={"description": "With which receivers verify signatures: 'whsec_…'"}
    )
    secret_version = fields.Integer(metadata={"description": "Number of the secret, from 1"})


class RotationSchema(ma.Schema):
    """The secret that is to be replaced."""

    example: t.ClassVar[t.Any] = {"secret_version": 1}

    secret_version = fields.Integer(
        strict=True,
        load_default=None,
        allow_none=True,
        validate=validate.Range(1, MAX_INTEGER),
        metadata={"description": "Replace the secret only if it still has this number"},
    )


class WebhookTestSchema(ma.Schema):
    """What came of a message that was sent to try a webhook."""

    delivered = fields.Boolean(metadata={"description": "Whether its server accepted it"})
    status = fields.Integer(
        allow_none=True, metadata={"description": "Status of the answer; null if there was none"}
    )
    code = fields.String(
        allow_none=True, metadata={"description": "Why it was not delivered; null if it was"}
    )
    text = fields.String(allow_none=True, metadata={"description": "The same as a sentence"})
    seconds = fields.Float(metadata={"description": "How long it took"})


class DeliveryAnswerSchema(ma.Schema):
    """How a try ended."""

    code = fields.String(metadata={"description": "Why it failed", "optional": True})
    text = fields.String(metadata={"description": "The same as a sentence", "optional": True})
    status = fields.Integer(metadata={"description": "Status of the answer", "optional": True})
    seconds = fields.Float(metadata={"description": "How long it took"})


class DeliverySchema(RowSchema):
    """An event that one receiver is told."""

    id = fields.String(
        attribute="event_id", metadata={"description": "Id of the event, as receivers are told it"}
    )
    execution_id = fields.String(metadata={"description": "Id of the execution"})
    receiver = fields.String(metadata={"description": "'webhook:ID', 'handler:NAME' or 'signals'"})
    type = fields.String(metadata={"description": "What is told, such as 'execution.completed'"})
    status = fields.String(metadata={"description": "'waiting', 'delivered' or 'failed'"})
    tries = fields.Integer(metadata={"description": "How often it was tried"})
    due_at = Moment(metadata={"description": "When it is tried next, while it waits"})
    ended_at = Moment(
        allow_none=True, metadata={"description": "When it was delivered or given up"}
    )
    answer = fields.Nested(
        DeliveryAnswerSchema,
        allow_none=True,
        metadata={"description": "How the last try ended"},
    )


class DeliveryPageSchema(ma.Schema):
    """Deliveries, newest first."""

    deliveries = fields.List(
        fields.Nested(DeliverySchema), metadata={"description": "The deliveries"}
    )
    next = fields.String(allow_none=True, metadata={"description": "'before' of the next page"})


class Cursor(fields.String):
    """``next`` of a page, of a certain form."""

    def __init__(self, pattern: str) -> None:
        def check(text: str) -> None:
            if not re.fullmatch(pattern, text, re.ASCII):
                raise ma.ValidationError("Send what 'next' of the previous page says.")

        description = "'next' of the previous page, for older items"
        metadata = {"pattern": pattern, "description": description}
        super().__init__(load_default=None, validate=check, metadata=metadata)


class DeliveryQuerySchema(LimitQuerySchema):
    """Range and filter of the deliveries to a webhook."""

    status = fields.String(
        load_default=None,
        validate=validate.OneOf(DELIVERY_STATUSES),
        metadata={"description": "Only deliveries with this status"},
    )
    before = Cursor(EVENT_ID)


class ExecutionDeliveryQuerySchema(LimitQuerySchema):
    """Range of the deliveries of an execution."""

    before = Cursor(_PLACE)


def _check_year(moment: dt.datetime) -> None:
    if moment.year not in _YEARS:
        raise ma.ValidationError("The year is from 2000 to 2999.")


class ResendSchema(ma.Schema):
    """Which deliveries are to be sent again."""

    example: t.ClassVar[t.Any] = {"since": "2026-11-01T00:00:00+00:00"}

    since = fields.AwareDateTime(
        required=True,
        format="iso",
        validate=_check_year,
        metadata={"description": "Those that were given up since this moment"},
    )


class ResentSchema(ma.Schema):
    """How many deliveries are sent again."""

    resent = fields.Integer(metadata={"description": "Number of deliveries"})
