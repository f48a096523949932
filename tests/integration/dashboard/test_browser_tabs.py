"""Many pages of running executions in one browser, over HTTP/1.1."""

from __future__ import annotations

import threading
import typing as t

import pytest

from support.graphs import documents
from support.servers.browser import Browser
from support.servers.processes import wait_until
from support.servers.sample_site import Site

pytestmark = pytest.mark.browser

PAGES: t.Final = 10
"""More than the six connections that a browser opens to a host."""


@pytest.fixture
def prompt(request: pytest.FixtureRequest) -> str:
    """What the model of this test is asked; the site is that of all tests."""
    return f"Wait for {request.node.name}".translate(str.maketrans("[]", "  "))


@pytest.fixture
def held(hold: t.Any, prompt: str) -> threading.Event:
    """The event that lets the executions end."""
    return t.cast(threading.Event, hold(prompt))


@pytest.fixture
def ids(site: Site, held: threading.Event, prompt: str) -> list[str]:
    """Executions that have not ended."""
    nodes = [documents.agent("w"), documents.task("wait", prompt)]
    body = {"graph_id": site.store(documents.crew(nodes, ["w wait"])), "inputs": {}}
    return [site.ask("POST", "/executions", json=body).json()["id"] for _ in range(PAGES)]


@pytest.fixture
def open_page(signed_in: Browser, site: Site) -> t.Callable[[str], str]:
    """Open the page of an execution in a window of its own; return the window's handle."""

    def open_page(id: str) -> str:
        signed_in.driver.switch_to.new_window("window")
        signed_in.open(f"{site.url}/crewexec-dashboard/executions/{id}")
        signed_in.wait_for("#summary")
        return signed_in.driver.current_window_handle

    return open_page


def expect_streams(site: Site, count: int) -> None:
    wait_until(lambda: site.open_streams() == count, what=f"{count} streams")


def test_ten_pages_share_one_stream_and_leave_the_host_free(
    site: Site, signed_in: Browser, held: threading.Event, ids: list[str], open_page: t.Any
) -> None:
    browser = signed_in
    windows = [open_page(id) for id in ids]
    expect_streams(site, 1)
    browser.open(f"{site.url}/crews")
    browser.wait_for("h1", "Crews")
    browser.driver.back()
    held.set()
    for window in windows:
        browser.driver.switch_to.window(window)
        browser.wait_for("#summary .state", "completed")
    expect_streams(site, 0)


def test_a_hidden_page_hangs_up_and_catches_up(
    site: Site, signed_in: Browser, held: threading.Event, ids: list[str], open_page: t.Any
) -> None:
    browser = signed_in
    open_page(ids[0])
    browser.run("window.sameDocument = true")
    expect_streams(site, 1)
    browser.driver.minimize_window()
    expect_streams(site, 0)
    held.set()
    assert site.ended(ids[0])["result"]
    assert browser.text("#summary .state") != "completed"
    browser.driver.set_window_rect(0, 0, 1280, 900)
    browser.wait_for("#summary .state", "completed")
    assert browser.run("return window.sameDocument") is True


@pytest.mark.parametrize("away", ["minimize_window", "close"])
def test_another_page_takes_over_from_the_one_that_has_the_stream(
    site: Site,
    signed_in: Browser,
    held: threading.Event,
    ids: list[str],
    open_page: t.Any,
    away: str,
) -> None:
    browser = signed_in
    first, second = open_page(ids[0]), open_page(ids[1])
    expect_streams(site, 1)
    before = len(site.requests("/events?executions="))
    browser.driver.switch_to.window(first)
    getattr(browser.driver, away)()
    browser.driver.switch_to.window(second)
    wait_until(lambda: len(site.requests("/events?executions=")) > before, what="a new stream")
    expect_streams(site, 1)
    held.set()
    browser.wait_for("#summary .state", "completed")
