"""Limits of how many graphs a user has, and how many versions a graph has."""

from __future__ import annotations

import json
import threading

import pytest

from flask_crewexec import GraphService
from flask_crewexec.errors import CrewExecError
from support.api_client import problem
from support.graphs import documents

CROWD = 6
FILES = {"graph.json": json.dumps(documents.ONE_TASK)}


def at_once(app, work):
    """Do the work in many threads; return the codes of the errors."""
    start, outcomes = threading.Barrier(CROWD), []

    def one(number):
        with app.app_context():
            start.wait(30)
            try:
                work(number)
                outcomes.append("done")
            except CrewExecError as error:
                outcomes.append(error.code)

    threads = [threading.Thread(target=one, args=(number,)) for number in range(CROWD)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    return sorted(outcomes)


@pytest.mark.settings(MAX_GRAPHS_PER_USER=2)
class TestGraphs:
    def test_one_too_many_is_refused_however_it_comes(self, api, stranger):
        graph = api.graph(documents.ONE_TASK)
        assert api("POST", f"/graphs/{graph}/copy").status_code == 201
        answers = [
            api("POST", "/graphs", json=documents.ONE_TASK),
            api("POST", f"/graphs/{graph}/copy"),
            api("POST", "/graphs/import", json={"format": "reactflow", "files": FILES}),
        ]
        for answer in answers:
            assert "You may have 2 graphs" in problem(answer, 409, "too-many-graphs")["detail"]
        assert len(api("GET", "/graphs").json["graphs"]) == 2
        assert stranger("POST", "/graphs", json=documents.ONE_TASK).status_code == 201

    def test_archived_ones_count(self, api):
        graph = api.graph(documents.ONE_TASK)
        api.graph(documents.ONE_TASK)
        assert api("POST", f"/graphs/{graph}/archive").status_code == 200
        problem(api("POST", "/graphs", json=documents.ONE_TASK), 409, "too-many-graphs")

    def test_concurrent_requests_do_not_exceed_it(self, app):
        outcomes = at_once(app, lambda _: GraphService().create(documents.ONE_TASK, "ada"))
        assert outcomes == ["done"] * 2 + ["too-many-graphs"] * (CROWD - 2)


@pytest.mark.settings(MAX_VERSIONS_PER_GRAPH=3)
class TestVersions:
    def test_one_too_many_is_refused_and_a_copy_goes_on(self, api, admin):
        graph = api.graph(documents.ONE_TASK)
        for _ in range(2):
            assert api("PUT", f"/graphs/{graph}", json=documents.ONE_TASK).status_code == 200
        for user in (api, admin):
            answer = user("PUT", f"/graphs/{graph}", json=documents.ONE_TASK)
            assert "Copy it" in problem(answer, 409, "too-many-versions")["detail"]
        copy = api("POST", f"/graphs/{graph}/copy").json["id"]
        assert api("PUT", f"/graphs/{copy}", json=documents.ONE_TASK).status_code == 200

    def test_concurrent_requests_do_not_exceed_it(self, app, api):
        graph = api.graph(documents.ONE_TASK)
        outcomes = at_once(app, lambda _: GraphService().update(graph, documents.ONE_TASK, "ada"))
        assert outcomes == ["done"] * 2 + ["too-many-versions"] * (CROWD - 2)
        assert api("GET", f"/graphs/{graph}").json["version"] == 3
