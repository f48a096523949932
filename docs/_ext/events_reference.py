"""``.. event-types::``, ``.. stream-event-types::`` and ``.. notification-types::``."""

from __future__ import annotations

import typing as t
from collections.abc import Mapping

from generated import entry
from generated import GeneratedDirective
from generated import Lines
from generated import literal
from generated import phrase
from generated import table
from sphinx.application import Sphinx

from flask_crewexec.schemas import EVENT_TYPES
from flask_crewexec.schemas import EventField
from flask_crewexec.schemas import EventType
from flask_crewexec.schemas import STREAM_EVENT_TYPES
from flask_crewexec.schemas.notifications import NOTIFICATION_TYPES


class EventTypesDirective(GeneratedDirective):
    """Takes no content."""

    has_content = False
    types: t.ClassVar[Mapping[str, EventType]] = EVENT_TYPES

    def lines(self) -> Lines:
        """Yield a description of each type."""
        for name, known in self.types.items():
            yield from entry("event", name, _describe(known))


class StreamEventTypesDirective(EventTypesDirective):
    """The types that are not stored."""

    types = STREAM_EVENT_TYPES


class NotificationTypesDirective(GeneratedDirective):
    """Takes no content."""

    has_content = False

    def lines(self) -> Lines:
        """Yield a table of the types."""
        rows = ((literal(name), phrase(text)) for name, text in NOTIFICATION_TYPES.items())
        yield from table(("Type", "Meaning"), rows)


def _describe(known: EventType) -> Lines:
    yield from (phrase(known.meaning), "")
    rows = ((literal(name), field.type, _meaning(field)) for name, field in known.fields.items())
    yield from table(("Field", "Type", "Meaning"), rows)


def _meaning(field: EventField) -> str:
    return phrase(field.meaning) + (" Optional." if field.optional else "")


def setup(app: Sphinx) -> dict[str, bool]:
    """Register the directives and the kind of objects that they describe."""
    app.add_object_type("event", "event", "pair: %s; event")
    app.add_directive("event-types", EventTypesDirective)
    app.add_directive("stream-event-types", StreamEventTypesDirective)
    app.add_directive("notification-types", NotificationTypesDirective)
    return {"parallel_read_safe": True}
