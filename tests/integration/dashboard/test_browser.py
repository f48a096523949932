"""The dashboard in a real browser: the sample app's web server and worker, and a scripted model."""

from __future__ import annotations

import typing as t

import pytest

from support.graphs import documents
from support.servers.browser import Browser
from support.servers.processes import wait_until
from support.servers.sample_site import Site

pytestmark = pytest.mark.browser

HOSTILE = (
    "<script>document.title = 'taken'; window.taken = 1</script>"
    '<img src=x onerror="window.taken = 1">"><svg onload=\'window.taken = 1\'>'
)


FOCUSABLE = "[...document.querySelectorAll('a[href], summary, button, [tabindex=\"0\"]')]"


def node(place: int, state: str) -> str:
    return f"#node-{place}[data-state={state}]"


def diamond(name: str) -> documents.Document:
    """Two agents with tools; an arrow that skips a column."""
    nodes = [
        documents.agent("researcher"),
        documents.agent("editor"),
        documents.task("collect", f"Collect for {name}"),
        documents.task("check", f"Check for {name}"),
        documents.task("illustrate", f"Illustrate for {name}"),
        documents.task("publish", f"Publish for {name}"),
        documents.named("search_notes", "tool"),
        documents.named("save_note", "tool"),
    ]
    edges = ["researcher collect", "researcher check", "editor illustrate", "editor publish"]
    edges += ["collect check", "collect illustrate", "check publish", "illustrate publish"]
    edges += ["collect publish", "search_notes researcher", "save_note editor"]
    return documents.crew(nodes, edges, name=name)


class TestWatching:
    def test_the_page_follows_the_execution_without_reload(
        self, site: Site, signed_in: Browser, queue: t.Any, hold: t.Any
    ) -> None:
        browser = signed_in
        site.store(diamond("Garden letter"))
        first = hold("Collect for Garden letter", "Three findings about bees.")
        third = hold("Illustrate for Garden letter", "A drawing of a hive.")
        site.model.on("Publish for Garden letter", "The letter is ready.")
        queue("Garden letter")
        browser.run("window.sameDocument = true")
        browser.wait_for(node(0, "running"))
        browser.wait_for("#summary", "running")
        assert browser.find(node(3, "pending"))
        wait_until(lambda: site.open_streams() == 1, what="the page to listen")
        browser.take_pictures("running-first")
        first.set()
        browser.wait_for(node(0, "completed"))
        browser.wait_for(node(2, "running"))
        browser.wait_for("#step-3", "waits for illustrate")
        browser.take_pictures("running-third")
        third.set()
        browser.wait_for("#summary .state", "completed")
        browser.wait_for("#result", "The letter is ready.")
        assert all(browser.find(node(place, "completed")) for place in range(4))
        assert browser.text("#output-text-0") == "Three findings about bees."
        assert "completed" in browser.text("#announcement")
        assert browser.run("return window.sameDocument") is True
        browser.take_pictures("completed")

    def test_the_page_asks_again_and_again_where_no_events_arrive(
        self, site: Site, signed_in: Browser, queue: t.Any, hold: t.Any
    ) -> None:
        browser = signed_in
        browser.block("*/events*")
        held = hold("most important thing about silence")
        queue("Fact page", topic="silence")
        browser.run("window.sameDocument = true")
        browser.wait_for(node(0, "running"))
        held.set()
        browser.wait_for("#summary .state", "completed")
        assert browser.run("return window.sameDocument") is True

    def test_after_signing_out_the_page_says_that_updates_have_ended(
        self, site: Site, signed_in: Browser, queue: t.Any, hold: t.Any
    ) -> None:
        browser = signed_in
        held = hold("most important thing about leaving")
        queue("Fact page", topic="leaving")
        browser.wait_for(node(0, "running"))
        browser.driver.delete_all_cookies()
        held.set()
        browser.wait_for("#connection", "Updates have stopped")
        assert browser.find(node(0, "running"))

    def test_what_the_reader_opened_and_focused_stays(
        self, site: Site, signed_in: Browser, queue: t.Any, hold: t.Any
    ) -> None:
        browser = signed_in
        site.store(
            documents.crew(
                [
                    documents.agent("w"),
                    documents.task("one", "One to stay"),
                    documents.task("two", "Two to stay"),
                ],
                ["w one", "w two"],
                name="Staying",
            )
        )
        second = hold("Two to stay")
        queue("Staying")
        browser.wait_for(node(1, "running"))
        browser.find("#output-0 summary").click()
        browser.find("#cancel summary").click()
        browser.find("#reason").send_keys("not yet")
        browser.run("document.querySelector('#output-0 summary').focus()")
        second.set()
        browser.wait_for("#step-1 .state", "completed")
        assert browser.run("return document.getElementById('output-0').open") is True
        focused = browser.run("return document.activeElement.parentElement.id")
        assert focused == "output-0"


class TestActing:
    def test_cancelling_a_running_execution_and_trying_again(
        self, site: Site, signed_in: Browser, queue: t.Any, hold: t.Any
    ) -> None:
        browser = signed_in
        held = hold("most beautiful thing about bees")
        queue("Fact page", topic="bees")
        browser.wait_for(node(1, "running"))
        browser.find("#cancel summary").click()
        browser.find("#reason").send_keys("too slow")
        browser.find("#cancel button").click()
        browser.wait_for("#summary .state", "cancelled")
        browser.wait_for("#summary", "too slow")
        browser.take_pictures("cancelled")
        held.set()
        browser.find("#retry").click()
        browser.wait_for("#summary .state", "completed")
        browser.wait_for("#facts", "Attempt2")
        assert len(site.model.calls_matching("most important thing about bees")) == 1

    def test_a_form_of_another_site_is_refused(
        self, site: Site, signed_in: Browser, queue: t.Any, hold: t.Any
    ) -> None:
        browser = signed_in
        hold("most important thing about forms")
        queue("Fact page", topic="forms")
        browser.wait_for(node(0, "running"))
        address = browser.driver.current_url
        browser.open(f"data:text/html,<form method=post action={address}/cancel><button>x</button>")
        browser.find("button").click()
        browser.wait_for("main", "403 · forbidden")
        browser.open(address)
        browser.wait_for("#summary .state", "running")

    def test_keys_alone_lead_to_the_result(
        self, site: Site, signed_in: Browser, queue: t.Any
    ) -> None:
        queue("Fact page", topic="keys")
        signed_in.wait_for("#summary .state", "completed")
        order = signed_in.run(f"return {FOCUSABLE}.map(e => e.id || e.className)")
        assert order[0] == "skip"
        assert order.index("result-text") < order.index("node-0")
        assert signed_in.run("return document.querySelectorAll('[tabindex]:not([id])').length") == 0


class TestStrangeTexts:
    def test_markup_from_graph_input_and_model_runs_nothing(
        self, site: Site, signed_in: Browser, queue: t.Any
    ) -> None:
        browser = signed_in
        name = f"Hostile {HOSTILE}"
        agent = documents.agent("w", role=f"Role {HOSTILE}"[:100])
        task = documents.task("tell", "Tell hostile {topic}")
        site.store(documents.crew([agent, task], ["w tell"], name=name))
        site.model.on("Tell hostile", HOSTILE)
        queue(name, topic=HOSTILE)
        browser.wait_for("#summary .state", "completed")
        browser.wait_for("#result-text", HOSTILE)
        browser.find("#inputs summary").click()
        browser.find("#output-0 summary").click()
        assert browser.text("h1") == name
        assert browser.find_all("main img, main script") == []
        assert browser.run("return window.taken") is None
        browser.take_picture("hostile")
        browser.open(f"{site.url}/crewexec-dashboard/executions")
        browser.wait_for("#list", name[:60])
        assert browser.run("return window.taken") is None


class TestOtherPages:
    def test_lists_and_operations(self, site: Site, signed_in: Browser, queue: t.Any) -> None:
        browser = signed_in
        browser.open(f"{site.url}/crews")
        browser.take_pictures("sample-crews")
        queue("Fact page", topic="lists")
        browser.wait_for("#summary .state", "completed")
        browser.find(".brand").click()
        browser.wait_for("#list", "Fact page")
        browser.take_pictures("executions")
        browser.open(f"{site.url}/crewexec-dashboard/operations")
        browser.wait_for("#now", "1 live worker")
        assert "worker@" in browser.text("main")
        assert browser.find_all("rect.column-completed")
        browser.take_pictures("operations")

    def test_nothing_is_wider_than_a_phone(
        self, site: Site, signed_in: Browser, queue: t.Any
    ) -> None:
        browser = signed_in
        queue("Fact page", topic="phones")
        browser.wait_for("#summary .state", "completed")
        browser.look(width=390)
        pages = [browser.driver.current_url]
        pages += [f"{site.url}/crewexec-dashboard/{page}" for page in ("executions", "operations")]
        for page in pages:
            browser.open(page)
            browser.wait_for("h1")
            assert browser.run("return document.documentElement.scrollWidth") <= 390, page

    def test_the_page_works_without_javascript(
        self, site: Site, signed_in: Browser, queue: t.Any, hold: t.Any
    ) -> None:
        browser = signed_in
        held = hold("most important thing about scripts")
        browser.driver.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": True})
        queue("Fact page", topic="scripts")
        site.model.wait_for_calls(1, matching="most important thing about scripts")
        held.set()

        def refreshed() -> bool:
            browser.find(".refresh").click()
            return browser.find("#summary .state").text == "completed"

        wait_until(refreshed, what="the end of the execution")
        assert browser.find("#result-shown").text
