"""A page of another origin uses the API, as the documentation shows (CORS)."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from flask import Flask

from flask_crewexec.testing import ScriptedModel
from support.api_client import Api
from support.client_page import ClientPage
from support.graphs import documents
from support.in_process import run
from support.paths import TESTS
from support.servers.browser import Browser
from support.servers.gunicorn import Gunicorn

pytestmark = [pytest.mark.browser, pytest.mark.sqlite_enough]

OPTIONS = ("--worker-class=gthread", "--threads=8")
BEARER = '{ headers: { Authorization: "Bearer ada" } }'


@pytest.fixture
def front_end(start_server) -> Gunicorn:
    """The origin of the page; it allows no other origin."""
    return start_server(*OPTIONS)


@pytest.fixture
def server(
    app: Flask, environment: dict[str, str], front_end: Gunicorn, tmp_path: Path
) -> Iterator[Gunicorn]:
    """The API, which allows the origin of the page."""
    (tmp_path / "api").mkdir()
    variables = {**environment, "PYTHONPATH": str(TESTS), "FRONT_END": front_end.url}
    name = "support.host_app.other_origin:app"
    with Gunicorn(tmp_path / "api", variables, *OPTIONS, app=name) as server:
        yield server


@pytest.fixture
def page(browser: Browser, front_end: Gunicorn, server: Gunicorn) -> ClientPage:
    return ClientPage(browser, front_end.url, api=server.url)


def test_it_queues_and_follows(page: ClientPage, api: Api, model: ScriptedModel) -> None:
    model.on("Do a", "ALPHA")
    graph = api.graph(documents.chain("a"))
    queue = "return (await crews.queue({ graph_id: given }, { idempotencyKey: 'one' })).id"
    id = page.call(queue, graph, options=BEARER)
    page.start("await follow(given); return (await crews.get(given)).result.raw", id, BEARER)
    assert run(id) == "completed"
    assert page.outcome() == {"value": "ALPHA"}
    assert [end["status"] for end in page.messages("end")] == ["completed"]


def test_it_cancels(page: ClientPage, api: Api) -> None:
    id = api.queue(documents.chain("a"))
    page.call(
        "const end = follow(given); await crews.cancel(given, { reason: 'enough' }); await end;",
        id,
        options=BEARER,
    )
    assert [end["status"] for end in page.messages("end")] == ["cancelled"]
    assert api.status(id)["cancellation"]["reason"] == "enough"


def test_it_reads_problems_and_their_headers(page: ClientPage, api: Api) -> None:
    error = page.refused(
        "return crews.get('01900000-0000-7000-8000-000000000000')", None, options=BEARER
    )
    assert (error["code"], error["status"]) == ("not-found", 404)
    assert error["requestId"]


def test_other_origins_are_not_allowed(
    browser: Browser, front_end: Gunicorn, server: Gunicorn
) -> None:
    page = ClientPage(browser, server.url, api=front_end.url)
    assert "Failed to fetch" in page.refused("return 1")["message"]
