"""What executions ask people, on its pages."""

from __future__ import annotations

import re
import typing as t

import pytest
from flask import Flask
from flask.testing import FlaskClient
from flask_wtf import CSRFProtect

from flask_crewexec import Approval
from flask_crewexec import AsyncExecutionService
from flask_crewexec.testing import ScriptedModel
from support.api_client import Api
from support.dashboard_pages import dangers
from support.dashboard_pages import is_problem
from support.dashboard_pages import Pages
from support.dashboard_pages import section
from support.dashboard_pages import text_of
from support.graphs import documents
from support.in_process import run
from support.input_requests import ask
from support.input_requests import change_request
from support.input_requests import LONG_AGO
from support.input_requests import open_request
from support.input_requests import requests_of
from support.input_requests import reviewed
from support.scripted_turns import tool_calls
from support.scripted_turns import Turn

pytestmark = [pytest.mark.usefixtures("registered"), pytest.mark.sqlite_enough]

SCHEMA = {"type": "object", "properties": {"x": {"type": "integer"}}}
HOSTILE = (
    "# Bees\n\n<script>x</script> ![bee](http://other.example/a.png) [mine](javascript:x) a\u202eb"
)


@pytest.fixture
def ada(client: FlaskClient) -> Pages:
    return Pages(client, "ada")


@pytest.fixture
def eve(client: FlaskClient) -> Pages:
    return Pages(client, "eve")


@pytest.fixture
def execution(api: Api) -> str:
    """An execution in whose name tests ask."""
    return api.queue(documents.chain("a"))


def waiting(api: Api, **data: t.Any) -> tuple[str, str]:
    """Return an execution that waits for people, and the path of the page of its request."""
    id = api.queue(reviewed(**data))
    assert run(id) == "waiting_input"
    return id, f"/input-requests/{open_request(api, id)['id']}"


def is_refused(answer: t.Any, detail: str) -> str:
    """Check that a form was refused, and return the page, which shows it again."""
    assert answer.status_code == 422, answer.text
    assert detail in text_of(answer.text)
    return t.cast(str, answer.text)


class TestReview:
    @pytest.mark.parametrize("page", ["execution", "request"])
    def test_shows_the_whole_draft_and_what_nobody_would_see(
        self, api: Api, model: ScriptedModel, ada: Pages, page: str
    ) -> None:
        model.on("Do a", "A\u202eB<script>" + "x" * 30_000)
        id, path = waiting(api, review={"message": "Good <b>?"})
        shown = ada.read(f"/executions/{id}" if page == "execution" else path)
        assert "⟨U+202E⟩</mark>B&lt;script&gt;" + "x" * 30_000 in shown
        assert "Good &lt;b&gt;?" in shown
        assert dangers(shown) == []

    def test_shows_markdown_without_what_others_would_load_or_run(
        self, api: Api, model: ScriptedModel, ada: Pages
    ) -> None:
        model.on("Do a", HOSTILE)
        _, path = waiting(api)
        plain, rendered = ada.read(path), ada.read(path, format="markdown")
        assert "# Bees" in plain
        assert "<h1>Bees</h1>" in rendered
        assert "[Image: bee] (http://other.example/a.png) mine (javascript:x)" in text_of(rendered)
        for page in (plain, rendered):
            assert dangers(page) == []
            assert "⟨U+202E⟩" in page
            assert not re.search(r"(href|src)=\W*(http|javascript)", page)

    @pytest.mark.parametrize(
        ("review", "then"),
        [
            ({}, "then the execution fails"),
            ({"on_expiry": "approve"}, "then it counts as approved"),
            ({"on_expiry": "reject"}, "then it counts as rejected"),
            ({"on_expiry": "default", "default": "No news."}, "then “No news.” is the answer"),
        ],
    )
    def test_says_what_happens_if_nobody_decides(
        self, api: Api, client: FlaskClient, ada: Pages, review: dict[str, t.Any], then: str
    ) -> None:
        id, path = waiting(api, review={"expires_in": 60, **review})
        pages = [ada.read(f"/executions/{id}"), ada.read(path)]
        link = AsyncExecutionService().input_link(open_request(api, id)["id"], "ada")
        for page in (*pages, client.get(link).text):
            assert re.search(rf"Expires [\d :-]+, {then}", text_of(page))

    def test_the_answer_may_be_edited(self, api: Api, ada: Pages) -> None:
        id, path = waiting(api)
        assert "waiting for people" in ada.read(f"/executions/{id}")
        answer = ada.post(f"{path}/answer", decision="edit", edited="one\r\ntwo")
        assert answer.headers["Location"].endswith(path)
        assert run(id) == "completed"
        assert api.status(id)["result"]["raw"] == "one\ntwo"
        assert "Edited by ada" in text_of(ada.read(path))
        assert "one\ntwo" in section(ada.read(path), "answer")

    @pytest.mark.parametrize("draft", ["x" * 1_000_000, "\n" * 999_999 + "x", "😀" * 1_000_000])
    def test_answers_as_long_as_those_of_models_may_be_written(
        self, api: Api, ada: Pages, draft: str
    ) -> None:
        _, path = waiting(api)
        edited = draft.replace("\n", "\r\n")  # as browsers send it
        answer = ada.post(f"{path}/answer", large=True, decision="edit", edited=edited + "x")
        is_refused(answer, "At most 1000000 characters")
        answer = ada.post(f"{path}/answer", large=True, decision="edit", edited=edited)
        assert answer.status_code == 303, answer.text
        assert api("GET", path).json["answer"] == {"text": draft}

    def test_csrf_protection_of_the_host_reads_long_forms_too(
        self, app: Flask, api: Api, ada: Pages
    ) -> None:
        CSRFProtect(app).exempt(app.blueprints["crewexec.api"])
        _, path = waiting(api)
        tokens = re.findall(r'name="csrf_token" value="([^"]+)"', ada.read(path))
        form = {"decision": "edit", "edited": "x" * 900_000, "csrf_token": tokens[0]}
        assert ada.post(f"{path}/answer", large=True, **form).status_code == 303

    def test_other_forms_stay_small(self, api: Api, ada: Pages) -> None:
        id, _ = waiting(api)
        is_problem(
            ada.post(f"/executions/{id}/cancel", reason="x" * 100_000),
            413,
            "request-entity-too-large",
        )

    def test_takes_the_words_of_a_change_and_shows_what_has_changed(
        self, api: Api, model: ScriptedModel, ada: Pages
    ) -> None:
        model.on("Look again", "Bees are yellow.")
        model.on("Do a", "Bees are black.")
        id, path = waiting(api)
        assert "Changes since" not in ada.read(path)
        assert ada.post(f"{path}/answer", decision="change", text="Look again.").status_code == 303
        assert run(id) == "waiting_input"
        is_problem(ada.post(f"{path}/answer", decision="approve"), 409, "input-answered")
        second = ada.read(f"/input-requests/{open_request(api, id)['id']}")
        assert "Round 1: change requested by ada, “Look again.”" in text_of(second)
        assert "Bees are <del>black</del><ins>yellow</ins>." in second

    def test_an_object_is_edited_as_json(self, api: Api, model: ScriptedModel, ada: Pages) -> None:
        model.on("Do a", '{"x": 1}')
        id, path = waiting(api, output_schema=SCHEMA)
        assert "{\n  &#34;x&#34;: 1\n}" in ada.read(path)
        for wrong, detail in (("{", "as JSON"), ("[1]", "as JSON"), ('{"x": "y"}', "integer")):
            page = is_refused(ada.post(f"{path}/answer", decision="edit", edited=wrong), detail)
            assert wrong.replace('"', "&#34;") in page
        answer = ada.post(f"{path}/answer", decision="edit", edited='{"x": 2}', next="execution")
        assert answer.headers["Location"].endswith(f"/executions/{id}")
        assert run(id) == "completed"
        assert api.status(id)["result"]["json"] == {"x": 2}

    def test_an_answer_that_a_guardrail_refused_is_shown_with_the_reason(
        self, api: Api, ada: Pages
    ) -> None:
        id, path = waiting(api, guardrails=[{"name": "no_urls"}])
        assert ada.post(f"{path}/answer", decision="edit", edited="http://x").status_code == 303
        assert run(id) == "waiting_input"
        page = ada.read(f"/input-requests/{open_request(api, id)['id']}")
        assert "wants no links." in text_of(page), text_of(page)
        assert "\nhttp://x</textarea>" in page

    def test_an_object_that_a_guardrail_refused_is_shown_with_the_reason(
        self, api: Api, model: ScriptedModel, ada: Pages
    ) -> None:
        model.on("Do a", '{"x": "y"}')
        id, path = waiting(api, output_schema={"type": "object"}, guardrails=[{"name": "no_urls"}])
        edited = '{"x": "http://x"}'
        assert ada.post(f"{path}/answer", decision="edit", edited=edited).status_code == 303
        assert run(id) == "waiting_input"
        page = ada.read(f"/input-requests/{open_request(api, id)['id']}")
        assert "wants no links." in text_of(page), text_of(page)
        assert "&#34;x&#34;: &#34;http://x&#34;" in page

    def test_words_are_kept_when_they_are_missing_something(self, api: Api, ada: Pages) -> None:
        _, path = waiting(api)
        page = is_refused(
            ada.post(f"{path}/answer", decision="change", text=" "), "Write what is to be"
        )
        assert "data-source" not in page.partition('id="live"')[2].partition(">")[0]
        assert 'aria-invalid="true"' in page

    @pytest.mark.parametrize(
        ("decision", "detail"),
        [("edit", "Write the answer."), ("respond", "Write what the agent is to be told.")],
    )
    def test_what_is_missing_is_said_in_the_words_of_the_page(
        self, ada: Pages, execution: str, decision: str, detail: str
    ) -> None:
        id = ask(execution, decisions=[decision], draft={"text": "x"})
        answer = ada.post(f"/input-requests/{id}/answer", decision=decision, text="", edited="")
        is_refused(answer, detail)


class TestAccess:
    def test_says_whom_it_asks_and_that_it_needs_four_eyes(
        self, ada: Pages, eve: Pages, execution: str
    ) -> None:
        id = ask(execution, users=("eve",), roles=("editor",), four_eyes=True)
        for page in (ada, eve):
            text = text_of(page.read(f"/input-requests/{id}"))
            assert "Asks eve, role editor" in text
            assert "Four eyes: neither the owner of the execution" in text
        assert "asks eve, role editor" in text_of(ada.read("/input-requests", show="open"))

    def test_only_those_who_are_asked_have_buttons(
        self, api: Api, client: FlaskClient, ada: Pages
    ) -> None:
        id, path = waiting(api, review={"assignees": {"users": ["eve"]}})
        for page in (f"/executions/{id}", path):
            assert 'value="approve"' not in ada.read(page)
        is_problem(ada.post(f"{path}/answer", decision="approve"), 403, "not-asked")
        strangers = Pages(client, "bob")
        is_problem(strangers.get(path), 404, "not-found")
        is_problem(strangers.post(f"{path}/answer", decision="approve"), 404, "not-found")

    def test_managers_say_that_they_answer_for_others(
        self, api: Api, ada: Pages, admins: Pages
    ) -> None:
        id, path = waiting(api, review={"assignees": {"users": ["eve"]}})
        for page in (f"/executions/{id}", path):
            assert 'name="bypass" value="1" required' in admins.read(page)
        is_problem(admins.post(f"{path}/answer", decision="approve"), 403, "not-asked")
        assert admins.post(f"{path}/answer", decision="approve", bypass="1").status_code == 303
        assert requests_of(api, id)[0]["bypassed"]
        assert "Approved by admin, without being asked" in text_of(ada.read(path))

    def test_those_who_are_asked_see_the_request_and_not_the_execution(
        self, api: Api, ada: Pages, eve: Pages
    ) -> None:
        id, path = waiting(api, review={"assignees": {"users": ["eve"]}})
        assert f"/executions/{id}" in ada.read(path)
        assert f"/executions/{id}" not in eve.read(path)
        name = documents.chain("a")["name"]
        for shown in (ada.read(path), ada.read("/input-requests", show="open")):
            assert name in shown
        for shown in (eve.read(path), eve.read("/input-requests")):
            assert name not in shown
        is_problem(eve.get(f"/executions/{id}"), 404, "not-found")
        answer = eve.post(f"{path}/answer", decision="reject", text="wrong")
        assert eve.get(answer.headers["Location"].removeprefix("/crewexec-dashboard")).text
        assert run(id) == "failed"

    @pytest.mark.settings(MANAGERS_SEE_CONTENT=False)
    def test_managers_may_be_kept_from_reading_drafts(
        self, api: Api, model: ScriptedModel, admins: Pages
    ) -> None:
        model.on("Do a", "a secret")
        _, path = waiting(api)
        page = admins.read(path)
        assert "a secret" not in page
        assert 'value="approve"' in page
        assert "Answer although you do not see what is asked" in page
        assert 'value="edit"' not in page

    def test_forms_of_other_sites_are_rejected(self, api: Api, ada: Pages) -> None:
        _, path = waiting(api)
        other = {"Sec-Fetch-Site": "cross-site"}
        is_problem(ada.post(f"{path}/answer", other, decision="approve"), 403, "forbidden")


class TestApproval:
    ARGUMENTS: t.ClassVar = {"to": "a\u200bnn", "amount": 5, "urgent": True}
    SCHEMA: t.ClassVar = {
        "type": "object",
        "properties": {
            "to": {"type": "string"},
            "amount": {"type": "integer", "maximum": 100, "description": "In <euros\u2066>"},
            "urgent": {"type": "boolean"},
        },
        "required": ["to", "amount"],
    }

    @pytest.fixture
    def path(self, execution: str) -> str:
        id = ask(
            execution,
            kind="approval",
            tool="pay",
            call="1",
            arguments=self.ARGUMENTS,
            digest="d" * 64,
            schema=self.SCHEMA,
            decisions=["approve", "edit", "reject", "respond"],
        )
        return f"/input-requests/{id}"

    def test_shows_the_arguments_as_json_and_as_fields(self, ada: Pages, path: str) -> None:
        page = ada.read(path)
        assert "Approval of pay" in page
        assert '&#34;to&#34;: &#34;a<mark class="invisible"' in page
        assert re.search(r'<input id="[^"]*" name="/amount"[^>]* value="5">', page)
        assert re.search(r'name="/urgent".*?<option value="true" selected>', page, re.DOTALL)
        assert "In &lt;euros⟨U+2066⟩&gt;" in re.sub("</?mark[^>]*>", "", page)
        assert dangers(page) == []

    def test_what_does_not_fit_is_said_at_its_field(self, ada: Pages, path: str) -> None:
        form: dict[str, t.Any] = {"/to": "bob", "/amount": "500", "/urgent": "false"}
        page = is_refused(ada.post(f"{path}/answer", decision="edit", **form), "100")
        field = re.search(r'<label class="broad"><span><strong>amount.*?</label>', page, re.DOTALL)
        assert field
        assert 'aria-invalid="true"' in field[0]
        assert 'class="wrong"' in field[0]
        assert "bob</textarea>" in page

    def test_edited_arguments_are_stored_as_their_types(
        self, api: Api, ada: Pages, path: str
    ) -> None:
        form: dict[str, t.Any] = {"/to": "bob", "/amount": "50", "/urgent": "false"}
        assert ada.post(f"{path}/answer", decision="edit", **form).status_code == 303
        stored = api("GET", path).json
        assert stored["answer"] == {"arguments": {"to": "bob", "amount": 50, "urgent": False}}
        assert "Edited by ada" in text_of(ada.read(path))

    def test_the_next_round_shows_who_has_edited_which_argument(
        self, ada: Pages, execution: str
    ) -> None:
        common: dict[str, t.Any] = {
            "kind": "approval",
            "tool": "pay",
            "call": "1",
            "schema": self.SCHEMA,
        }
        edited = {**self.ARGUMENTS, "amount": 50}
        first = ask(execution, arguments=self.ARGUMENTS, **common)
        answer = {"arguments": edited}
        change_request(first, status="answered", decision="edit", answered_by="bob", answer=answer)
        second = ask(execution, round=2, arguments=edited, edited_by="bob", **common)
        page = ada.read(f"/input-requests/{second}")
        assert "Round 1: edited by bob." in text_of(page)
        assert "Edited by bob" in text_of(page)
        assert "<del>5</del><ins>50</ins>" in page

    def test_a_call_is_made_as_the_form_says(
        self, app: Flask, api: Api, model: ScriptedModel, ada: Pages
    ) -> None:
        paid = []
        approval = Approval(decisions=["approve", "edit"])

        @app.extensions["crewexec_host"].tool("pay", approval=approval)
        def pay(order: str, euros: int = 5, urgent: bool = False) -> str:
            """Pay an order."""
            paid.append((order, euros, urgent))
            return "paid"

        model.add(Turn(raw=tool_calls(("pay", {"order": "7"})), results=0))
        model.on(reply="DONE")
        id = api.queue(documents.chain("a", tools=("pay",)))
        assert run(id) == "waiting_input"
        path = f"/input-requests/{open_request(api, id)['id']}"
        fields = re.findall(r'<(?:textarea|input|select)[^>]* name="(/[^"]+)"', ada.read(path))
        assert fields == ["/order", "/euros", "/urgent"]
        form: dict[str, t.Any] = {"/order": "7", "/euros": "x", "/urgent": "true"}
        is_refused(ada.post(f"{path}/answer", decision="edit", **form), "Write a number")
        form["/euros"] = "9"
        assert ada.post(f"{path}/answer", decision="edit", **form).status_code == 303
        assert run(id) == "completed"
        assert paid == [("7", 9, True)]


class TestQuestion:
    def question(self, execution: str, **values: t.Any) -> str:
        values = {"kind": "question", "message": "Which?", "decisions": ["respond"], **values}
        return f"/input-requests/{ask(execution, call='1', **values)}"

    def test_choices_are_radio_buttons(self, ada: Pages, execution: str) -> None:
        page = ada.read(self.question(execution, schema={"type": "string", "enum": ["a", "<b>"]}))
        radio = re.findall(r'<input id="[^"]*" type="radio" name="choice" value="([^"]*)"', page)
        assert radio == ["a", "&lt;b&gt;"]
        assert 'name="decision" value="respond">Answer<' in page
        assert not re.search(r'<textarea[^>]* name="text"', page)

    def test_the_choice_is_the_answer(self, api: Api, ada: Pages, execution: str) -> None:
        decisions = ["respond", "reject"]
        path = self.question(execution, schema={"enum": ["a", "b"]}, decisions=decisions)
        is_refused(ada.post(f"{path}/answer", decision="respond", choice="c"), "Choose one of")
        is_refused(ada.post(f"{path}/answer", decision="respond"), "Choose one of the answers.")
        form: dict[str, t.Any] = {"decision": "respond", "choice": "b", "text": "unused"}
        assert ada.post(f"{path}/answer", **form).status_code == 303
        assert api("GET", path).json["answer"] == {"text": "b"}

    def test_other_questions_have_a_field(self, ada: Pages, execution: str) -> None:
        page = ada.read(self.question(execution))
        assert re.search(r'<textarea[^>]* name="text"', page)

    def test_kinds_of_later_versions_are_shown(self, ada: Pages, execution: str) -> None:
        page = ada.read(self.question(execution, kind="vote"))
        assert "Vote: a" in page
        assert 'value="respond"' in page


class TestOutcome:
    def test_an_interrupted_call_is_settled(self, api: Api, ada: Pages, execution: str) -> None:
        decisions = ["approve", "respond", "reject"]
        values: dict[str, t.Any] = {
            "kind": "outcome",
            "tool": "pay",
            "arguments": {"amount": 5},
            "call": "1",
        }
        id = ask(execution, problem="The worker was lost.", decisions=decisions, **values)
        text = text_of(ada.read(f"/input-requests/{id}"))
        assert "Interrupted call of pay" in text
        assert "The worker was lost. Arguments of pay" in text
        assert "The result of the call, or why it is not made again" in text
        assert "Call again Use this result Do not call again" in text
        form: dict[str, t.Any] = {"decision": "respond", "text": "paid"}
        assert ada.post(f"/input-requests/{id}/answer", **form).status_code == 303
        assert api("GET", f"/input-requests/{id}").json["answer"] == {"text": "paid"}


class TestInbox:
    def listed(self, pages: Pages, show: str, **query: object) -> list[str]:
        """The ids that a list links to, newest first."""
        page = pages.read("/input-requests", show=show, **query)
        return re.findall(r'<a id="to-([\w-]{36})"', page)

    def test_each_list_has_what_it_says(self, api: Api, ada: Pages, execution: str) -> None:
        options: list[dict[str, t.Any]] = [
            {},
            {"users": ("eve",)},
            {"expires_in": 60},
            {"expires_in": 0},
            {"expires_in": 90_000, "users": ("eve",)},
        ]
        ids = [ask(execution, round=at, **each) for at, each in enumerate(options)]
        assert self.listed(ada, "mine") == [ids[2], ids[0]]
        assert self.listed(ada, "open") == [ids[4], ids[2], ids[1], ids[0]]
        assert self.listed(ada, "due") == [ids[2]]
        assert self.listed(ada, "expired") == [ids[3]]
        assert self.listed(ada, "unknown") == self.listed(ada, "mine")
        assert ada.post(f"/input-requests/{ids[0]}/answer", decision="approve").status_code == 303
        assert self.listed(ada, "answered") == [ids[0]]
        assert "approved by ada" in text_of(ada.read("/input-requests", show="answered"))

    def test_a_rejection_looks_like_one(self, api: Api, ada: Pages, execution: str) -> None:
        id = ask(execution, round=2)
        assert ada.post(f"/input-requests/{id}/answer", decision="reject").status_code == 303
        page = ada.read("/input-requests", show="answered")
        assert 'state-decided_reject">rejected<' in page
        name = documents.chain("a")["name"]
        assert f'round 2</span> <span class="quiet">in {name}<' in page

    def test_what_was_withdrawn_says_that_it_is_not_asked_any_more(
        self, ada: Pages, execution: str
    ) -> None:
        id = ask(execution)
        change_request(id, status="withdrawn", answered_at=LONG_AGO)
        assert "this is not asked any more" in text_of(ada.read(f"/input-requests/{id}"))

    def test_it_goes_on_page_after_page(self, ada: Pages, execution: str) -> None:
        ids = [ask(execution, round=at) for at in range(27)]
        first = ada.read("/input-requests")
        (older,) = re.findall(r'id="older"[^>]*before=([\w-]+)', first)
        assert self.listed(ada, "mine") + self.listed(ada, "mine", before=older) == ids[::-1]
        assert "data-source" not in ada.read("/input-requests", before=older)

    def test_the_navigation_counts_what_the_user_is_asked(
        self, ada: Pages, eve: Pages, execution: str
    ) -> None:
        for at in range(3):
            ask(execution, round=at, users=("eve",) if at else ())
        ask(execution, round=3, expires_in=0)
        counts = [
            re.findall(r'id="inbox-count" class="count">(\d*)', p.read("/executions"))
            for p in (ada, eve)
        ]
        assert counts == [["1"], ["2"]]

    @pytest.mark.settings(MAX_STATUS_CHARS=1)
    def test_it_lists_requests_without_what_it_does_not_show(
        self, ada: Pages, execution: str
    ) -> None:
        ids = [ask(execution, round=at, draft={"text": "x" * 100}) for at in range(3)]
        assert self.listed(ada, "mine") == ids[::-1]

    def test_strangers_find_nothing(self, strangers: Pages, execution: str) -> None:
        ask(execution, message="private")
        for show in ("mine", "open", "due", "answered", "expired"):
            assert self.listed(strangers, show) == []

    def test_nobody_sees_it_without_signing_in(self, app: Flask, client: FlaskClient) -> None:
        is_problem(Pages(client, None).get("/input-requests"), 401, "unauthorized")


class TestExecution:
    @pytest.mark.settings(MAX_STATUS_CHARS=2_000)
    def test_its_page_links_to_what_does_not_fit(self, ada: Pages, execution: str) -> None:
        ids = [ask(execution, round=at, draft={"text": "x" * 900}) for at in range(3)]
        page = ada.read(f"/executions/{execution}")
        assert re.findall(r'id="to-asked-([\w-]+)"', page) == [ids[2], ids[1]]
        assert "More is asked: see the" in text_of(page)
        change_request(ids[2], status="answered")
        assert "More is asked" not in ada.read(f"/executions/{execution}")

    def test_its_page_says_who_has_decided_what_and_when(self, api: Api, ada: Pages) -> None:
        id, path = waiting(api)
        assert 'id="decisions"' not in ada.read(f"/executions/{id}")
        assert ada.post(f"{path}/answer", decision="approve").status_code == 303
        decisions = section(ada.read(f"/executions/{id}"), "decisions")
        answered_at = api("GET", path).json["answered_at"][:19].replace("T", " ")
        assert f"Review: a approved ada {answered_at}" in text_of(decisions)
        assert path in decisions
        history = section(ada.read(f"/executions/{id}"), "history")
        assert re.search(r"Answered a approved .*by ada request", text_of(history))
        assert path in history
