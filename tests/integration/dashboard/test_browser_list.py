"""The list of executions in a real browser: live rows, selections, and the one stream."""

from __future__ import annotations

import contextlib
import threading
import typing as t

import pytest
from selenium.common.exceptions import NoSuchElementException
from selenium.common.exceptions import StaleElementReferenceException

from support.graphs import documents
from support.servers.browser import Browser
from support.servers.processes import wait_until
from support.servers.sample_site import Site

pytestmark = pytest.mark.browser

PAGES: t.Final = 5
"""Of lists, and of executions; together more than the connections that a browser opens."""


@pytest.fixture
def prompt(request: pytest.FixtureRequest) -> str:
    """What the model of this test is asked; the site is that of all tests."""
    return f"Wait for {request.node.name}".translate(str.maketrans("[]", "  "))


@pytest.fixture
def held(hold: t.Any, prompt: str) -> threading.Event:
    """The event that lets the executions end."""
    return t.cast(threading.Event, hold(prompt))


@pytest.fixture
def graph(site: Site, prompt: str, held: threading.Event) -> str:
    nodes = [documents.agent("w"), documents.task("wait", prompt)]
    return site.store(documents.crew(nodes, ["w wait"]))


@pytest.fixture
def queue_more(site: Site, graph: str) -> t.Callable[[], str]:
    body = {"graph_id": graph, "inputs": {}}
    return lambda: str(site.ask("POST", "/executions", json=body).json()["id"])


@pytest.fixture
def ids(site: Site, prompt: str, queue_more: t.Callable[[], str]) -> list[str]:
    """Executions that have not ended, the first of them running, the newest first."""
    first = queue_more()
    site.model.wait_for_calls(1, matching=prompt)
    return [*(queue_more() for _ in range(2)), first]


@pytest.fixture
def address(site: Site, graph: str) -> str:
    return f"{site.url}/crewexec-dashboard/executions?graph_id={graph}"


def expect_streams(site: Site, count: int) -> None:
    wait_until(lambda: site.open_streams() == count, what=f"{count} streams")


def status_of(id: str) -> str:
    return f"#row-{id} .state"


def rows_of(browser: Browser) -> list[str]:
    """The ids of the rows, asked in one go, since rows are replaced."""
    script = "return [...document.querySelectorAll('tr[data-part]')].map((row) => row.id)"
    return t.cast("list[str]", browser.run(script))


def expect_text(browser: Browser, selector: str, text: str) -> None:
    """Wait for an element with a text on a page that runs no scripts."""

    def is_shown() -> bool:
        with contextlib.suppress(StaleElementReferenceException, NoSuchElementException):
            return browser.find(selector).text == text
        return False

    wait_until(is_shown, what=f"'{text}' in {selector}")


class TestLiveRows:
    def test_they_change_in_place_and_keep_what_was_ticked_and_focused(
        self,
        site: Site,
        signed_in: Browser,
        held: threading.Event,
        ids: list[str],
        queue_more: t.Callable[[], str],
        address: str,
    ) -> None:
        browser = signed_in
        browser.open(f"{address}&status=running")
        running = rows_of(browser)
        assert f"row-{ids[-1]}" in running
        browser.run("window.sameDocument = true")
        expect_streams(site, 1)
        browser.find(f"#select-{ids[-1]}").click()
        browser.wait_for("#selected", "1 selected")
        assert browser.focused() == f"select-{ids[-1]}"
        held.set()
        browser.wait_for(status_of(ids[-1]), "completed")
        assert rows_of(browser) == running
        assert browser.find(f"#select-{ids[-1]}").is_selected()
        assert browser.focused() == f"select-{ids[-1]}"
        browser.wait_for("#status-completed", "3")
        assert "completed" not in browser.text("#announcement")
        assert browser.run("return window.sameDocument") is True
        expect_streams(site, 0)

    def test_new_ones_are_told_and_nothing_jumps(
        self,
        signed_in: Browser,
        ids: list[str],
        queue_more: t.Callable[[], str],
        address: str,
    ) -> None:
        browser = signed_in
        browser.open(address)
        browser.wait_for(status_of(ids[-1]), "running")
        newer = [queue_more() for _ in range(2)]
        browser.wait_for("#show-new", "2 new executions")
        browser.wait_for("#announcement", "2 new")
        assert len(rows_of(browser)) == len(ids)
        browser.find("#show-new").click()
        browser.wait_for(f"#row-{newer[-1]}")
        assert len(rows_of(browser)) == len(ids) + 2

    def test_ten_windows_share_one_stream(
        self,
        site: Site,
        signed_in: Browser,
        held: threading.Event,
        ids: list[str],
        address: str,
    ) -> None:
        browser = signed_in
        detail = f"{site.url}/crewexec-dashboard/executions/{ids[-1]}"
        windows = []
        for place in [address, detail] * PAGES:
            browser.driver.switch_to.new_window("window")
            browser.open(place)
            windows.append(browser.driver.current_window_handle)
        expect_streams(site, 1)
        held.set()
        for window, place in zip(windows, [address, detail] * PAGES, strict=True):
            browser.driver.switch_to.window(window)
            shown = "#summary .state" if place == detail else status_of(ids[-1])
            browser.wait_for(shown, "completed")
        expect_streams(site, 0)

    def test_what_the_stream_does_not_take_is_polled(
        self,
        site: Site,
        signed_in: Browser,
        held: threading.Event,
        ids: list[str],
        address: str,
    ) -> None:
        browser = signed_in
        browser.block("*/crewexec/events*")
        browser.open(address)
        browser.wait_for(status_of(ids[-1]), "running")
        held.set()
        browser.wait_for(status_of(ids[-1]), "completed")


def test_the_address_has_the_filters_and_the_way_back(
    signed_in: Browser, ids: list[str], address: str
) -> None:
    browser = signed_in
    browser.open(address)
    browser.find("#status-failed").click()
    browser.wait_for("#list", "No execution matches")
    browser.driver.back()
    browser.wait_for(f"#row-{ids[0]}")
    assert browser.driver.current_url == address
    browser.driver.forward()
    browser.wait_for("#list", "No execution matches")
    browser.find(".chips a").click()
    browser.wait_for(f"#row-{ids[0]}")
    assert browser.driver.current_url == address


class TestSelections:
    def test_all_on_the_page_are_cancelled(
        self, signed_in: Browser, ids: list[str], address: str
    ) -> None:
        browser = signed_in
        browser.open(address)
        browser.find("#select-page").click()
        browser.wait_for("#selected", f"{len(ids)} selected")
        browser.wait_for("#select-page", "Select none")
        browser.take_pictures("list-selected")
        browser.find("#selection [value=cancel]").click()
        browser.wait_for("h1", f"Cancel {len(ids)} executions?")
        browser.take_pictures("list-confirm")
        browser.find("input[name=reason]").send_keys("too dear")
        browser.find("#confirm").click()
        browser.wait_for("h1", f"{len(ids)} executions cancelled")
        browser.take_pictures("list-done")
        came = browser.text(f"#outcome-{ids[0]}")
        assert "It is cancelled." in came or "It stops before its next call." in came
        browser.find("#back").click()
        assert browser.driver.current_url == address
        browser.wait_for(status_of(ids[-1]), "cancelled")

    def test_without_javascript_and_with_keys_alone(
        self, signed_in: Browser, ids: list[str], address: str
    ) -> None:
        browser = signed_in
        browser.driver.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": True})
        browser.open(address)
        browser.find("#select-page").click()
        expect_text(browser, "#select-page", "Select none")
        assert all(box.is_selected() for box in browser.find_all("input[name=ids]"))
        box = browser.find(f"#select-{ids[1]}")
        box.send_keys(" ")
        assert not box.is_selected()
        browser.find("#selection [value=cancel]").send_keys("\n")
        expect_text(browser, "h1", f"Cancel {len(ids) - 1} executions?")
        browser.find("#confirm").send_keys("\n")
        expect_text(browser, "h1", f"{len(ids) - 1} executions cancelled")
        browser.find("#back").click()
        expect_text(browser, "h1", "Executions")
        assert browser.driver.current_url == address

        def is_cancelled() -> bool:
            browser.open(address)
            return browser.find(status_of(ids[0])).text == "cancelled"

        wait_until(is_cancelled, what="the end of the execution")
        assert browser.find(status_of(ids[1])).text in ("queued", "running")

    def test_all_that_match_are_retried(
        self, site: Site, signed_in: Browser, held: threading.Event, ids: list[str], address: str
    ) -> None:
        browser = signed_in
        site.ask("POST", "/executions/cancel", json={"ids": ids})
        for id in ids:
            assert site.ended(id)["status"] == "cancelled"
        browser.open(f"{address}&status=cancelled")
        browser.find("#selection [value=matching]").click()
        browser.find("#selection [value=retry]").click()
        browser.wait_for("h1", "executions?")
        held.set()
        browser.find("#confirm").click()
        browser.wait_for("h1", "executions retried")
        browser.open(address)
        browser.wait_for(status_of(ids[0]), "completed")


def test_nothing_is_wider_than_a_phone(signed_in: Browser, ids: list[str], address: str) -> None:
    browser = signed_in
    browser.look(width=390)
    asked = address.replace("?", "/several?action=cancel&scope=matching&")
    for page in (address, f"{address}&select=page&status=queued&thread_id=tea", asked):
        browser.open(page)
        browser.wait_for("h1")
        assert browser.run("return document.documentElement.scrollWidth") <= 390, page
