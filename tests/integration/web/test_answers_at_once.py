"""Answers to several input requests of one execution: all, or none."""

from __future__ import annotations

import json
import uuid

import pytest

from flask_crewexec import AsyncExecutionService
from flask_crewexec import Identity
from flask_crewexec.errors import InputAnswered
from flask_crewexec.errors import InvalidRequest
from support.api_client import problem
from support.in_process import run
from support.input_requests import parallel
from support.input_requests import requests_of
from support.input_requests import rows_of
from support.input_requests import send_answer
from support.input_requests import send_answers

OTHERS = {"assignees": {"users": ["mallory"]}}
UNKNOWN = "01a20000-0000-7000-8000-000000000000"


@pytest.fixture
def asked(api):
    """An execution of ada's, and the ids of its three open requests by the names of their steps."""
    return wait_for_people(api, parallel("a", "b", "c"))


def wait_for_people(api, document):
    id = api.queue(document)
    assert run(id) == "waiting_input"
    return id, {each["step_name"]: each["id"] for each in requests_of(api, id)}


def to(ids, **decisions):
    """Answers by the names of the steps: a decision, or all fields."""
    return [
        {"id": ids[name], **({"decision": each} if isinstance(each, str) else each)}
        for name, each in decisions.items()
    ]


def pointers(refused):
    return [error["pointer"] for error in refused["errors"]]


class TestAllOrNone:
    def test_all_are_stored_and_the_execution_goes_on(self, api, model, asked):
        id, ids = asked
        answers = to(ids, c="approve", a={"decision": "edit", "text": "MINE"}, b="approve")
        answered = send_answers(api, id, answers)
        assert answered.status_code == 202
        shown = answered.json["input_requests"]
        assert [each["id"] for each in shown] == [each["id"] for each in answers]
        assert {(each["status"], each["answered_by"]) for each in shown} == {("answered", "ada")}
        assert api.event_types(id).count("queued") == 2
        assert {each["then"] for each in api.events_of(id, "input_answered")} == {"queued"}
        assert run(id) == "completed"
        assert "MINE" in model.calls_matching("Do end")[0].prompt

    def test_some_leave_the_others_open(self, api, asked):
        id, ids = asked
        assert send_answers(api, id, to(ids, a="approve", b="approve")).status_code == 202
        assert api.status(id)["input_requests"] == [ids["c"]]
        assert api.status(id)["status"] == "waiting_input"

    def test_the_same_again_is_answered_with_200(self, api, asked):
        id, ids = asked
        answers = to(ids, a="approve", b="approve")
        assert send_answers(api, id, answers).status_code == 202
        assert send_answers(api, id, answers).status_code == 200
        assert send_answers(api, id, to(ids, a="approve", c="approve")).status_code == 202
        assert len(api.events_of(id, "input_answered")) == 3
        assert api.status(id)["status"] == "queued"


WRONG = {
    "value": ({"decision": "edit", "value": {}}, "/answers/1/value"),
    "decision": ({"decision": "maybe"}, "/answers/1/decision"),
    "kind": ({"decision": "respond", "text": "x"}, "/answers/1/decision"),
    "text": ({"decision": "change"}, "/answers/1/text"),
    "field": ({"decision": "approve", "force": True}, "/answers/1/force"),
}


class TestRefusals:
    @pytest.mark.parametrize(("wrong", "pointer"), WRONG.values(), ids=WRONG)
    def test_one_wrong_answer_of_three_changes_no_row(self, api, asked, wrong, pointer):
        id, ids = asked
        before = rows_of(id)
        refused = send_answers(api, id, to(ids, a="approve", b=wrong, c="approve"))
        assert pointers(problem(refused, 422, "invalid-request")) == [pointer]
        assert rows_of(id) == before

    def test_all_that_are_wrong_are_named(self, api, asked):
        id, ids = asked
        wrong = {"decision": "change"}
        refused = send_answers(api, id, to(ids, a=wrong, b="approve", c=wrong))
        found = problem(refused, 422, "invalid-request")
        assert pointers(found) == ["/answers/0/text", "/answers/2/text"]
        assert found["detail"].startswith("answers/0/text: ")

    def test_another_answer_before_is_a_conflict(self, api, admin, asked):
        id, ids = asked
        assert send_answer(admin, ids["b"], "reject").status_code == 202
        before = rows_of(id)
        refused = send_answers(api, id, to(ids, a="approve", b="approve", c="approve"))
        found = problem(refused, 409, "input-answered")
        assert pointers(found) == ["/answers/1"]
        assert "'admin' has answered with 'reject'" in found["detail"]
        first = found["input_request"]
        assert first["id"] == ids["b"]
        assert (first["answered_by"], first["decision"]) == ("admin", "reject")
        assert rows_of(id) == before

    def test_after_the_end_of_the_execution_it_is_too_late(self, api, asked):
        id, ids = asked
        assert api("POST", f"/executions/{id}/cancel").status_code == 202
        before = rows_of(id)
        refused = send_answers(api, id, to(ids, a="approve", b="approve"))
        assert pointers(problem(refused, 410, "input-gone")) == ["/answers/0"]
        assert rows_of(id) == before

    @pytest.mark.parametrize(
        ("answers", "pointer"),
        [
            ([], "/answers"),
            ([{"decision": "approve"}], "/answers/0/id"),
            ([{"id": UNKNOWN, "decision": "approve"}] * 2, "/answers/1/id"),
            (
                [{"id": id, "decision": "approve"} for id in (UNKNOWN, UNKNOWN.upper())],
                "/answers/1/id",
            ),
            ([{"id": str(uuid.uuid4()), "decision": "approve"} for _ in range(101)], "/answers"),
        ],
        ids=["none", "no-id", "twice", "twice-in-other-letters", "too-many"],
    )
    def test_of_another_form(self, api, asked, answers, pointer):
        refused = send_answers(api, asked[0], answers)
        assert pointers(problem(refused, 422, "invalid-request")) == [pointer]

    def test_requests_of_another_execution_are_not_answered(self, api, asked):
        id, ids = asked
        other, others = wait_for_people(api, parallel("a"))
        before = rows_of(id), rows_of(other)
        refused = send_answers(api, id, [*to(ids, a="approve"), *to(others, a="approve")])
        assert pointers(problem(refused, 404, "not-found")) == ["/answers/1/id"]
        assert (rows_of(id), rows_of(other)) == before


class TestAccess:
    def test_those_who_are_asked_answer_without_seeing_the_execution(self, api, stranger):
        id, ids = wait_for_people(api, parallel("a", "b", review=OTHERS))
        answers = to(ids, a="approve", b="approve")
        problem(send_answers(api, id, answers), 403, "not-asked")
        assert send_answers(stranger, id, answers).status_code == 202
        stream = {"Accept": "text/event-stream"}
        for path in ("", "/events", "/steps/0", "/result", "/calls", "/calls/1"):
            problem(stranger("GET", f"/executions/{id}{path}"), 404, "not-found")
        problem(stranger("GET", f"/executions/{id}/events", headers=stream), 404, "not-found")

    def test_what_asks_others_is_not_answered_with_what_does_not(self, api, stranger):
        document = parallel("a", "b")
        id, ids = wait_for_people(api, document)
        problem(send_answers(stranger, id, to(ids, a="approve")), 404, "not-found")

    def test_a_bypass_counts_for_its_answer_only(self, api, admin):
        id, ids = wait_for_people(api, parallel("a", "b", review=OTHERS))
        bypass = {"decision": "approve", "bypass": True}
        refused = send_answers(admin, id, to(ids, a=bypass, b="approve"))
        assert pointers(problem(refused, 403, "not-asked")) == ["/answers/1"]
        assert send_answers(admin, id, to(ids, a=bypass, b=bypass)).status_code == 202
        assert all(each["bypassed"] for each in requests_of(api, id))


class TestPython:
    def test_answers_all_or_none(self, app, asked):
        id, ids = asked
        service = AsyncExecutionService()
        with pytest.raises(InvalidRequest) as refused:
            service.answer_all(id, to(ids, a="approve", b={"decision": "change"}))
        assert [each.pointer for each in refused.value.problems] == ["/answers/1/text"]
        first = service.for_user("ada").answer_all(id, to(ids, a="approve", b="approve"))
        assert [each.is_new for each in first] == [True, True]
        rest = service.for_user("ada").answer_all(id, to(ids, a="approve", c="approve"))
        assert [each.is_new for each in rest] == [False, True]
        with pytest.raises(InputAnswered):
            service.for_user(Identity("root", may_manage_others=True)).answer_all(
                id, to(ids, a="reject")
            )

    @pytest.mark.parametrize("by", ["", "x" * 256, "a\x00"])
    def test_names_that_cannot_be_stored_are_refused(self, app, asked, by):
        id, ids = asked
        service = AsyncExecutionService()
        for answer in (
            lambda: service.answer(ids["a"], "approve", by=by),
            lambda: service.answer_all(id, to(ids, a="approve"), by=by),
        ):
            with pytest.raises(InvalidRequest) as refused:
                answer()
            assert [each.pointer for each in refused.value.problems] == ["/by"]


class TestTerminal:
    def test_reads_them_from_the_standard_input_or_a_file(self, app, api, asked, tmp_path):
        id, ids = asked
        invoke = app.test_cli_runner().invoke
        answers = json.dumps({"answers": to(ids, a="approve", b="approve")})
        stored = invoke(args=["crewexec", "answer-all", id, "--by", "ann"], input=answers)
        assert stored.output == "Answers stored: 2. Answered so before: 0.\n"
        file = tmp_path / "answers.json"
        file.write_text(json.dumps({"answers": to(ids, c={"decision": "change"})}))
        refused = invoke(args=["crewexec", "answer-all", id, str(file)])
        assert (refused.exit_code, "answers/0/text: Say in 'text'" in refused.output) == (1, True)
        file.write_text(json.dumps({"answers": to(ids, c="approve")}))
        assert invoke(args=["crewexec", "answer-all", id, str(file)]).exit_code == 0
        shown = {each["step_name"]: each["answered_by"] for each in requests_of(api, id)}
        assert shown == {"a": "ann", "b": "ann", "c": None}
        assert run(id) == "completed"

    @pytest.mark.parametrize("given", ["{}", "[]", "3", '{"answers": {}}'])
    def test_other_files_are_refused(self, app, given):
        command = ["crewexec", "answer-all", UNKNOWN]
        refused = app.test_cli_runner().invoke(args=command, input=given)
        assert (refused.exit_code, "Write JSON: " in refused.output) == (2, True)

    def test_where_it_is_no_json_is_said(self, app):
        invoke = app.test_cli_runner().invoke
        refused = invoke(args=["crewexec", "answer-all", UNKNOWN], input='{"answers":\n [}')
        assert (refused.exit_code, "line 2 column 3" in refused.output) == (2, True)
        refused = invoke(args=["crewexec", "answer-all", UNKNOWN], input=b'{"\xff"}')
        assert (refused.exit_code, "position 2" in refused.output) == (2, True)
