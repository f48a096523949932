"""Signed links, with which people answer without signing in."""

from __future__ import annotations

import datetime as dt
import re
import typing as t

import pytest
from flask import Flask
from flask.testing import FlaskClient
from flask_wtf import CSRFProtect
from itsdangerous import URLSafeSerializer

from flask_crewexec import AsyncExecutionService
from flask_crewexec import clock
from flask_crewexec import Identity
from flask_crewexec.dashboard import create_dashboard
from flask_crewexec.errors import ConfigError
from flask_crewexec.errors import CrewExecError
from flask_crewexec.errors import FourEyes
from flask_crewexec.errors import InputAnswered
from flask_crewexec.errors import InputGone
from flask_crewexec.errors import InvalidRequest
from flask_crewexec.errors import NotAsked
from flask_crewexec.errors import NotFound
from flask_crewexec.services.input_links import Link
from flask_crewexec.services.input_links import make_form_key
from flask_crewexec.web import problems
from support.api_client import Api
from support.dashboard_pages import dangers
from support.dashboard_pages import is_problem
from support.dashboard_pages import text_of
from support.graphs import documents
from support.host_app import host
from support.in_process import run
from support.input_requests import ask
from support.input_requests import change_request
from support.input_requests import open_request
from support.input_requests import reviewed

pytestmark = pytest.mark.sqlite_enough

service = AsyncExecutionService()
UNKNOWN = "00000000-0000-7000-8000-000000000000"


@pytest.fixture
def execution(registered: None, api: Api) -> str:
    """An execution in whose name tests ask."""
    return api.queue(documents.chain("a"))


@pytest.fixture
def asked(execution: str) -> str:
    """A request that asks eve."""
    return ask(execution, users=("eve",), message="Go <b>on</b>?")


@pytest.fixture
def link(asked: str) -> str:
    return service.input_link(asked, "eve")


def stored(id: str) -> dict[str, t.Any]:
    return service.get_input_request(id)


def token_of(link: str) -> str:
    return link.rpartition("/")[2]


class TestAnswers:
    def test_a_link_shows_the_request_and_answers_as_its_person(
        self, client: FlaskClient, asked: str, link: str
    ) -> None:
        page = client.get(link)
        assert page.status_code == 200
        assert "Go &lt;b&gt;on&lt;/b&gt;?" in page.text
        assert "You decide as eve" in text_of(page.text)
        assert dangers(page.text) == []
        (action,) = {*re.findall(r'<form[^>]* action="([^"]+)"', page.text)}
        done = client.post(action, data={"decision": "approve"})
        assert done.status_code == 200
        assert "Approved by eve" in text_of(done.text)
        request = stored(asked)
        assert (request["decision"], request["answered_by"]) == ("approve", "eve")
        assert request["link_issued_by"] is None

    def test_opening_it_changes_nothing(self, client: FlaskClient, asked: str, link: str) -> None:
        for _ in range(2):
            assert client.get(link).status_code == 200
            assert client.head(link).status_code == 200
        assert client.get(f"{link}?decision=approve").status_code == 200
        assert stored(asked)["status"] == "open"

    def test_a_form_that_is_sent_twice_answers_once(self, client: FlaskClient, link: str) -> None:
        for _ in range(2):
            assert client.post(link, data={"decision": "approve"}).status_code == 200
        is_problem(client.post(link, data={"decision": "reject"}), 410, "input-gone")

    def test_what_was_entered_is_shown_again_if_it_is_refused(
        self, client: FlaskClient, asked: str, link: str
    ) -> None:
        refused = client.post(link, data={"decision": "change", "text": "my words"})
        assert refused.status_code == 422
        assert "This request allows only" in text_of(refused.text)
        assert "my words" in refused.text
        assert stored(asked)["status"] == "open"

    def test_roles_count_that_the_person_had_when_it_was_issued(
        self, api: Api, registered: None, client: FlaskClient
    ) -> None:
        id = api.queue(reviewed(review={"assignees": {"roles": ["editor"]}}))
        run(id)
        request = open_request(api, id)["id"]
        with pytest.raises(NotAsked):
            service.input_link(request, "eve")
        link = service.input_link(request, Identity("eve", roles={"editor", "other"}))
        assert client.post(link, data={"decision": "approve"}).status_code == 200
        assert run(id) == "completed"

    def test_whom_it_is_for_is_stored_once_and_not_shown(
        self, execution: str, client: FlaskClient
    ) -> None:
        asked = ask(execution, roles=("editor",))
        eve = Identity("eve", roles={"editor"})
        first, second = service.input_link(asked, eve), service.input_link(asked, eve)
        assert [client.get(each).status_code for each in (first, second)] == [200, 200]
        assert stored(asked)["assignees"] == {"users": [], "roles": ["editor"]}
        assert service.for_user("eve").input_requests() == []

    def test_who_issued_it_is_stored_with_the_answer(self, client: FlaskClient, asked: str) -> None:
        link = service.input_link(asked, "eve", issued_by="ada")
        client.post(link, data={"decision": "approve"})
        assert stored(asked)["link_issued_by"] == "ada"

    def test_the_terminal_prints_it(self, app: Flask, client: FlaskClient, asked: str) -> None:
        runner = app.test_cli_runner()
        printed = runner.invoke(args=["crewexec", "link", asked, "--for", "eve"])
        assert client.get(printed.output.strip()).status_code == 200
        refused = runner.invoke(args=["crewexec", "link", asked, "--for", "bob"])
        assert refused.exit_code == 1
        assert "'bob' may not answer this request" in refused.output
        assert "with '--role' if it asks a role" in refused.output

    def test_it_is_an_address_where_the_host_names_its_server(self, app: Flask, asked: str) -> None:
        app.config.update(SERVER_NAME="crews.example", PREFERRED_URL_SCHEME="https")
        link = service.input_link(asked, "eve")
        assert link.startswith("https://crews.example/crewexec-dashboard/links/")


class TestRefusals:
    @pytest.mark.parametrize("method", ["get", "post"])
    @pytest.mark.parametrize(
        "change",
        [
            # Of the last character, two bits mean nothing.
            lambda token: token[:-2] + ("A" if token[-2] != "A" else "B") + token[-1],
            lambda token: token[1:],
            lambda token: f"{token.partition('.')[0]}.",
            lambda token: "x",
            lambda token: signed("another key"),
            lambda token: signed(host.SECRET_KEY, salt="another purpose"),
        ],
    )
    def test_other_tokens_lead_nowhere(
        self, client: FlaskClient, asked: str, link: str, method: str, change: t.Any
    ) -> None:
        address = link.replace(token_of(link), change(token_of(link)))
        answer = getattr(client, method)(address, data={"decision": "approve"})
        assert "There is no such link" in is_problem(answer, 404, "not-found")
        assert stored(asked)["status"] == "open"

    def test_it_is_void_after_any_decision(
        self, api: Api, client: FlaskClient, execution: str
    ) -> None:
        id = ask(execution, draft={"text": "private"})
        link = service.input_link(id, "ada")
        service.answer(id, "reject", by="bob")
        for answer in (client.get(link), client.post(link, data={"decision": "approve"})):
            text = is_problem(answer, 410, "input-gone")
            assert "'bob' has answered with 'reject' before" in text
            assert "private" not in answer.text

    def test_it_is_void_after_the_execution_was_cancelled(
        self, api: Api, registered: None, client: FlaskClient
    ) -> None:
        id = api.queue(reviewed())
        run(id)
        link = service.input_link(open_request(api, id)["id"], "ada")
        api("POST", f"/executions/{id}/cancel")
        for answer in (client.get(link), client.post(link, data={"decision": "approve"})):
            assert "This is not asked any more" in is_problem(answer, 410, "input-gone")

    @pytest.mark.parametrize("asks", [{"users": ("eve",)}, {"roles": ("editor",)}], ids=str)
    def test_it_is_void_once_the_data_of_its_person_is_erased(
        self, app: Flask, client: FlaskClient, execution: str, asks: dict[str, t.Any]
    ) -> None:
        id = ask(execution, **asks)
        link = service.input_link(id, Identity("eve", roles={"editor"}))
        assert client.get(link).status_code == 200
        app.extensions["crewexec_host"].erase_user("eve")
        for answer in (client.get(link), client.post(link, data={"decision": "approve"})):
            is_problem(answer, 404, "not-found")
        assert stored(id)["status"] == "open"

    def test_the_next_round_needs_another_one(
        self, api: Api, registered: None, client: FlaskClient
    ) -> None:
        id = api.queue(reviewed())
        run(id)
        link = service.input_link(open_request(api, id)["id"], "ada")
        assert client.post(link, data={"decision": "change", "text": "Shorter"}).status_code == 200
        assert run(id) == "waiting_input"
        is_problem(client.post(link, data={"decision": "approve"}), 410, "input-gone")
        assert open_request(api, id)["round"] == 2

    def test_it_expires(self, client: FlaskClient, asked: str) -> None:
        link = service.input_link(asked, "eve", expires_in=0.001)
        for answer in (client.get(link), client.post(link, data={"decision": "approve"})):
            assert "This link has expired" in is_problem(answer, 410, "input-gone")
        assert stored(asked)["status"] == "open"

    def test_an_expired_request_is_answered_no_more(
        self, client: FlaskClient, execution: str
    ) -> None:
        id = ask(execution, expires_in=3600)
        link = service.input_link(id, "ada")
        change_request(id, expires_at=clock.now() - dt.timedelta(seconds=1))
        is_problem(client.post(link, data={"decision": "approve"}), 410, "input-gone")

    def test_its_person_gets_no_further(self, client: FlaskClient, asked: str, link: str) -> None:
        assert client.get(link).status_code == 200
        for path in ("/input-requests", f"/input-requests/{asked}", "/executions"):
            is_problem(client.get(f"/crewexec-dashboard{path}"), 401, "unauthorized")

    def test_its_token_is_not_logged_if_an_error_occurs(
        self,
        app: Flask,
        client: FlaskClient,
        link: str,
        caplog: pytest.LogCaptureFixture,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        # The tests of migrations run Alembic, whose set-up of logging switches other loggers off.
        monkeypatch.setattr(problems.log, "disabled", False)
        app.extensions["sqlalchemy"].drop_all()
        is_problem(client.get(link), 500, "internal-error")
        assert "GET /crewexec-dashboard/links/<token> failed" in caplog.text
        assert token_of(link) not in caplog.text

    @pytest.mark.parametrize(
        ("user", "error"), [("bob", NotAsked), ("ada", NotAsked), (host.ADMIN, NotAsked)]
    )
    def test_there_is_none_for_those_who_are_not_asked(
        self, asked: str, user: str, error: type[CrewExecError]
    ) -> None:
        with pytest.raises(error):
            service.input_link(asked, Identity(user, may_manage_others=user == host.ADMIN))

    def test_there_is_none_for_what_is_over(self, asked: str, execution: str) -> None:
        service.answer(asked, "approve", by="bob")
        with pytest.raises(InputAnswered):
            service.input_link(asked, "eve")
        with pytest.raises(InputGone):
            service.input_link(ask(execution, round=2, expires_in=0), "ada")
        with pytest.raises(NotFound):
            service.input_link(UNKNOWN, "ada")

    @pytest.mark.parametrize("seconds", [0, -1, float("inf"), float("nan")])
    def test_it_cannot_be_valid_for_ever(self, asked: str, seconds: float) -> None:
        with pytest.raises(InvalidRequest):
            service.input_link(asked, "eve", expires_in=seconds)


def signed(key: str, salt: str = "flask-crewexec input link") -> str:
    return str(URLSafeSerializer(key, salt=salt).dumps([UNKNOWN, "eve", [], None, 10**11]))


class TestFourEyes:
    @pytest.fixture
    def asked(self, execution: str) -> str:
        return ask(execution, users=("eve", "bob"), four_eyes=True)

    EVE: t.ClassVar = {"X-User": "eve"}

    def test_its_person_must_sign_in(self, client: FlaskClient, asked: str, link: str) -> None:
        form = {"decision": "approve"}
        shown = client.get(link, headers=self.EVE)
        form |= dict(re.findall(r'type="hidden" name="(form_key)" value="([^"]+)"', shown.text))
        for send in (client.get, client.post):
            is_problem(send(link, data=form), 401, "unauthorized")
            bob = {"X-User": "bob"}
            is_problem(send(link, data=form, headers=bob), 403, "forbidden")
        assert stored(asked)["status"] == "open"
        assert client.post(link, data=form, headers=self.EVE).status_code == 200
        assert stored(asked)["answered_by"] == "eve"

    @pytest.mark.parametrize("key", [{}, {"form_key": "x"}, {"form_key": "eve"}], ids=repr)
    def test_forms_of_others_who_know_the_link_are_rejected(
        self, client: FlaskClient, asked: str, link: str, key: dict[str, str]
    ) -> None:
        if key.get("form_key") == "eve":  # that of another request of hers
            other = Link(UNKNOWN, Identity("eve"), None, 10**11)
            key = {"form_key": make_form_key(other)}
        refused = client.post(link, data={"decision": "approve", **key}, headers=self.EVE)
        assert "from another page" in is_problem(refused, 403, "forbidden")
        assert stored(asked)["status"] == "open"

    def test_who_issued_it_cannot_be_the_other_person(self, asked: str) -> None:
        with pytest.raises(FourEyes, match="'eve' has issued the link"):
            service.input_link(asked, "eve", issued_by="eve")

    def test_the_owner_is_told_why_there_is_none(self, app: Flask, execution: str) -> None:
        asked = ask(execution, roles=("editor",), four_eyes=True)
        ada = Identity("ada", roles={"editor"})
        with pytest.raises(FourEyes, match=r"no link for 'ada'.*'ada' owns the execution"):
            service.input_link(asked, ada)
        command = ["crewexec", "link", asked, "--for", "ada", "--role", "editor"]
        assert "'ada' owns the execution" in app.test_cli_runner().invoke(args=command).output


class TestKeys:
    def test_former_keys_are_accepted_and_sign_no_more(
        self, app: Flask, client: FlaskClient, asked: str, link: str
    ) -> None:
        app.config.update(SECRET_KEY="new", SECRET_KEY_FALLBACKS=[host.SECRET_KEY])
        assert client.get(link).status_code == 200
        renewed = service.input_link(asked, "eve")
        app.config["SECRET_KEY_FALLBACKS"] = None
        assert client.get(renewed).status_code == 200
        is_problem(client.get(link), 404, "not-found")

    def test_without_a_key_there_are_none(self, app: Flask, asked: str) -> None:
        app.config["SECRET_KEY"] = None
        with pytest.raises(ConfigError, match="SECRET_KEY"):
            service.input_link(asked, "eve")


class TestHosts:
    def test_without_a_dashboard_there_are_none(self, api: Api) -> None:
        id = ask(api.queue(documents.chain("a")))
        with pytest.raises(ConfigError, match="create_dashboard"):
            service.input_link(id, "ada")

    def test_the_dashboard_may_be_anywhere(self, app: Flask, api: Api, client: FlaskClient) -> None:
        app.register_blueprint(create_dashboard("/ops"))
        id = ask(api.queue(documents.chain("a")))
        link = service.input_link(id, "ada")
        assert link.startswith("/ops/links/")
        assert client.get(link).status_code == 200

    @pytest.mark.parametrize("is_first", [True, False])
    def test_csrf_protection_of_the_host_needs_no_referrer(
        self, app: Flask, api: Api, client: FlaskClient, is_first: bool
    ) -> None:
        protection = CSRFProtect()
        if is_first:
            protection.init_app(app)
        app.register_blueprint(create_dashboard())
        if not is_first:
            protection.init_app(app)
        protection.exempt(app.blueprints["crewexec.api"])
        link = service.input_link(ask(api.queue(documents.chain("a"))), "ada")
        form = {"decision": "approve"}
        assert client.post(link, data=form, base_url="https://localhost").status_code == 200

    def test_pages_of_links_tell_nobody_their_address(self, client: FlaskClient, link: str) -> None:
        answers = [client.get(link), client.get(f"{link}x"), client.get(f"{link}/")]
        answers += [client.put(link), client.options(link), client.post(link, data={})]
        assert [each.status_code for each in answers] == [200, 404, 404, 404, 200, 422]
        for answer in answers:
            headers = answer.headers
            assert headers["Referrer-Policy"] == "no-referrer"
            assert headers["Cache-Control"] == "no-store"
            assert "frame-ancestors 'none'" in headers["Content-Security-Policy"]
        assert "<a " not in re.sub(r'<a class="skip".*?</a>', "", client.get(f"{link}x").text)

    @pytest.mark.settings(REQUESTS_PER_MINUTE=2)
    def test_the_rate_limit_counts_the_person(self, client: FlaskClient, link: str) -> None:
        answers = [client.get(link).status_code for _ in range(3)]
        assert answers == [200, 200, 429]

    def test_a_link_fits_into_a_mail(self, asked: str) -> None:
        assert len(service.input_link(asked, "eve")) < 300
