"""Who sees and answers what executions ask, through the API, Python and the terminal."""

from __future__ import annotations

import json

import pytest

from flask_crewexec import AsyncExecutionService
from flask_crewexec import Identity
from flask_crewexec.app_state import current_app_state
from flask_crewexec.errors import InputAnswered
from flask_crewexec.errors import InvalidRequest
from flask_crewexec.errors import NotAsked
from support.api_client import problem
from support.graphs import documents
from support.in_process import loaded_rows
from support.in_process import run
from support.input_requests import answer
from support.input_requests import ask
from support.input_requests import open_request
from support.input_requests import requests_of
from support.input_requests import reviewed
from support.input_requests import send_answer

ASSIGNED = {"assignees": {"users": ["mallory"], "roles": ["editor"]}}


@pytest.fixture
def assigned(api):
    """An execution of ada's that asks mallory and editors."""
    id = api.queue(reviewed(review=ASSIGNED))
    assert run(id) == "waiting_input"
    return id


def mine(api, **headers):
    query = {"assigned": "me", "status": "open"}
    response = api("GET", "/input-requests", query_string=query, headers=headers)
    return [each["id"] for each in response.json["input_requests"]]


class TestAccess:
    def test_a_stranger_sees_nothing(self, api, stranger):
        id = api.queue(reviewed())
        run(id)
        request = open_request(api, id)["id"]
        assert requests_of(stranger, id) == []
        problem(stranger("GET", f"/input-requests/{request}"), 404, "not-found")
        problem(send_answer(stranger, request, "approve"), 404, "not-found")
        assert mine(api) == [request]

    def test_those_who_are_asked_see_the_request_and_not_the_execution(
        self, api, stranger, assigned
    ):
        request = open_request(stranger, assigned)
        assert request["may_answer"]
        assert request["assignees"] == {"users": ["mallory"], "roles": ["editor"]}
        assert request["graph_name"] is None
        assert mine(stranger) == [request["id"]]
        problem(stranger("GET", f"/executions/{assigned}"), 404, "not-found")
        assert answer(stranger, assigned, "approve")["answered_by"] == "mallory"
        assert run(assigned) == "completed"

    def test_the_owner_sees_what_others_are_asked(self, app, api, admin, assigned):
        request = open_request(api, assigned)
        name = api.status(assigned)["graph_name"]
        assert [request["graph_name"], open_request(admin, assigned)["graph_name"]] == [name, name]
        shown = app.test_cli_runner().invoke(args=["crewexec", "inbox"]).output
        assert f"execution: {assigned} of {name}" in shown
        assert not request["may_answer"]
        assert mine(api) == []
        problem(send_answer(api, request["id"], "approve"), 403, "not-asked")

    def test_roles_are_asked_too(self, client, api, assigned):
        request = open_request(api, assigned)["id"]
        editor = {"X-User": "eve", "X-Roles": "editor"}
        path = f"/crewexec/input-requests/{request}"
        assert client.get(path, headers=editor).json["may_answer"]
        body = {"decision": "approve"}
        assert client.get(path, headers={**editor, "X-Roles": "author"}).status_code == 404
        assert client.post(f"{path}/answer", json=body, headers=editor).status_code == 202

    def test_mine_leaves_out_what_needs_other_eyes(self, app, api, stranger):
        id = api.queue(documents.chain("a"))
        asked = [
            ask(id, users=("ada", "mallory"), four_eyes=True),
            ask(id, users=("mallory",), four_eyes=True, edited_by="mallory", round=2),
            ask(id, four_eyes=True, round=3),
            ask(id, users=("ada", "mallory"), round=4),
            ask(id, edited_by="ada", round=5),
        ]
        assert mine(stranger) == [asked[3], asked[0]]
        assert mine(api) == [asked[4], asked[3]]
        for who, ids in ((api, mine(api)), (stranger, mine(stranger))):
            answerable = [each["id"] for each in requests_of(who, id) if each["may_answer"]]
            assert answerable == ids

    def test_managers_answer_what_names_nobody(self, api, admin):
        id = api.queue(reviewed())
        run(id)
        answered = answer(admin, id, "approve")
        assert (answered["answered_by"], answered["bypassed"]) == ("admin", False)

    def test_managers_who_are_not_asked_say_so_and_it_is_recorded(self, app, api, admin, assigned):
        request = open_request(admin, assigned)
        assert (request["may_answer"], request["may_bypass"]) == (False, True)
        refused = problem(send_answer(admin, request["id"], "approve"), 403, "not-asked")
        assert "'bypass': true" in refused["detail"]
        assert open_request(api, assigned)["status"] == "open"
        answered = answer(admin, assigned, "approve", bypass=True)
        assert (answered["answered_by"], answered["bypassed"]) == ("admin", True)
        assert send_answer(admin, request["id"], "approve", bypass=True).status_code == 200
        (event,) = api.events_of(assigned, "input_answered")
        assert (event["by"], event["bypassed"]) == ("admin", True)
        command = ["crewexec", "inbox", "--status", "answered"]
        shown = app.test_cli_runner().invoke(args=command).output
        assert "answered by: admin, a manager who was not asked" in shown

    @pytest.mark.parametrize("who", ["api", "stranger"])
    def test_a_bypass_is_for_managers(self, request, api, who, assigned):
        answered = send_answer(
            request.getfixturevalue(who), open_request(api, assigned)["id"], "approve", bypass=True
        )
        assert answered.status_code == (403 if who == "api" else 202)
        assert not requests_of(api, assigned)[0]["bypassed"]

    @pytest.mark.settings(MANAGERS_SEE_CONTENT=False)
    def test_managers_may_be_kept_from_reading_drafts(self, api, admin):
        id = api.queue(reviewed())
        run(id)
        assert open_request(admin, id)["draft"] is None
        assert open_request(api, id)["draft"] is not None

    @pytest.mark.settings(MANAGERS_SEE_CONTENT=False)
    def test_managers_do_not_decide_unnoticed_about_what_they_do_not_see(self, api, admin):
        id = api.queue(reviewed())
        run(id)
        request = open_request(admin, id)
        assert (request["may_answer"], request["may_bypass"]) == (False, True)
        problem(send_answer(admin, request["id"], "approve"), 403, "not-asked")
        assert answer(admin, id, "approve", bypass=True)["bypassed"]


class TestPages:
    def test_what_roles_are_asked_goes_on_after_the_last_one(self, client, api):
        others = api.queue(reviewed(review={"assignees": {"roles": ["boss"]}}))
        ids = [api.queue(reviewed(review=ASSIGNED)) for _ in range(3)]
        for id in (others, *ids):
            run(id)
        editor = {"X-User": "eve", "X-Roles": "author editor"}
        query: dict[str, object] = {"assigned": "me", "status": "open", "limit": 2}
        first = client.get("/crewexec/input-requests", query_string=query, headers=editor).json
        query["before"] = first["next"]
        rest = client.get("/crewexec/input-requests", query_string=query, headers=editor).json
        found = [*first["input_requests"], *rest["input_requests"]]
        assert [each["execution_id"] for each in found] == ids[::-1]
        assert (len(first["input_requests"]), rest["next"]) == (2, None)

    def test_go_on_after_the_last_one(self, api):
        ids = [api.queue(reviewed()) for _ in range(3)]
        for id in ids:
            run(id)
        found, before = [], None
        while True:
            query = {"limit": 2} | ({"before": before} if before else {})
            page = api("GET", "/input-requests", query_string=query).json
            found += [each["execution_id"] for each in page["input_requests"]]
            before = page["next"]
            if before is None:
                break
        assert found == ids[::-1]

    @pytest.mark.settings(MAX_STATUS_CHARS=2_500)
    @pytest.mark.parametrize("who", ["api", "admin"])
    def test_are_shorter_where_drafts_are_large(self, request, app, api, who):
        id = api.queue(reviewed())
        for at, length in enumerate((1_000, 1_000, 5_000, 1_000, 1_000), 1):
            ask(id, round=at, draft={"text": "x" * length})
        pages: list[list[int]] = []
        reader, query = request.getfixturevalue(who), {"execution_id": id}
        with loaded_rows(current_app_state().models.input_request) as loaded:
            while not pages or query["before"]:
                page = reader("GET", "/input-requests", query_string=query).json
                pages.append([each["round"] for each in page["input_requests"]])
                query["before"] = page["next"]
        assert pages == [[5, 4], [3], [2, 1]]
        assert len(loaded) == 5
        shown = app.test_cli_runner().invoke(args=["crewexec", "inbox", "--limit=4", "--json"])
        assert [each["round"] for each in json.loads(shown.output)] == [5, 4, 3, 2]
        assert [each["round"] for each in AsyncExecutionService().input_requests()] == [5, 4]

    def test_show_as_expired_what_nobody_can_answer_any_more(self, app, api, admin):
        id = api.queue(reviewed())
        late, open = ask(id, round=1, expires_in=0), ask(id, round=2, expires_in=60)
        for reader in (api, admin):
            assert [each["id"] for each in requests_of(reader, id, status="open")] == [open]
            (expired,) = requests_of(reader, id, status="expired")
            assert (expired["id"], expired["status"]) == (late, "expired")
        shown = app.test_cli_runner().invoke(args=["crewexec", "inbox", "--json"])
        assert [each["id"] for each in json.loads(shown.output)] == [open]

    @pytest.mark.parametrize("seconds", [50, 150])
    def test_find_what_expires_soon(self, api, seconds):
        id = api.queue(reviewed(review={"expires_in": 100}))
        run(id)
        assert len(requests_of(api, id, expires_within=seconds)) == (seconds > 100)

    @pytest.mark.parametrize(
        "query",
        [{"status": "x"}, {"assigned": "ada"}, {"limit": 0}, {"expires_within": -1}],
    )
    def test_refuse_other_filters(self, api, query):
        problem(api("GET", "/input-requests", query_string=query), 422, "invalid-request")


class TestAnswers:
    @pytest.mark.parametrize(
        ("body", "pointer"),
        [
            ({}, "/decision"),
            ({"decision": "maybe"}, "/decision"),
            ({"decision": "approve", "value": {}}, "/value"),
            ({"decision": "change", "text": " \u200b"}, "/text"),
            ({"decision": "edit"}, "/text"),
            ({"decision": "edit", "text": "a", "value": {}}, "/value"),
            ({"decision": "edit", "text": " \n\u200b"}, "/text"),
            ({"decision": "edit", "value": {}}, "/value"),
            ({"decision": "edit", "text": "\x00"}, "/text"),
            ({"decision": "approve", "arguments": {}}, "/arguments"),
        ],
    )
    def test_of_another_form_are_refused(self, api, body, pointer):
        id = api.queue(reviewed())
        run(id)
        request = open_request(api, id)["id"]
        refused = api("POST", f"/input-requests/{request}/answer", json=body)
        assert [e["pointer"] for e in problem(refused, 422, "invalid-request")["errors"]] == [
            pointer
        ]
        assert open_request(api, id)["status"] == "open"

    @pytest.mark.parametrize(
        ("first", "other"), [({"n": 1}, {"n": True}), ({"n": 1}, {"n": 1.0}), ({}, {"n": None})]
    )
    def test_that_are_equal_only_to_python_are_others(self, api, model, first, other):
        model.on("Do a", '{"n": 5}')
        id = api.queue(reviewed(output_schema={"type": "object"}))
        run(id)
        request = open_request(api, id)["id"]
        assert send_answer(api, request, "edit", value=first).status_code == 202
        problem(send_answer(api, request, "edit", value=other), 409, "input-answered")
        assert send_answer(api, request, "edit", value=first).status_code == 200

    def test_a_second_one_is_refused_with_who_gave_the_first(self, api, admin):
        id = api.queue(documents.chain("a"))
        request = ask(id)
        assert send_answer(api, request, "approve").status_code == 202
        mine = problem(send_answer(api, request, "reject"), 409, "input-answered")
        assert mine["detail"] == "You have answered with 'approve' before."
        others = problem(send_answer(admin, request, "reject"), 409, "input-answered")
        assert others["detail"] == "'ada' has answered with 'approve' before."

    def test_in_python(self, app, api):
        id = api.queue(reviewed(review=ASSIGNED))
        run(id)
        service = AsyncExecutionService()
        assert service.for_user("eve").input_requests() == []
        (request,) = service.for_user(Identity("eve", roles={"editor"})).input_requests()
        with pytest.raises(NotAsked):
            service.for_user("ada").answer(request["id"], "approve")
        first = service.answer(request["id"], "edit", text="MINE", by="the boss")
        assert (first.is_new, first.request["answered_by"]) == (True, "the boss")
        again = service.answer(request["id"], "edit", text="MINE", by="the boss")
        assert not again.is_new
        with pytest.raises(InputAnswered, match="'the boss' has answered with 'edit' before"):
            service.answer(request["id"], "approve")
        assert service.get_input_request(request["id"])["answer"] == {"text": "MINE"}
        assert service.wait(id, seconds=0)["status"] == "queued"

    def test_mine_is_refused_without_a_user(self, app):
        with pytest.raises(InvalidRequest, match=r"needs a user.*for_user"):
            AsyncExecutionService().input_requests(assigned="me")

    def test_the_terminal_lists_page_after_page(self, app, api):
        execution = api.queue(documents.chain("a"))
        ids = [ask(execution, round=at, expires_in=at * 100.0) for at in (1, 2, 3)]
        invoke = app.test_cli_runner().invoke
        page = invoke(args=["crewexec", "inbox", "--limit", "2"]).output
        assert page.endswith(f"There are older ones: --before {ids[1]}\n")
        assert ids[0] not in page
        rest = invoke(args=["crewexec", "inbox", "--limit", "1", "--before", ids[1]]).output
        assert (ids[0] in rest, ids[1] in rest, "--before" in rest) == (True, False, False)
        due = invoke(args=["crewexec", "inbox", "--expires-within", "150", "--json"]).output
        assert [each["id"] for each in json.loads(due)] == [ids[0]]

    def test_the_terminal_says_whom_a_request_asks(self, app, api):
        execution = api.queue(documents.chain("a"))
        ask(execution)
        ask(execution, users=("eve",), roles=("editor",), round=2)
        shown = app.test_cli_runner().invoke(args=["crewexec", "inbox"]).output
        asked = [line.strip() for line in shown.splitlines() if "asks:" in line]
        assert asked == ["asks: eve, role editor", "asks: the owner of the execution"]

    def test_where_edited_arguments_are_no_json_is_said(self, app, api):
        id = api.queue(documents.chain("a"))
        request = ask(id, kind="approval", decisions=["edit"], schema={}, arguments={})
        words = ["crewexec", "answer", request, "edit", "--text", '{"x": 1,}']
        refused = app.test_cli_runner().invoke(args=words)
        assert (refused.exit_code, "line 1 column 9" in refused.output) == (2, True)

    def test_waiting_for_the_end_returns_when_people_are_asked(self, api):
        id = api.queue(reviewed())
        run(id)
        assert api.status(id, wait=60)["status"] == "waiting_input"

    def test_in_the_terminal(self, app, api):
        plain, other = api.queue(reviewed()), api.queue(reviewed())
        for id in (plain, other):
            run(id)
        command = app.test_cli_runner().invoke
        listed = command(args=["crewexec", "inbox", "--json"])
        assert [each["execution_id"] for each in json.loads(listed.output)] == [other, plain]
        request = open_request(api, plain)["id"]
        assert request in command(args=["crewexec", "inbox", "--execution", plain]).output
        assert request in command(args=["crewexec", "status", plain]).output
        words = ["crewexec", "answer", request, "edit", "--text", "MINE", "--by", "ann"]
        assert "stored" in command(args=words).output
        assert "before" in command(args=words).output
        wordless = command(args=["crewexec", "answer", request, "change"])
        assert (wordless.exit_code, "'--text'" in wordless.output) == (2, True)
        refused = command(args=["crewexec", "answer", request, "approve"])
        assert (refused.exit_code, "'ann' has answered" in refused.output) == (1, True)
        assert run(plain) == "completed"
