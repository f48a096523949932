"""Log records and their context."""

from __future__ import annotations

import json
import logging
import sys
import uuid

import pytest
from flask import Flask

from flask_crewexec.execution_context import execution_var
from flask_crewexec.execution_context import ExecutionContext
from flask_crewexec.observability.logs import ContextFilter
from flask_crewexec.observability.logs import JsonFormatter
from flask_crewexec.observability.request_id import current_request_id


@pytest.fixture
def execution():
    """A run that is under way."""
    context = ExecutionContext(
        id=uuid.uuid4(),
        user_id="ada",
        thread_id=None,
        graph_id=uuid.uuid4(),
        attempt=2,
        request_id="r-1",
    )
    token = execution_var.set(context)
    yield context
    execution_var.reset(token)


def record(message="hello", **attributes):
    made = logging.makeLogRecord({"msg": message, "levelname": "INFO", "name": "x", **attributes})
    assert ContextFilter().filter(made)
    return made


def as_json(record):
    text = JsonFormatter().format(record)
    assert "\n" not in text
    return json.loads(text)


class TestContextFilter:
    def test_adds_the_execution(self, execution):
        found = record()
        assert found.execution_id == str(execution.id)
        assert (found.attempt, found.user_id, found.request_id) == (2, "ada", "r-1")
        id = execution.id
        assert found.crewexec == f" [execution_id={id} attempt=2 user_id=ada request_id=r-1]"

    def test_adds_nothing_without_a_context(self):
        found = record()
        assert (found.execution_id, found.attempt, found.user_id, found.request_id) == (None,) * 4
        assert found.crewexec == ""

    def test_adds_the_request_in_a_web_server(self):
        with Flask(__name__).test_request_context(headers={"X-Request-ID": "r-2"}):
            assert record().crewexec == " [request_id=r-2]"

    def test_keeps_the_extra_of_the_caller(self, execution):
        assert record(user_id="of the host").user_id == "of the host"

    def test_a_user_cannot_pretend_to_be_another(self, execution):
        execution_var.set(ExecutionContext(**{**vars(execution), "user_id": "eve] [user_id=ada"}))
        assert 'user_id="eve] [user_id=ada"' in record().crewexec


class TestJsonFormatter:
    def test_writes_one_object_with_context_and_extra(self, execution):
        line = as_json(record("hello %s", args=("you",), colour="red"))
        assert line["message"] == "hello you"
        assert (line["level"], line["logger"], line["colour"]) == ("INFO", "x", "red")
        assert (line["execution_id"], line["attempt"]) == (str(execution.id), 2)
        assert (line["user_id"], line["request_id"]) == ("ada", "r-1")
        assert line["time"].endswith("+00:00")

    def test_omits_unknown_fields(self):
        assert as_json(record()).keys().isdisjoint({"execution_id", "attempt", "crewexec"})

    def test_a_traceback_is_a_part_of_the_line(self):
        try:
            raise ValueError("wrong")
        except ValueError:
            line = as_json(record(exc_info=sys.exc_info()))
        assert line["exception"].endswith("ValueError: wrong")

    def test_line_breaks_and_objects_make_no_second_line(self):
        line = as_json(record("a\nb", thing=uuid.UUID(int=1)))
        assert line["message"] == "a\nb"
        assert line["thing"] == str(uuid.UUID(int=1))

    def test_an_extra_does_not_replace_our_fields(self):
        assert as_json(record(level="mine"))["level"] == "INFO"


class TestRequestId:
    def id_of(self, **headers):
        with Flask(__name__).test_request_context(headers=headers):
            assert current_request_id() == current_request_id()
            return current_request_id()

    def test_the_given_one(self):
        assert self.id_of(**{"X-Request-ID": " abc-123 "}) == "abc-123"
        assert self.id_of(**{"X-Request-ID": "x" * 100}) == "x" * 100

    @pytest.mark.parametrize("given", ["", " ", "x" * 101, "a\tb", "caf\u00e9", "a\x1b[31mb"])
    def test_an_unacceptable_one_is_replaced(self, given):
        new = self.id_of(**{"X-Request-ID": given})
        assert len(new) == 32
        assert new.isalnum()

    def test_none_without_a_request(self):
        assert current_request_id() is None
