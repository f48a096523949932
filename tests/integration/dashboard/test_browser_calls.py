"""Calls on the page of an execution, in a real browser."""

from __future__ import annotations

import typing as t

import pytest
from selenium.webdriver.common.keys import Keys

from support.graphs import documents
from support.scripted_turns import tool_calls
from support.scripted_turns import Turn
from support.servers.browser import Browser
from support.servers.sample_site import Site

pytestmark = pytest.mark.browser

HOSTILE = '<img src=x onerror="window.taken = 1"><script>window.taken = 1</script>'
LONG = "\n".join(f"Line {number} of a long answer." for number in range(200))


def crew(name: str) -> documents.Document:
    """One agent who searches notes and then tells."""
    nodes = [documents.agent("writer"), documents.task("tell", f"Tell for {name}")]
    nodes.append(documents.named("search_notes", "tool"))
    return documents.crew(nodes, ["writer tell", "search_notes writer"], name=name)


def script(site: Site, name: str, answer: str = LONG, **last: t.Any) -> None:
    """Let the model call three tools at once, one that does not exist, then answer."""
    when = f"Tell for {name}"
    wanted = [("search_notes", {"query": "zebra"}), ("forget_notes", {"query": HOSTILE})]
    wanted.append(("search_notes", {"query": "bees"}))
    site.model.add(
        Turn(when=when, raw=tool_calls(*wanted), results=0),
        Turn(when=when, reply=answer, results=3, **last),
    )


@pytest.fixture(scope="module")
def told(site: Site) -> str:
    """An execution that has completed: a model call, three tool calls, and a model call."""
    script(site, "Told")
    return site.run(crew("Told"))


@pytest.fixture
def page(signed_in: Browser, site: Site, told: str) -> Browser:
    """The page of that execution."""
    signed_in.open(f"{site.url}/crewexec-dashboard/executions/{told}")
    signed_in.wait_for("#summary .state", "completed")
    return signed_in


def open_list(browser: Browser, *, until: str = "#call-5") -> None:
    browser.find("#calls-0 > summary").click()
    browser.wait_for(until)


def open_call(browser: Browser, number: int) -> None:
    browser.find(f"#call-{number}-details > summary").click()
    browser.wait_for(f"#call-{number}-body [data-fragment]")


class TestOpening:
    def test_nothing_is_fetched_before_it_is_opened(
        self, site: Site, page: Browser, told: str
    ) -> None:
        def asked() -> list[str]:
            return site.requests(f"{told}/calls")[before:]

        before = len(site.requests(f"{told}/calls"))
        open_list(page)
        assert asked() == [f"{told}/calls?step=0"]
        assert "zebra" not in page.text("#calls-0")
        open_call(page, 2)
        assert '"query": "zebra"' in page.text("#call-2-arguments")
        assert page.text("#call-2-answer-1") == "No note was found."
        assert asked()[1:] == [f"{told}/calls/2"]
        open_call(page, 5)
        assert page.text("#call-5-answer-1") == LONG
        assert "No note was found." in page.text("#call-5-new-4-1")
        page.find("#call-5-prompt > summary").click()
        page.wait_for("#call-5-all-2-1", "Tell for Told")
        assert asked()[2:] == [f"{told}/calls/5", f"{told}/calls/5/prompt"]
        for _ in range(2):
            page.find("#call-2-details > summary").click()
        assert len(asked()) == 4
        open_call(page, 3)
        page.wait_for("#call-3-body .error", "refused")
        page.take_pictures("calls")

    def test_a_line_tells_kind_name_status_and_figures(self, page: Browser) -> None:
        open_list(page)
        lines = [" ".join(line.text.split()) for line in page.find_all("#calls-0 .call summary")]
        assert [" ".join(line.split()[:5]) for line in lines] == [
            "Call 1 model scripted done",
            "Call 2 tool search_notes done",
            "Call 3 tool forget_notes failed:",
            "Call 4 tool search_notes done",
            "Call 5 model scripted done",
        ]
        assert "10 tokens" in lines[0]
        assert "ms" in lines[1] or " s" in lines[1]

    def test_markup_in_calls_runs_nothing(self, page: Browser) -> None:
        open_list(page)
        for number in (1, 3):
            open_call(page, number)
        assert HOSTILE[5:10] in page.text("#call-3-arguments")
        assert HOSTILE.split('"')[0] in page.text("#call-1-answer-2")
        assert page.find_all("main img, main script") == []
        assert page.run("return window.taken") is None

    def test_what_cannot_be_fetched_is_told_and_tried_again(self, page: Browser) -> None:
        page.block("*/calls?step=0")
        page.find("#calls-0 > summary").click()
        page.wait_for("#calls-0-body .loading", "could not be loaded")
        page.block()
        page.find("#calls-0 > summary").click()
        open_list(page)
        assert page.find_all(".loading") == []

    def test_without_javascript_links_lead_to_pages(
        self, site: Site, page: Browser, told: str
    ) -> None:
        page.driver.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": True})
        page.open(page.driver.current_url)
        page.find("#calls-0 > summary").click()
        page.find("#calls-0-body a").click()
        page.find("#call-5-details > summary").click()
        page.find("#call-5-body a").click()
        assert page.find("h1").text == "Call 5: scripted"
        page.find("#call-5-prompt > summary").click()
        page.find("#call-5-prompt-body a").click()
        assert "Tell for Told" in page.find("#call-5-all-2-1").text

    def test_nothing_is_wider_than_a_phone(self, page: Browser) -> None:
        page.look(width=390)
        open_list(page)
        for number in range(1, 6):
            open_call(page, number)
        assert page.run("return document.documentElement.scrollWidth") <= 390


class TestTexts:
    def test_copying_with_and_without_the_browsers_clipboard(self, page: Browser) -> None:
        page.allow_clipboard()
        open_list(page)
        open_call(page, 2)
        open_call(page, 5)
        page.find("#call-2-answer-1-copy").click()
        page.wait_for("#call-2-answer-1-copy", "Copied")
        assert page.clipboard() == "No note was found."
        page.run("navigator.clipboard.writeText = () => Promise.reject()")
        page.find("#call-5-answer-1-copy").click()
        page.wait_for("#call-5-answer-1-copy", "Copied")
        assert page.clipboard() == LONG
        page.wait_for("#announcement", "Copied to the clipboard.")

    def test_long_texts_are_bounded_until_all_is_wanted(self, page: Browser) -> None:
        open_list(page)
        open_call(page, 5)
        height = "return document.getElementById('call-5-answer-1').clientHeight"
        assert page.run(height) < 300
        assert page.find_all("#call-5-new-4-1-all") == []
        button = page.find("#call-5-answer-1-all")
        button.click()
        assert page.run(height) > 2000
        assert (button.text, button.get_attribute("aria-expanded")) == ("Show less", "true")
        button.click()
        assert page.run(height) < 300


class TestKeyboard:
    def test_keys_alone_lead_to_a_text(self, page: Browser) -> None:
        page.run("document.querySelector('#calls-0 > summary').focus()")
        page.press(Keys.ENTER)
        page.wait_for("#call-1")
        page.press(Keys.TAB)
        page.press(Keys.SPACE)
        page.wait_for("#call-1-new-1-1-copy")
        page.press(Keys.TAB)
        while page.focused().endswith("-all"):
            page.press(Keys.TAB)
        assert page.focused() == "call-1-new-1-1-copy"
        page.press(Keys.TAB)
        assert page.focused() == "call-1-new-1-1"
        nameless = "#steps [tabindex]:not([id]), #steps .text pre:not([aria-labelledby])"
        assert page.find_all(nameless) == []


class TestLive:
    def test_open_lists_follow_the_run(
        self, site: Site, signed_in: Browser, hold: t.Any, queue: t.Any
    ) -> None:
        browser = signed_in
        site.store(crew("Followed"))
        gate = hold("never asked for")
        script(site, "Followed", "All is told.", hold=gate)
        queue("Followed")
        browser.wait_for("#calls-0")
        browser.find("#calls-0 > summary").click()
        browser.wait_for("#call-5 .state", "started")
        open_call(browser, 5)
        open_call(browser, 2)
        browser.wait_for("#call-5-body", "has not ended yet")
        browser.run("window.same = document.getElementById('call-2-body')")
        browser.run("document.querySelector('#call-2-details > summary').focus()")
        gate.set()
        browser.wait_for("#call-5 .state", "done")
        browser.wait_for("#call-5-answer-1", "All is told.")
        browser.wait_for("#summary .state", "completed")
        assert browser.run("return document.getElementById('call-2-body') === window.same")
        assert browser.focused() == "call-2-details"

    def test_new_calls_appear(
        self, site: Site, signed_in: Browser, hold: t.Any, queue: t.Any
    ) -> None:
        browser = signed_in
        site.store(crew("Growing"))
        gate = hold("never asked for either")
        when = "Tell for Growing"
        search = tool_calls(("search_notes", {"query": "x"}))
        site.model.add(
            Turn(when=when, raw=search, results=0, hold=gate),
            Turn(when=when, reply="Told.", results=1),
        )
        queue("Growing")
        browser.wait_for("#calls-0")
        browser.find("#calls-0 > summary").click()
        browser.wait_for("#call-1 .state", "started")
        assert browser.find_all("#call-2") == []
        gate.set()
        browser.wait_for("#call-2", "search_notes")
        browser.wait_for("#call-3 .state", "done")
        browser.wait_for("#calls-0 [data-live=no]")
