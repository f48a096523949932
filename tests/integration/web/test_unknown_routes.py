"""Requests below the prefix that no route takes, and what stays the host's."""

from __future__ import annotations

import pytest

from flask_crewexec.dashboard import create_dashboard
from support.api_client import problem

pytestmark = [pytest.mark.sqlite_enough, pytest.mark.libraries]

ID = "01a20000-0000-7000-8000-000000000000"


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE"])
@pytest.mark.parametrize("path", ["", "/", "/nonsense", "/executions/", f"/executions/{ID}/x/y"])
def test_an_unknown_path_is_a_problem(client, method, path):
    document = problem(client.open(f"/crewexec{path}", method=method), 404, "not-found")
    assert document["instance"] == f"/crewexec{path}"


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("DELETE", "/executions", {"GET", "HEAD", "OPTIONS", "POST"}),
        ("PATCH", f"/graphs/{ID}", {"DELETE", "GET", "HEAD", "OPTIONS", "PUT"}),
        ("POST", "/health/live", {"GET", "HEAD", "OPTIONS"}),
    ],
)
def test_another_method_is_a_problem_that_names_the_right_ones(client, method, path, allowed):
    answer = client.open(f"/crewexec{path}", method=method)
    problem(answer, 405, "method-not-allowed")
    assert set(answer.allow) == allowed


def test_options_name_the_methods_of_the_route(client):
    answer = client.options("/crewexec/executions")
    assert answer.status_code == 200
    assert set(answer.allow) == {"GET", "HEAD", "OPTIONS", "POST"}


@pytest.mark.parametrize("path", ["/", "/nonsense", "/crewexecutions", "/crewexec-dashboard/x"])
def test_other_paths_stay_the_hosts(app, client, path):
    app.register_blueprint(create_dashboard())
    app.register_error_handler(404, lambda error: ("The host's own page", 404))
    assert client.get(path, headers={"X-User": "ada"}).text == "The host's own page"


def test_a_route_of_the_host_below_the_prefix_is_found(app, client):
    app.add_url_rule("/crewexec/team/<name>", "team", lambda name: f"Team {name}")
    assert client.get("/crewexec/team/red").text == "Team red"
    problem(client.post("/crewexec/team/red"), 405, "method-not-allowed")
