"""The dashboard's pages, and the site that a browser shows."""

from __future__ import annotations

import threading
from collections.abc import Callable
from collections.abc import Iterator

import pytest
from flask import Flask
from flask.testing import FlaskClient

from flask_crewexec.dashboard import create_dashboard
from flask_crewexec.services import service_problems
from support.dashboard_pages import Pages
from support.host_app import host
from support.servers.browser import Browser
from support.servers.browser import require_chromium
from support.servers.redis_process import RedisProcess
from support.servers.redis_servers import chosen_redis
from support.servers.sample_site import sample_site
from support.servers.sample_site import Site


@pytest.fixture(scope="package")
def _installed() -> None:
    require_chromium()


@pytest.fixture(scope="package")
def site(_installed: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    folder = tmp_path_factory.mktemp("site")
    with (
        RedisProcess(tmp_path_factory.mktemp("site-redis"), chosen_redis()) as redis,
        sample_site(folder, redis.url) as site,
    ):
        yield site


@pytest.fixture
def signed_in(browser: Browser, site: Site) -> Browser:
    browser.open(f"{site.url}/sign-in")
    browser.find("input[name=token]").send_keys(site.token)
    browser.find("button").click()
    browser.wait_for("h1", "Crews")
    return browser


@pytest.fixture
def queue(signed_in: Browser, site: Site) -> Callable[..., None]:
    """Queue a graph from the sample app's page, which leads to the execution's."""

    def queue(name: str, **inputs: str) -> None:
        signed_in.open(f"{site.url}/crews")
        (form,) = (
            card.find_element("css selector", "form")
            for card in signed_in.find_all("section.card")
            if card.find_element("css selector", "h2").text == name
        )
        for input, text in inputs.items():
            form.find_element("name", input).send_keys(text)
        form.find_element("css selector", "button").click()
        signed_in.wait_for("h1", name)

    return queue


@pytest.fixture
def hold(site: Site) -> Iterator[Callable[[str], threading.Event]]:
    """Let the model wait with its answer to prompts, until the event that is returned is set."""
    events = []

    def hold(pattern: str, reply: str = "held back") -> threading.Event:
        events.append(threading.Event())
        site.model.on(pattern, reply, hold=events[-1])
        return events[-1]

    yield hold
    for event in events:
        event.set()


@pytest.fixture
def registered(app: Flask) -> None:
    app.register_blueprint(create_dashboard())


@pytest.fixture
def pages(registered: None, client: FlaskClient) -> Pages:
    return Pages(client, "ada")


@pytest.fixture
def strangers(registered: None, client: FlaskClient) -> Pages:
    return Pages(client, "mallory")


@pytest.fixture
def admins(registered: None, client: FlaskClient) -> Pages:
    return Pages(client, host.ADMIN)


@pytest.fixture
def checked_for_each_page(monkeypatch: pytest.MonkeyPatch) -> None:
    """Check the service for each page of a manager, and wait for the results."""
    monkeypatch.setattr(service_problems, "MAX_AGE_SECONDS", 0.0)
    monkeypatch.setattr(service_problems, "PATIENCE_SECONDS", 60.0)
