"""Whom input requests ask: the graph, or a function of the host, and four eyes."""

from __future__ import annotations

import pytest

from flask_crewexec import Approval
from flask_crewexec import AsyncExecutionService
from flask_crewexec import CrewExec
from flask_crewexec import current_execution
from flask_crewexec import Identity
from flask_crewexec import StorageUnavailable
from flask_crewexec.app_state import current_app_state
from flask_crewexec.errors import FourEyes
from flask_crewexec.registry.specs import GuardrailSpec
from support.api_client import problem
from support.graphs import documents
from support.in_process import change
from support.in_process import run
from support.input_requests import answer
from support.input_requests import change_requests
from support.input_requests import open_request
from support.input_requests import requests_of
from support.input_requests import reviewed
from support.input_requests import send_answer
from support.scripted_turns import tool_calls
from support.scripted_turns import Turn

FOUR_EYES = {"four_eyes": True, "assignees": {"users": ["ada", "mallory"], "roles": ["editor"]}}


@pytest.fixture
def assign(app):
    """Register the function that says who is asked, as a decorator does."""

    def register(function):
        current_app_state().registry.assign = function

    yield register
    current_app_state().registry.assign = None


def add_guardrail(name, function):
    spec = GuardrailSpec(name=name, description="x", function=function)
    current_app_state().registry.add_guardrail(spec)


class TestAssignedByTheHost:
    def test_the_host_gets_the_question_and_has_the_last_word(self, app, api, stranger, assign):
        asked = []

        def choose(question):
            asked.append((question, current_execution.user_id))
            return {"users": ["mallory", 7], "roles": {"editor"}}

        assign(choose)
        review = {"message": "Good?", "assignees": {"users": ["ann"], "roles": ["boss"]}}
        id = api.queue(reviewed(review=review))
        assert run(id) == "waiting_input"
        ((question, user_id),) = asked
        assert (question.kind, question.step, question.message) == ("review", "a", "Good?")
        assert (question.users, question.roles, user_id) == (("ann",), ("boss",), "ada")
        assert question.draft["text"]
        request = open_request(stranger, id)
        assert request["assignees"] == {"users": ["7", "mallory"], "roles": ["editor"]}
        problem(send_answer(api, request["id"], "approve"), 403, "not-asked")
        answer(stranger, id, "approve")
        assert run(id) == "completed"
        assert len(asked) == 1

    @pytest.mark.parametrize(
        ("returned", "expected"),
        [
            (None, {"users": ["ann"], "roles": []}),
            ({"users": ["ada"]}, {"users": ["ada"], "roles": []}),
            ({"roles": ["boss"]}, {"users": [], "roles": ["boss"]}),
        ],
        ids=["as-the-graph-says", "the-owner", "others"],
    )
    def test_what_it_returns_is_who_is_asked(self, api, assign, returned, expected):
        assign(lambda question: returned)
        id = api.queue(reviewed(review={"assignees": {"users": ["ann"]}}))
        run(id)
        assert open_request(api, id)["assignees"] == expected
        assert open_request(api, id)["may_answer"] == ("ada" in expected["users"])

    @pytest.mark.sqlite_enough
    def test_what_it_does_with_the_draft_does_not_change_what_people_see(self, api, model, assign):
        model.on("Do a", "ALPHA")
        assign(lambda question: question.draft.clear())
        id = api.queue(reviewed())
        assert run(id) == "waiting_input"
        assert open_request(api, id)["draft"] == {"text": "ALPHA"}

    @pytest.mark.parametrize(
        "wrong",
        [
            {},
            {"users": [], "roles": []},
            ["ann"],
            {"user": ["ann"]},
            {"users": "ann"},
            {"users": [None]},
            {"roles": [""]},
            {"users": range(101)},
            StorageUnavailable("directory away"),
        ],
        ids=repr,
    )
    def test_if_it_fails_nobody_is_asked_and_the_run_is_retried(self, api, model, assign, wrong):
        def fail(question):
            if isinstance(wrong, Exception):
                raise wrong
            return wrong

        assign(fail)
        id = api.queue(reviewed())
        assert run(id) == "retrying"
        assert api.status(id)["error"]["code"] == "assignment-failed"
        assert "directory" not in api.status(id)["error"]["message"]
        assert requests_of(api, id) == []
        assign(lambda question: {"users": ["ada"]})
        change(id, status="queued")
        assert run(id) == "waiting_input"
        answer(api, id, "approve")
        assert run(id) == "completed"
        assert len(model.calls) == 1

    def test_only_one_can_be_registered(self):
        crewexec = CrewExec()
        crewexec.assign(lambda question: None)
        with pytest.raises(RuntimeError, match="already a function that says who is asked"):
            crewexec.assign(lambda question: None)


def refused(api, id):
    """Check that an execution asks nobody, and says why."""
    assert run(id) == "retrying"
    error = api.status(id)["error"]
    assert error["code"] == "assignment-failed"
    assert "'four_eyes'" in error["message"]
    assert requests_of(api, id) == []


class TestFourEyes:
    @pytest.fixture
    def asked(self, api):
        id = api.queue(reviewed(review=FOUR_EYES))
        assert run(id) == "waiting_input"
        return id

    def test_the_owner_cannot_answer_even_if_named(self, api, stranger, asked):
        request = open_request(api, asked)
        assert (request["four_eyes"], request["may_answer"]) == (True, False)
        refused = problem(send_answer(api, request["id"], "approve", bypass=True), 403, "four-eyes")
        assert "'ada' owns the execution" in refused["detail"]
        assert open_request(stranger, asked)["may_answer"]
        answer(stranger, asked, "approve")
        assert run(asked) == "completed"

    def test_who_has_edited_the_draft_cannot_approve_it(self, app, client, api, stranger):
        add_guardrail("polite", lambda text: "be polite" if "BAD" in text else True)
        id = api.queue(reviewed(review=FOUR_EYES, guardrails=[{"name": "polite"}]))
        run(id)
        answer(stranger, id, "edit", text="BAD")
        assert run(id) == "waiting_input"
        request = open_request(stranger, id)
        assert (request["edited_by"], request["may_answer"]) == ("mallory", False)
        refused = problem(send_answer(stranger, request["id"], "approve"), 403, "four-eyes")
        assert "'mallory' has edited what is asked about" in refused["detail"]
        editor = {"X-User": "eve", "X-Roles": "editor"}
        path = f"/crewexec/input-requests/{request['id']}/answer"
        body = {"decision": "edit", "text": "GOOD"}
        assert client.post(path, json=body, headers=editor).status_code == 202
        assert run(id) == "completed"

    def test_the_host_has_to_name_others_than_the_owner(self, api, assign):
        assign(lambda question: {"users": ["ada"]})
        refused(api, api.queue(reviewed(review=FOUR_EYES)))

    @pytest.mark.sqlite_enough
    @pytest.mark.parametrize("asks_host", [True, False])
    def test_the_graph_has_to_name_others_than_the_owner(self, api, assign, asks_host):
        if asks_host:
            assign(lambda question: None)
        review = {"four_eyes": True, "assignees": {"users": ["ada"]}}
        id = api.queue(reviewed(review=review))
        refused(api, id)
        assign(lambda question: {"users": ["mallory"]})
        change(id, status="queued")
        assert run(id) == "waiting_input"

    @pytest.mark.sqlite_enough
    @pytest.mark.parametrize("tool", ["ask_person", "pay"])
    def test_a_call_asks_others_than_the_owner(self, app, api, model, assign, tool):
        assign(lambda question: None)

        @app.extensions["crewexec_host"].tool("pay", approval=Approval(four_eyes=True))
        def pay(order: str) -> str:
            """Pay an order."""
            return order

        arguments = {"order": "7"} if tool == "pay" else {"question": "How much?"}
        model.add(Turn(raw=tool_calls((tool, arguments)), results=0))
        only_owner = {"four_eyes": True, "assignees": {"users": ["ada"]}}
        asked = only_owner if tool == "ask_person" else {}
        document = documents.chain("a", tools=(tool,))
        id = api.queue(documents.with_data(document, tool, **asked))
        refused(api, id)

    def test_a_manager_needs_a_bypass_that_is_recorded(self, api, admin, asked):
        request = open_request(admin, asked)["id"]
        problem(send_answer(admin, request, "approve"), 403, "not-asked")
        assert answer(admin, asked, "approve", bypass=True)["bypassed"]

    def test_another_name_makes_no_other_person(self, api, asked):
        service, request = AsyncExecutionService(), open_request(api, asked)["id"]
        with pytest.raises(FourEyes):
            service.answer(request, "approve", Identity("ada"), by="Ada Lovelace")
        answered = service.answer(request, "approve", Identity("mallory"), by="Mallory M.")
        assert answered.request["answered_by"] == "Mallory M."

    def test_the_host_must_not_name_them_either(self, app, api, asked):
        command = ["crewexec", "answer", open_request(api, asked)["id"], "approve", "--by"]
        invoke = app.test_cli_runner().invoke
        refused = invoke(args=[*command, "ada"])
        assert refused.exit_code == 1
        assert "four eyes, and 'ada' owns the execution: somebody else" in refused.output
        assert "With 'bypass'" in refused.output
        assert invoke(args=[*command, "ada", "--bypass"]).exit_code == 0
        (found,) = requests_of(api, asked)
        assert (found["answered_by"], found["bypassed"]) == ("ada", True)

    def test_nobody_in_particular_is_no_other_person(self, app, api, asked):
        request = open_request(api, asked)["id"]
        command = ["crewexec", "answer", request, "approve"]
        invoke = app.test_cli_runner().invoke
        refused = invoke(args=command)
        assert refused.exit_code == 1
        assert "say with 'by' who answers" in refused.output
        with pytest.raises(FourEyes, match="four eyes"):
            AsyncExecutionService().answer_all(asked, [{"id": request, "decision": "approve"}])
        assert invoke(args=[*command, "--bypass"]).exit_code == 0
        (found,) = requests_of(api, asked)
        assert (found["answered_by"], found["bypassed"]) == (None, True)

    def test_an_answer_in_the_name_of_another_person_is_none_of_a_bypass(self, app, api, asked):
        command = ["crewexec", "answer", open_request(api, asked)["id"], "approve", "--by", "eve"]
        assert app.test_cli_runner().invoke(args=command).exit_code == 0
        (found,) = requests_of(api, asked)
        assert (found["answered_by"], found["bypassed"]) == ("eve", False)


class TestRolesOfTools:
    """Where a tool names roles, only users with them are asked; managers bypass that."""

    @pytest.fixture
    def asked(self, api):
        id = api.queue(reviewed(review={"assignees": {"users": ["mallory"], "roles": ["payer"]}}))
        run(id)
        change_requests(id, roles_only=True)
        return id

    def test_neither_the_owner_nor_named_users_may_answer(self, client, api, stranger, asked):
        request = open_request(api, asked)["id"]
        for requester in (api, stranger):
            problem(send_answer(requester, request, "approve"), 403, "not-asked")
        payer = {"X-User": "eve", "X-Roles": "payer"}
        path = f"/crewexec/input-requests/{request}/answer"
        body = {"decision": "approve"}
        assert client.post(path, json=body, headers=payer).status_code == 202

    def test_a_manager_may_answer_with_a_bypass(self, admin, asked):
        request = open_request(admin, asked)["id"]
        problem(send_answer(admin, request, "approve"), 403, "not-asked")
        assert answer(admin, asked, "approve", bypass=True)["bypassed"]
