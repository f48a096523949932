"""The types of the documents are those of the schemas."""

from __future__ import annotations

import typing as t

from flask_crewexec.client import documents
from flask_crewexec.schemas import EVENT_TYPES
from flask_crewexec.schemas import STREAM_EVENT_TYPES
from support.python_documents import FILE
from support.python_documents import source


def test_the_module_is_what_the_schemas_say_now():
    assert FILE.read_text("utf-8") == source(), "Run 'python tests/support/python_documents.py'."


def test_each_type_of_event_is_a_message():
    types = [t.get_type_hints(message)["type"] for message in t.get_args(documents.Message)]
    assert [t.get_args(type)[0] for type in types] == [*EVENT_TYPES, *STREAM_EVENT_TYPES]
