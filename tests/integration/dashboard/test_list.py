"""The list of executions: what its address says, counts, live rows, and several at once."""

from __future__ import annotations

import html
import re
import typing as t

import pytest
from flask import Flask
from flask_wtf import CSRFProtect

from flask_crewexec.dashboard import list_views
from flask_crewexec.dashboard import several_views
from support.api_client import Api
from support.dashboard_pages import dangers
from support.dashboard_pages import is_problem
from support.dashboard_pages import Pages
from support.dashboard_pages import section
from support.dashboard_pages import text_of
from support.graphs import documents
from support.in_process import column
from support.in_process import run

pytestmark = pytest.mark.usefixtures("registered")

UNKNOWN = "01a20000-0000-7000-8000-000000000000"


def listed(page: str) -> list[str]:
    """Ids of the executions on a page, in their order."""
    return re.findall(r'<a id="to-([^"]+)"', page)


def counts_of(page: str) -> dict[str, str]:
    """The numbers beside the statuses."""
    found = re.findall(r'<a id="status-(\w+)"[^>]*>([^<]*)(?:<span[^>]*>([^<]*))?', page)
    return {status: number for status, _, number in found if number not in ("", "0")}


def live_part(pages: Pages, page: str) -> str:
    """What a page of the list fetches to update itself."""
    source = re.search(r'data-source="/crewexec-dashboard([^"]+)"', page)
    assert source
    return pages.read(html.unescape(source[1]))


def row_of(page: str, id: str) -> str:
    found = re.search(rf'<tr id="row-{id}".*?</tr>', page, re.DOTALL)
    assert found
    return text_of(found[0])


def new_ones(part: str) -> str:
    found = re.search(r'<p id="new".*?</p>', part, re.DOTALL)
    assert found
    return text_of(found[0])


def hidden_fields(page: str, action: str) -> dict[str, t.Any]:
    """The hidden fields of the form that is sent to an address."""
    form = re.search(rf'<form[^>]*action="/crewexec-dashboard{action}".*?</form>', page, re.DOTALL)
    assert form, page
    fields: dict[str, list[str]] = {}
    for name, value in re.findall(r'type="hidden" name="(\w+)" value="([^"]*)"', form[0]):
        fields.setdefault(name, []).append(html.unescape(value))
    return fields


def confirm(pages: Pages, page: str, **more: t.Any) -> str:
    """Press the button of the page that asks."""
    answer = pages.post("/executions/several", **hidden_fields(page, "/executions/several"), **more)
    assert answer.status_code == 200, answer.text
    assert dangers(answer.text) == []
    return t.cast(str, answer.text)


@pytest.fixture
def waiting(api: Api) -> list[str]:
    """Executions of one graph, the newest first."""
    graph = api.graph(documents.chain("a"))
    return [
        api("POST", "/executions", json={"graph_id": graph, "inputs": {}}).json["id"]
        for _ in range(3)
    ][::-1]


class TestAddress:
    def test_the_form_keeps_filters_that_it_has_no_field_for(
        self, api: Api, pages: Pages, waiting: list[str]
    ) -> None:
        run(waiting[0])
        fork = api("POST", f"/executions/{waiting[0]}/fork", json={}).json["execution"]["id"]
        page = pages.read("/executions", forked_from=waiting[0], status="queued", limit="7")
        assert listed(page) == [fork]
        kept = {"forked_from": [waiting[0]], "status": ["queued"], "limit": ["7"]}
        assert hidden_fields(page, "/executions") == kept

    def test_each_filter_can_be_removed_by_itself(
        self, api: Api, pages: Pages, waiting: list[str]
    ) -> None:
        graph = api.status(waiting[0])["graph_id"]
        page = pages.read("/executions", graph_id=graph, status="queued", thread_id="tea")
        chips = re.findall(
            r'<li><a href="([^"]+)"><span[^>]*>Remove the filter </span>([^<]+)', page
        )
        assert [text.strip() for _, text in chips] == [
            "Status: queued",
            "Graph: test crew",
            "Thread: tea",
        ]
        paths = [html.unescape(path) for path, _ in chips]
        assert paths[0].endswith(f"?graph_id={graph}&thread_id=tea")
        assert paths[2].endswith(f"?status=queued&graph_id={graph}")
        assert "Remove all" in page
        assert "Remove the filter" not in pages.read("/executions")

    def test_statuses_keep_the_other_filters_and_start_at_the_newest(
        self, pages: Pages, waiting: list[str]
    ) -> None:
        page = pages.read("/executions", thread_id="tea", status="queued", before=waiting[0])
        link = re.search(r'id="status-failed" href="[^"?]+\?([^"]+)"', page)
        assert link
        assert {*html.unescape(link[1]).split("&")} == {"thread_id=tea", "status=failed"}


class TestCounts:
    def test_each_status_of_ones_own(
        self, api: Api, stranger: Api, pages: Pages, admins: Pages, waiting: list[str]
    ) -> None:
        run(waiting[0])
        api("POST", f"/executions/{waiting[1]}/cancel")
        stranger.queue(documents.chain("a"))
        page = pages.read("/executions", status="completed")
        assert counts_of(page) == {"completed": "1", "cancelled": "1", "queued": "1"}
        assert counts_of(admins.read("/executions"))["queued"] == "2"
        assert counts_of(admins.read("/executions", user_id="mallory")) == {"queued": "1"}

    def test_they_follow_the_other_filters(
        self, api: Api, pages: Pages, waiting: list[str]
    ) -> None:
        run(waiting[0])
        other = api.queue(documents.chain("b"), thread_id="tea")
        assert counts_of(pages.read("/executions", thread_id="tea")) == {"queued": "1"}
        graph = api.status(other)["graph_id"]
        assert counts_of(pages.read("/executions", graph_id=graph)) == {"queued": "1"}
        assert counts_of(pages.read("/executions", created_before="2026-01-01T10:00")) == {}

    def test_they_end_at_a_limit(
        self, api: Api, pages: Pages, waiting: list[str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(list_views, "COUNT_LIMIT", 2)
        run(waiting[2])
        assert counts_of(pages.read("/executions")) == {"completed": "1", "queued": "2+"}
        graph = api.status(waiting[0])["graph_id"]
        assert counts_of(pages.read("/executions", graph_id=graph)) == {"queued": "2+"}


class TestLiveRows:
    def test_rows_stay_where_they_are_whatever_becomes_of_them(
        self, api: Api, pages: Pages, waiting: list[str]
    ) -> None:
        page = pages.read("/executions", status="queued")
        api("POST", f"/executions/{waiting[1]}/cancel")
        newer = [api.queue(documents.chain("a")) for _ in range(2)]
        part = live_part(pages, page)
        assert listed(part) == waiting
        assert "cancelled" in row_of(part, waiting[1])
        assert new_ones(part) == "2 new executions"
        assert counts_of(part)["queued"] == "4"
        assert listed(pages.read("/executions", status="queued"))[:2] == newer[::-1]

    def test_only_the_first_page_tells_of_new_ones_and_only_of_those_that_match(
        self, api: Api, pages: Pages, waiting: list[str]
    ) -> None:
        deep = pages.read("/executions", before=waiting[0])
        empty = pages.read("/executions", thread_id="tea")
        other = pages.read("/executions", thread_id="coffee")
        api.queue(documents.chain("a"), thread_id="tea")
        assert new_ones(live_part(pages, deep)) == ""
        assert new_ones(live_part(pages, empty)) == "1 new execution"
        assert new_ones(live_part(pages, other)) == ""

    def test_those_that_go_on_say_after_which_event(
        self, api: Api, pages: Pages, waiting: list[str]
    ) -> None:
        run(waiting[0])
        page = pages.read("/executions")
        followed = re.findall(r'data-execution="([^"]+)" data-after="(\d+)"', page)
        assert followed == [(id, str(column(id, "last_event"))) for id in waiting[1:]]

    def test_rows_of_others_are_not_there(
        self, stranger: Api, pages: Pages, strangers: Pages, waiting: list[str]
    ) -> None:
        theirs = live_part(strangers, pages.read("/executions"))
        assert listed(theirs) == []
        assert counts_of(theirs) == {}
        is_problem(pages.get("/executions/live", newest="x"), 404, "not-found")
        is_problem(pages.get("/executions/live", ids="x"), 422, "invalid-request")


class TestSeveral:
    def test_selected_ones_are_cancelled_after_a_question(
        self, api: Api, pages: Pages, waiting: list[str]
    ) -> None:
        run(waiting[2])
        page = pages.read("/executions/several", action="cancel", ids=waiting, status="queued")
        assert "Cancel 2 executions?" in page
        assert "has ended; it stays as it is" in page
        assert {column(id, "status") for id in waiting[:2]} == {"queued"}
        done = confirm(pages, page, reason="too dear")
        assert "2 executions cancelled" in text_of(done)
        assert "1 stayed as it was" in text_of(done)
        assert "nothing to cancel" in section(done, "list")
        assert api.status(waiting[0])["cancellation"]["reason"] == "too dear"
        assert 'href="/crewexec-dashboard/executions?status=queued"' in done

    def test_what_ended_between_question_and_answer_is_told(
        self, api: Api, pages: Pages, waiting: list[str]
    ) -> None:
        page = pages.read("/executions/several", action="cancel", ids=waiting)
        run(waiting[0])
        done = text_of(confirm(pages, page))
        assert "2 executions cancelled" in done
        assert "test crew completed" in done
        again = text_of(confirm(pages, page))
        assert "2 executions cancelled" in again
        assert {column(id, "last_event") for id in waiting[1:]} == {2}

    def test_selected_ones_are_retried(self, api: Api, pages: Pages, waiting: list[str]) -> None:
        api("POST", "/executions/cancel", json={"ids": waiting[:2]})
        page = pages.read("/executions/several", action="retry", ids=waiting)
        assert "Retry 2 executions?" in page
        done = confirm(pages, page)
        assert "2 executions retried" in text_of(done)
        assert {column(id, "attempt") for id in waiting[:2]} == {2}
        assert "0 executions retried" in text_of(confirm(pages, page))
        assert {column(id, "attempt") for id in waiting[:2]} == {2}

    def test_all_that_match_but_not_those_that_come_later(
        self, api: Api, stranger: Api, pages: Pages, waiting: list[str]
    ) -> None:
        other = api.queue(documents.chain("b"))
        theirs = stranger.queue(documents.chain("b"))
        graph = api.status(waiting[0])["graph_id"]
        chosen = {"action": "cancel", "scope": "matching", "graph_id": graph}
        run(waiting[2])
        page = pages.read("/executions/several", **chosen)
        assert "Cancel 2 executions?" in page
        late = api("POST", "/executions", json={"graph_id": graph, "inputs": {}}).json["id"]
        done = confirm(pages, page)
        assert "2 executions cancelled" in text_of(done)
        assert {column(id, "status") for id in waiting[:2]} == {"cancelled"}
        assert {column(id, "status") for id in (other, theirs, late)} == {"queued"}
        assert column(waiting[2], "status") == "completed"

    def test_managers_act_on_those_of_others(
        self, admins: Pages, pages: Pages, waiting: list[str]
    ) -> None:
        page = admins.read("/executions/several", action="cancel", scope="matching", user_id="ada")
        assert "3 executions cancelled" in text_of(confirm(admins, page))
        assert {column(id, "cancelled_by") for id in waiting} == {"admin"}

    def test_two_are_compared_the_older_one_first(self, pages: Pages, waiting: list[str]) -> None:
        older, newer = sorted(waiting)[:2]
        answer = pages.get("/executions/several", action="compare", ids=[newer, older])
        assert answer.headers["Location"].endswith(f"/executions/{older}/compare/{newer}")
        for ids in ([older], [older, older], sorted(waiting)[:3] if len(waiting) > 2 else []):
            answer = pages.get("/executions/several", action="compare", ids=ids)
            is_problem(answer, 422, "invalid-request")

    def test_those_of_others_look_like_what_does_not_exist(
        self, strangers: Pages, waiting: list[str]
    ) -> None:
        asked = {"action": "cancel", "ids": waiting[0]}
        page = strangers.read("/executions/several", **asked)
        unknown = strangers.read("/executions/several", action="cancel", ids=UNKNOWN)
        assert page == unknown
        assert "Nothing to cancel" in page
        done = [
            strangers.post("/executions/several", action="cancel", ids=id).text.replace(id, "ID")
            for id in (waiting[0], UNKNOWN)
        ]
        assert done[0] == done[1]
        assert "0 executions cancelled" in text_of(done[0])
        assert column(waiting[0], "status") == "queued"

    def test_one_request_has_a_limit_and_the_next_goes_on(
        self, pages: Pages, waiting: list[str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(several_views, "MOST", 2)
        page = pages.read("/executions/several", action="cancel", scope="matching")
        assert "Cancel 2 executions?" in page
        assert "More executions match" in page
        done = confirm(pages, page, reason="")
        assert [column(id, "status") for id in waiting] == ["cancelled", "cancelled", "queued"]
        assert "Go on with the others" in done
        done = confirm(pages, done)
        assert column(waiting[2], "status") == "cancelled"
        assert "Go on with the others" not in done
        refused = pages.post("/executions/several", action="cancel", ids=waiting)
        is_problem(refused, 422, "invalid-request")

    def test_when_the_time_is_over_the_next_request_goes_on(
        self, pages: Pages, waiting: list[str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(several_views, "SECONDS", 0.0)
        page = pages.read("/executions/several", action="cancel", ids=waiting)
        for count in (2, 1):
            page = confirm(pages, page)
            assert f"before the last {count}" in text_of(page)
            assert len(hidden_fields(page, "/executions/several")["ids"]) == count
        assert "Go on with the others" not in confirm(pages, page)
        assert {column(id, "status") for id in waiting} == {"cancelled"}

    @pytest.mark.sqlite_enough
    @pytest.mark.parametrize("action", ["cancel", "retry"])
    def test_nothing_selected_is_a_hint(self, pages: Pages, action: str) -> None:
        page = pages.read("/executions/several", action=action)
        assert "Select executions in the list first" in page
        page = pages.read(
            "/executions/several", action=action, scope="matching", status="completed"
        )
        assert "Nothing to" in page
        assert "<button" not in page

    @pytest.mark.sqlite_enough
    def test_what_cannot_be_is_refused(self, pages: Pages, waiting: list[str]) -> None:
        ids: dict[str, t.Any] = {"ids": waiting[0]}
        for method in (pages.get, pages.post):
            is_problem(method("/executions/several", **ids), 422, "invalid-request")
            odd: dict[str, t.Any] = {"action": "cancel", "ids": "x"}
            is_problem(method("/executions/several", **odd), 404, "not-found")
        is_problem(
            pages.post(
                "/executions/several", {"Sec-Fetch-Site": "cross-site"}, action="cancel", **ids
            ),
            403,
            "forbidden",
        )
        reason: dict[str, t.Any] = {"action": "cancel", "reason": "x" * 501, **ids}
        is_problem(pages.post("/executions/several", **reason), 422, "invalid-request")
        assert column(waiting[0], "status") == "queued"

    @pytest.fixture
    def _protected(self, app: Flask) -> None:
        app.config["SECRET_KEY"] = "secret"
        CSRFProtect(app).exempt(app.blueprints["crewexec.api"])

    @pytest.mark.sqlite_enough
    @pytest.mark.usefixtures("_protected")
    def test_forms_carry_the_token_of_the_host(self, pages: Pages, waiting: list[str]) -> None:
        page = pages.read("/executions/several", action="cancel", ids=waiting)
        is_problem(
            pages.post("/executions/several", action="cancel", ids=waiting[0]), 400, "bad-request"
        )
        assert "3 executions cancelled" in text_of(confirm(pages, page))


def test_names_that_are_markup_are_text(api: Api, pages: Pages) -> None:
    document = {**documents.chain("a"), "name": "<img src=x onerror=alert(1)>"}
    id = api.queue(document)
    page = pages.read("/executions")
    part = live_part(pages, page)
    asked = pages.read("/executions/several", action="cancel", ids=id)
    for text in (page, part, asked, confirm(pages, asked)):
        assert dangers(text) == []
        assert "&lt;img" in text
