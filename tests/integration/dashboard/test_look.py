"""What a host sets about the dashboard, and what a page shows in its title."""

from __future__ import annotations

import datetime as dt
import re
import typing as t

import pytest
from flask import Flask
from flask.testing import FlaskClient

from flask_crewexec.dashboard import create_dashboard
from flask_crewexec.errors import ConfigError
from support.api_client import Api
from support.dashboard_pages import is_problem
from support.dashboard_pages import Pages
from support.dashboard_pages import section
from support.dashboard_pages import text_of
from support.graphs import documents
from support.host_app import host
from support.in_process import change
from support.in_process import run

MIDSUMMER = "2026-06-21T22:30:05+00:00"


@pytest.fixture
def looks(app: Flask, client: FlaskClient) -> t.Callable[..., Pages]:
    """Register the dashboard with options, and return the pages of a user, by default an admin."""

    def look(user: str | None = host.ADMIN, **options: t.Any) -> Pages:
        app.register_blueprint(create_dashboard(**options))
        return Pages(client, user)

    return look


class TestOptions:
    def test_the_hosts_title_and_links_are_on_each_page(self, looks: t.Any) -> None:
        pages = looks(title="Newsroom", links=[("Back & forth", "/desk?a=1&b=2")])
        page = pages.read("/executions")
        assert "<title>Executions · Newsroom</title>" in page
        assert '<a href="/desk?a=1&amp;b=2">Back &amp; forth</a>' in page
        assert "Crews" not in text_of(page)

    def test_times_are_those_of_the_hosts_zone(self, looks: t.Any, api: Api) -> None:
        pages = looks(time_zone="Europe/Berlin")
        id = api.queue(documents.chain("a"))
        change(id, created_at=dt.datetime.fromisoformat(MIDSUMMER))
        assert "2026-06-22 00:30:05" in pages.read("/executions")
        page = pages.read(f"/executions/{id}")
        assert "2026-06-22 00:30:05" in section(page, "facts")
        assert "All times are Europe/Berlin." in text_of(page)

    def test_users_have_the_names_that_people_know(self, looks: t.Any, api: Api) -> None:
        pages = looks(user_label={"ada": "Ada <Lovelace>"}.__getitem__)
        id = api.queue(documents.chain("a"))
        assert "Ada &lt;Lovelace&gt;" in pages.read("/executions")
        assert "Ada &lt;Lovelace&gt;" in section(pages.read(f"/executions/{id}"), "facts")

    @pytest.mark.parametrize(
        ("option", "value", "told"),
        [
            ("time_zone", "Europe/Atlantis", "Europe/Berlin"),
            ("time_zone", "../etc", "Europe/Berlin"),
            ("title", " ", "empty"),
            ("links", [("Only a text",)], "pairs"),
        ],
    )
    def test_what_cannot_be_used_is_refused(self, option: str, value: object, told: str) -> None:
        with pytest.raises(ConfigError, match=told):
            create_dashboard(**{option: value})  # type: ignore[arg-type]


class TestSignIn:
    @pytest.mark.parametrize("url", ["/login", lambda: "/login"])
    def test_who_is_not_signed_in_is_sent_there_and_back(self, looks: t.Any, url: t.Any) -> None:
        answer = looks(None, sign_in_url=url).get("/executions", status="failed")
        assert answer.status_code == 302
        wanted = "%2Fcrewexec-dashboard%2Fexecutions%3Fstatus%3Dfailed"
        assert answer.headers["Location"] == f"/login?next={wanted}"
        assert answer.headers["Cache-Control"] == "no-store"

    def test_parameters_of_the_address_stay(self, looks: t.Any) -> None:
        answer = looks(None, sign_in_url="/login?by=mail").get("/")
        assert answer.headers["Location"].startswith("/login?by=mail&next=%2F")

    def test_scripts_and_forms_get_the_problem(self, looks: t.Any) -> None:
        pages = looks(None, sign_in_url="/login")
        pages.headers["Sec-Fetch-Mode"] = "cors"
        is_problem(pages.get("/executions"), 401, "unauthorized")
        is_problem(pages.post("/executions/1/cancel"), 401, "unauthorized")


class TestStatusOutsideOfThePage:
    def test_title_and_icon_show_it(self, looks: t.Any, api: Api) -> None:
        pages, id = looks(), api.queue(documents.chain("a"))
        assert "<title>… test crew · Crews</title>" in pages.read(f"/executions/{id}")
        run(id)
        page = pages.read(f"/executions/{id}")
        assert "<title>✓ test crew · Crews</title>" in page
        assert 'data-title="✓ test crew · Crews"' in page
        icons = set(re.findall(r"[\w-]+\.svg", page))
        assert icons == {"icon-completed.svg"}
        with pages.get(f"/static/{icons.pop()}") as answer:
            assert answer.status_code == 200

    def test_a_cancelled_execution_is_no_failure(self, looks: t.Any, api: Api) -> None:
        pages, id = looks(), api.queue(documents.chain("a"))
        api("POST", f"/executions/{id}/cancel", json={"reason": "not needed"})
        summary = section(pages.read(f"/executions/{id}"), "summary")
        assert 'class="error"' not in summary
        assert "not needed" in summary
