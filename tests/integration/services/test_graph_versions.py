"""Versions of a graph: list, diff, copy, archive, restore, and optimistic locking."""

from __future__ import annotations

import datetime as dt
import threading
import uuid

import pytest
import sqlalchemy as sa

from flask_crewexec import clock
from flask_crewexec import GraphService
from flask_crewexec.app_state import current_app_state
from flask_crewexec.errors import CrewExecError
from flask_crewexec.tasks import cleanup
from support.api_client import problem
from support.graphs import documents

NOBODYS = uuid.UUID(int=7 << 76 | 2 << 62)
RENAMED = {**documents.ONE_TASK, "name": "renamed"}
LONGER = documents.chain("a", "b")


@pytest.fixture
def graph(api):
    """A graph with three versions."""
    id = api.graph(documents.ONE_TASK)
    for document in (RENAMED, LONGER):
        assert api("PUT", f"/graphs/{id}", json=document).status_code == 200
    return id


def tag_of(api, graph, query=""):
    return api("GET", f"/graphs/{graph}{query}").headers["ETag"]


def match(tag):
    return {"If-Match": tag}


def archived_days_ago(graph, days):
    model = current_app_state().models.graph
    then = clock.now() - dt.timedelta(days=days)
    statement = sa.update(model).where(model.id == uuid.UUID(graph)).values(deleted_at=then)
    with current_app_state().database.write_transaction() as session:
        session.execute(statement)


def count(model):
    with current_app_state().database.read_session() as session:
        return session.scalar(sa.select(sa.func.count()).select_from(model))


class TestList:
    def test_tells_who_made_which_version_when(self, api, admin, graph):
        admin("PUT", f"/graphs/{graph}", json=RENAMED)
        answer = api("GET", f"/graphs/{graph}/versions").json
        assert [v["version"] for v in answer["versions"]] == [4, 3, 2, 1]
        assert [v["author"] for v in answer["versions"]] == ["admin", "ada", "ada", "ada"]
        assert answer["next"] is None
        for version in answer["versions"]:
            query = f"?version={version['version']}"
            assert version["digest"] == api("GET", f"/graphs/{graph}{query}").json["digest"]
            assert version["created_at"] <= clock.now().isoformat()
        digests = {v["version"]: v["digest"] for v in answer["versions"]}
        assert digests[4] == digests[2] != digests[3]

    def test_pages(self, api, graph):
        first = api("GET", f"/graphs/{graph}/versions?limit=2").json
        assert [v["version"] for v in first["versions"]] == [3, 2]
        rest = api("GET", f"/graphs/{graph}/versions?limit=2&before={first['next']}").json
        assert [v["version"] for v in rest["versions"]] == [1]
        assert rest["next"] is None

    @pytest.mark.parametrize("query", ["before=0", "limit=0", "limit=201", "before=x", "page=2"])
    def test_bad_queries(self, api, graph, query):
        problem(api("GET", f"/graphs/{graph}/versions?{query}"), 422, "invalid-request")


class TestDiff:
    def test_tells_what_changed_by_pointer(self, api, graph):
        answer = api("GET", f"/graphs/{graph}/diff?from=1&to=2").json
        assert answer == {
            "from": 1,
            "to": 2,
            "changes": [
                {
                    "kind": "changed",
                    "element": "document",
                    "id": None,
                    "pointer": "/name",
                    "old": documents.ONE_TASK["name"],
                    "new": "renamed",
                }
            ],
        }

    def test_without_an_end_to_the_newest(self, api, graph):
        answer = api("GET", f"/graphs/{graph}/diff?from=2").json
        assert answer["to"] == 3
        kinds = {(c["kind"], c["element"], c["id"]) for c in answer["changes"]}
        assert kinds >= {
            ("removed", "node", "tell"),
            ("added", "node", "a"),
            ("removed", "edge", "writer → tell"),
            ("added", "edge", "a → b"),
        }
        (added,) = (c for c in answer["changes"] if c["id"] == "a")
        assert added["new"] == LONGER["nodes"][1]
        assert "old" not in added

    def test_backwards(self, api, graph):
        answer = api("GET", f"/graphs/{graph}/diff?from=2&to=1").json
        assert answer["changes"][0]["old"] == "renamed"

    @pytest.mark.parametrize("query", ["", "?from=0", "?from=x", "?from=1&to=0"])
    def test_bad_queries(self, api, graph, query):
        problem(api("GET", f"/graphs/{graph}/diff{query}"), 422, "invalid-request")

    def test_a_version_that_there_is_not(self, api, graph):
        body = problem(api("GET", f"/graphs/{graph}/diff?from=1&to=9"), 404, "not-found")
        assert "version 9" in body["detail"]


class TestCopy:
    def test_is_a_graph_of_its_own(self, api, graph):
        answer = api("POST", f"/graphs/{graph}/copy")
        assert answer.status_code == 201
        copy = answer.json["id"]
        assert copy != graph
        assert answer.headers["Location"].endswith(f"/graphs/{copy}")
        assert answer.headers["ETag"] == tag_of(api, copy)
        api("PUT", f"/graphs/{copy}", json=RENAMED)
        assert api("GET", f"/graphs/{graph}").json["document"] == LONGER

    def test_of_an_older_version_under_another_name(self, api, graph):
        order = {"version": 1, "name": "Mine"}
        copy = api("POST", f"/graphs/{graph}/copy", json=order).json
        assert (copy["version"], copy["name"]) == (1, "Mine")
        assert copy["document"] == {**documents.ONE_TASK, "name": "Mine"}

    def test_belongs_to_the_user_who_copies_it(self, admin, graph):
        assert admin("POST", f"/graphs/{graph}/copy").json["user_id"] == "admin"

    def test_a_blank_name(self, api, graph):
        answer = api("POST", f"/graphs/{graph}/copy", json={"name": " "})
        assert problem(answer, 422, "invalid-graph")["errors"][0]["pointer"] == "/name"

    @pytest.mark.parametrize("order", [{"version": 0}, {"name": 1}, {"owner": "x"}])
    def test_bad_orders(self, api, graph, order):
        problem(api("POST", f"/graphs/{graph}/copy", json=order), 422, "invalid-request")


class TestArchive:
    def test_takes_it_out_of_use_until_it_is_restored(self, api, graph):
        before = api("GET", f"/graphs/{graph}")
        archived = api("POST", f"/graphs/{graph}/archive")
        assert archived.status_code == 200
        assert archived.json["archived_at"] is not None
        problem(api("GET", f"/graphs/{graph}"), 404, "not-found")
        problem(api("POST", "/executions", json={"graph_id": graph}), 404, "not-found")
        problem(api("PUT", f"/graphs/{graph}", json=RENAMED), 404, "not-found")
        assert api("GET", "/graphs").json["graphs"] == []
        (listed,) = api("GET", "/graphs?archived=true").json["graphs"]
        assert listed["id"] == graph
        restored = api("POST", f"/graphs/{graph}/restore")
        assert restored.status_code == 200
        assert restored.json == before.json == api("GET", f"/graphs/{graph}").json
        assert restored.headers["ETag"] == before.headers["ETag"]
        assert api("GET", "/graphs?archived=true").json["graphs"] == []
        assert api("POST", "/executions", json={"graph_id": graph}).status_code == 202

    def test_what_was_deleted_can_be_restored(self, api, graph):
        assert api("DELETE", f"/graphs/{graph}").status_code == 204
        problem(api("DELETE", f"/graphs/{graph}"), 404, "not-found")
        assert api("POST", f"/graphs/{graph}/restore").json["document"] == LONGER

    def test_twice(self, api, graph):
        problem(api("POST", f"/graphs/{graph}/restore"), 409, "wrong-state")
        api("POST", f"/graphs/{graph}/archive")
        body = problem(api("POST", f"/graphs/{graph}/archive"), 409, "wrong-state")
        assert "archived already" in body["detail"]

    def test_goes_for_good_when_it_is_old(self, api, graph):
        models = current_app_state().models
        young = api.graph(RENAMED)
        archived_days_ago(graph, 31)
        archived_days_ago(young, 29)
        cleanup.handle({"action": "purge"})
        problem(api("POST", f"/graphs/{graph}/restore"), 404, "not-found")
        assert api("POST", f"/graphs/{young}/restore").status_code == 200
        assert (count(models.graph), count(models.graph_version)) == (1, 1)

    def test_stays_for_its_time_however_few_executions_are_kept(self, api, graph):
        archived_days_ago(graph, 1)
        cleanup.handle({"action": "purge", "older_than_seconds": 0, "keep": 0})
        assert api("POST", f"/graphs/{graph}/restore").status_code == 200

    @pytest.mark.sqlite_enough
    def test_stays_if_it_is_restored_while_it_is_about_to_go(self, app, api, graph):
        """PostgreSQL has locked the row by then."""

        def restore(connection, cursor, statement, *rest):
            if statement.startswith("DELETE FROM crewexec_graph ") and not restored:
                restored.append(graph)
                GraphService().restore(graph)

        restored: list[str] = []
        archived_days_ago(graph, 31)
        engine = app.extensions["sqlalchemy"].engine
        sa.event.listen(engine, "before_cursor_execute", restore)
        cleanup.handle({"action": "purge"})
        sa.event.remove(engine, "before_cursor_execute", restore)
        assert restored == [graph]
        assert api("GET", f"/graphs/{graph}").json["document"] == LONGER
        assert count(current_app_state().models.graph_version) == 3

    def test_stays_as_long_as_an_execution_is_left(self, api):
        id = api.queue(documents.chain("a"))
        graph = api.status(id)["graph_id"]
        archived_days_ago(graph, 31)
        cleanup.handle({"action": "purge"})
        assert api("POST", f"/graphs/{graph}/restore").status_code == 200


CALLS = [
    ("PUT", "", {"json": RENAMED}),
    ("DELETE", "", {}),
    ("POST", "/archive", {}),
    ("POST", "/copy", {}),
]


class TestMatching:
    def test_the_tag_is_strong_and_tells_versions_apart(self, api, graph):
        tags = {tag_of(api, graph, query) for query in ("", "?version=1", "?version=2")}
        assert len(tags) == 3
        assert all(tag.startswith('"') and tag.endswith('"') for tag in tags)
        assert tag_of(api, graph) == tag_of(api, graph, "?version=3")
        api("PUT", f"/graphs/{graph}", json=LONGER)  # the same document is another version
        assert tag_of(api, graph) not in tags
        assert tag_of(api, graph, "?version=1") not in tags  # it shows the newest one's number

    def test_answers_to_changes_bring_the_tag(self, api, graph):
        answer = api("PUT", f"/graphs/{graph}", json=RENAMED)
        assert answer.headers["ETag"] == tag_of(api, graph)
        created = api("POST", "/graphs", json=RENAMED)
        assert created.headers["ETag"] == tag_of(api, created.json["id"])

    @pytest.mark.parametrize(("method", "path", "options"), CALLS)
    @pytest.mark.parametrize("header", ["{}", '"other", {}', "*"])
    def test_the_current_one_passes(self, api, graph, method, path, options, header):
        headers = match(header.format(tag_of(api, graph)))
        answer = api(method, f"/graphs/{graph}{path}", headers=headers, **options)
        assert answer.status_code in (200, 201, 204)

    @pytest.mark.parametrize(("method", "path", "options"), CALLS)
    @pytest.mark.parametrize("header", ["old", "W/{}", '"'])
    def test_any_other_changes_nothing(self, api, graph, method, path, options, header):
        former = tag_of(api, graph)
        api("PUT", f"/graphs/{graph}", json=RENAMED)
        before = api("GET", f"/graphs/{graph}").json
        tag = former if header == "old" else header.format(tag_of(api, graph))
        answer = api(method, f"/graphs/{graph}{path}", headers=match(tag), **options)
        assert "version 4" in problem(answer, 412, "precondition-failed")["detail"]
        assert api("GET", f"/graphs/{graph}").json == before
        assert len(api("GET", "/graphs").json["graphs"]) == 1

    def test_restoring(self, api, graph):
        tag = api("POST", f"/graphs/{graph}/archive").headers["ETag"]
        answer = api("POST", f"/graphs/{graph}/restore", headers=match('"x"'))
        problem(answer, 412, "precondition-failed")
        answer = api("POST", f"/graphs/{graph}/restore", headers=match(tag))
        assert answer.status_code == 200

    def test_copying_an_older_version(self, api, graph):
        headers = match(tag_of(api, graph, "?version=1"))
        order = {"json": {"version": 1}, "headers": headers}
        assert api("POST", f"/graphs/{graph}/copy", **order).status_code == 201
        order["json"] = {"version": 2}
        problem(api("POST", f"/graphs/{graph}/copy", **order), 412, "precondition-failed")

    def test_an_invalid_document_is_reported_before_the_etag(self, api, graph):
        answer = api("PUT", f"/graphs/{graph}", json={}, headers=match('"x"'))
        problem(answer, 422, "invalid-graph")

    @pytest.mark.parametrize("is_guarded", [True, False])
    def test_of_many_at_once_one_wins_or_the_last(self, app, api, graph, is_guarded):
        tag = tag_of(api, graph) if is_guarded else None
        start = threading.Barrier(8)
        outcomes = []

        def change():
            with app.app_context():
                start.wait(30)
                try:
                    GraphService().update(graph, RENAMED, "ada", if_match=tag)
                    outcomes.append("changed")
                except CrewExecError as error:
                    outcomes.append(error.code)

        threads = [threading.Thread(target=change) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
        assert len(outcomes) == 8
        changed = 1 if is_guarded else 8
        assert outcomes.count("changed") == changed
        assert set(outcomes) <= {"changed", "precondition-failed"}
        assert api("GET", f"/graphs/{graph}").json["version"] == 3 + changed


ROUTES = [
    ("GET", "versions"),
    ("GET", "diff?from=1"),
    ("POST", "copy"),
    ("POST", "archive"),
    ("POST", "restore"),
]


@pytest.mark.sqlite_enough
class TestOwners:
    @pytest.mark.parametrize(("method", "path"), ROUTES)
    def test_a_strangers_graph_does_not_exist(self, api, stranger, graph, method, path):
        if path == "restore":
            api("DELETE", f"/graphs/{graph}")
        answer = stranger(method, f"/graphs/{graph}/{path}", headers=match("*"))
        problem(answer, 404, "not-found")
        assert stranger("GET", "/graphs?archived=true").json["graphs"] == []

    @pytest.mark.parametrize(("method", "path"), ROUTES)
    @pytest.mark.parametrize("id", [str(NOBODYS), "nonsense"])
    def test_what_is_not_there(self, api, method, path, id):
        problem(api(method, f"/graphs/{id}/{path}"), 404, "not-found")

    @pytest.mark.parametrize(("method", "path"), ROUTES)
    def test_anonymous_requests_are_refused(self, client, method, path):
        answer = client.open(f"/crewexec/graphs/{NOBODYS}/{path}", method=method)
        problem(answer, 401, "unauthorized")
