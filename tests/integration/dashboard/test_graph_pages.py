"""The dashboard's pages of graphs: the list, one graph, its versions and what they change."""

from __future__ import annotations

import html
import re
import typing as t

import pytest
import sqlalchemy as sa
from flask.testing import FlaskClient

from flask_crewexec.app_state import current_app_state
from support.api_client import Api
from support.dashboard_pages import dangers
from support.dashboard_pages import is_problem
from support.dashboard_pages import Pages
from support.dashboard_pages import section
from support.dashboard_pages import text_of
from support.graphs import documents

pytestmark = [pytest.mark.usefixtures("registered"), pytest.mark.sqlite_enough]

HOSTILE = "<script>alert(1)</script>\"><img src=x onerror='alert(1)'>"
UNKNOWN = "00000000-0000-7000-8000-000000000000"
VIEWS = ("", "/versions", "/changes?from=1")


def listed(page: str) -> list[str]:
    """Ids of the graphs on a page, in their order."""
    return re.findall(r'<a id="to-([^"]+)"', page)


def store(api: Api, *documents_: documents.Document) -> str:
    """A graph with a version for each document."""
    first, *others = documents_
    id = api.graph(first)
    for document in others:
        assert api("PUT", f"/graphs/{id}", json=document).status_code == 200
    return id


class TestWhoSees:
    @pytest.mark.parametrize("path", ["", *(f"/{UNKNOWN}{view}" for view in VIEWS)])
    def test_nobody_without_signing_in(self, client: FlaskClient, path: str) -> None:
        is_problem(Pages(client, None).get(f"/graphs{path}"), 401, "unauthorized")

    @pytest.mark.parametrize("view", VIEWS)
    def test_a_strangers_graph_does_not_exist(
        self, api: Api, pages: Pages, strangers: Pages, admins: Pages, view: str
    ) -> None:
        path = f"/graphs/{store(api, documents.chain('a'))}{view}"
        assert "test crew" in pages.read(path)
        assert "test crew" in admins.read(path)
        assert "test crew" not in is_problem(strangers.get(path), 404, "not-found")

    @pytest.mark.parametrize("action", ["archive", "restore"])
    def test_a_strangers_buttons_do_nothing(self, api: Api, strangers: Pages, action: str) -> None:
        id = store(api, documents.chain("a"))
        is_problem(strangers.post(f"/graphs/{id}/{action}"), 404, "not-found")
        assert api("GET", f"/graphs/{id}").json["archived_at"] is None

    @pytest.mark.parametrize("action", ["archive", "restore"])
    def test_forms_of_other_sites_are_refused(self, api: Api, pages: Pages, action: str) -> None:
        path = f"/graphs/{store(api, documents.chain('a'))}/{action}"
        answer = pages.post(path, headers={"Sec-Fetch-Site": "cross-site"})
        is_problem(answer, 403, "forbidden")

    def test_the_list_has_only_what_is_ones_own(
        self, api: Api, stranger: Api, pages: Pages, admins: Pages
    ) -> None:
        mine, other = (store(each, documents.chain("a")) for each in (api, stranger))
        assert listed(pages.read("/graphs")) == [mine]
        assert listed(admins.read("/graphs")) == [other, mine]

    @pytest.mark.parametrize("id", ["nonsense", UNKNOWN, "<script>"])
    def test_what_does_not_exist_gets_an_error_page(self, pages: Pages, id: str) -> None:
        is_problem(pages.get(f"/graphs/{id}"), 404, "not-found")


class TestList:
    def test_the_navigation_leads_there(self, pages: Pages) -> None:
        assert 'href="/crewexec-dashboard/graphs">Graphs' in pages.read("/executions")
        assert 'aria-current="page">Graphs' in pages.read("/graphs")

    def test_pages_follow_one_another_without_gap(self, api: Api, pages: Pages) -> None:
        ids = [store(api, documents.chain("a")) for _ in range(27)]
        first = pages.read("/graphs")
        (older,) = re.findall(r'id="older" rel="next" href="/crewexec-dashboard([^"]+)"', first)
        second = pages.read(html.unescape(older))
        assert listed(first) + listed(second) == ids[::-1]
        assert 'id="newest"' in second

    def test_archived_ones_are_apart_until_they_are_restored(self, api: Api, pages: Pages) -> None:
        kept, archived = (store(api, documents.chain("a")) for _ in range(2))
        answer = pages.post(f"/graphs/{archived}/archive")
        assert answer.headers["Location"] == "/crewexec-dashboard/graphs"
        assert listed(pages.read("/graphs")) == [kept]
        apart = pages.read("/graphs", archived="yes")
        assert re.findall(r'id="restore-([^"]+)"', apart) == [archived]
        is_problem(pages.get(f"/graphs/{archived}"), 404, "not-found")
        answer = pages.post(f"/graphs/{archived}/restore")
        assert answer.headers["Location"] == f"/crewexec-dashboard/graphs/{archived}"
        assert listed(pages.read("/graphs")) == [archived, kept]

    @pytest.mark.parametrize("query", [{"before": "x"}, {"archived": "perhaps"}])
    def test_filters_that_cannot_be_are_refused(self, pages: Pages, query: dict[str, str]) -> None:
        said = is_problem(pages.get("/graphs", **query), 422, "invalid-request")
        assert f"/{next(iter(query))}" in said


class TestGraph:
    def test_shows_the_drawing_without_statuses_and_the_tasks_in_order(
        self, api: Api, pages: Pages
    ) -> None:
        page = pages.read(f"/graphs/{store(api, documents.chain('a', 'b', tools=('say',)))}")
        drawing = section(page, "graph")
        assert re.findall(r'aria-label="([ab], [^"]*)"', drawing) == [
            f"{name}, Writer, default, say" for name in "ab"
        ]
        assert "pending" not in text_of(drawing)
        tasks = text_of(section(page, "tasks"))
        assert "a Writer Do a Expected: text b Writer reads a Do b" in tasks

    def test_links_lead_to_its_executions(self, api: Api, pages: Pages) -> None:
        id = store(api, documents.chain("a"))
        graph = pages.read(f"/graphs/{id}")
        assert "Version 1 of 1" in text_of(graph)
        (link,) = re.findall(r'id="executions" href="/crewexec-dashboard([^"]+)"', graph)
        assert f'<option value="{id}" selected>' in pages.read(html.unescape(link))

    def test_older_versions_stay_readable(self, api: Api, pages: Pages) -> None:
        renamed = {**documents.chain("b"), "name": "second name"}
        id = store(api, documents.chain("a"), renamed)
        newest, older = pages.read(f"/graphs/{id}"), pages.read(f"/graphs/{id}", version=1)
        assert "<h1>second name</h1>" in newest
        assert 'id="newest"' not in newest
        assert "<h1>test crew</h1>" in older
        assert "Version 1 of 2" in text_of(older)
        assert 'id="newest"' in older
        is_problem(pages.get(f"/graphs/{id}", version=3), 404, "not-found")
        is_problem(pages.get(f"/graphs/{id}", version="x"), 422, "invalid-request")

    def test_a_document_that_is_no_longer_valid_is_said(self, api: Api, pages: Pages) -> None:
        id = store(api, documents.chain("a"))
        app_state = current_app_state()
        version = app_state.models.graph_version
        with app_state.database.write_transaction() as session:
            session.execute(sa.update(version).values(document={"name": "old", "nodes": []}))
        page = pages.read(f"/graphs/{id}")
        assert "not valid under the current rules" in text_of(section(page, "graph"))
        assert 'id="tasks"' not in page

    def test_texts_of_users_run_nothing(self, api: Api, pages: Pages) -> None:
        document = documents.crew(
            [documents.agent("w", role=HOSTILE), documents.task("a", HOSTILE)],
            ["w a"],
            name=HOSTILE,
        )
        other = {**document, "name": f"{HOSTILE}{HOSTILE}"}
        id = store(api, document, other)
        for path in ("/graphs", *(f"/graphs/{id}{view}" for view in VIEWS)):
            page = pages.read(path)
            assert dangers(page) == []
            assert "&lt;script&gt;" in page


class TestVersions:
    def test_each_leads_to_its_page_and_to_what_it_changed(self, api: Api, pages: Pages) -> None:
        id = store(api, *(documents.chain(name) for name in "abc"))
        page = pages.read(f"/graphs/{id}/versions")
        assert re.findall(r"\?version=(\d)", page) == ["3", "2", "1"]
        assert re.findall(r"since version (\d)", page) == ["2", "1"]
        for link in re.findall(r'href="/crewexec-dashboard(/graphs/[^"]+)"', page):
            pages.read(html.unescape(link))

    def test_pages_follow_one_another_without_gap(self, api: Api, pages: Pages) -> None:
        id = store(api, *(documents.chain("a") for _ in range(27)))
        first = pages.read(f"/graphs/{id}/versions")
        (older,) = re.findall(r'id="older" rel="next" href="/crewexec-dashboard([^"]+)"', first)
        seen = re.findall(r"\?version=(\d+)", first + pages.read(older))
        assert seen == [str(number) for number in range(27, 0, -1)]

    def changes(self, pages: Pages, id: str, **query: t.Any) -> str:
        return text_of(section(pages.read(f"/graphs/{id}/changes", **query), "changes"))

    def test_differences_are_told_in_words(self, api: Api, pages: Pages) -> None:
        id = store(api, documents.chain("a"), documents.chain("a", tools=("say",)))
        said = self.changes(pages, id, **{"from": 1, "to": 2})
        assert said == "Added Tool “say” Added Connection from Tool “say” to Agent “Writer”"
        assert self.changes(pages, id, **{"from": 2, "to": 1}).startswith("Removed Tool “say”")
        assert self.changes(pages, id, **{"from": 1}) == said
        assert self.changes(pages, id, **{"from": 2}) == "The crew is the same."

    @pytest.mark.parametrize(
        ("query", "status"), [({}, 422), ({"from": "x"}, 422), ({"from": 1, "to": 9}, 404)]
    )
    def test_versions_that_do_not_exist_are_refused(
        self, api: Api, pages: Pages, query: dict[str, str], status: int
    ) -> None:
        id = store(api, documents.chain("a"))
        assert pages.get(f"/graphs/{id}/changes", **query).status_code == status
