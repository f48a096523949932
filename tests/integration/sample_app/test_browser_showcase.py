"""``flask --app sample_app up`` in a real browser: the crews of the start page, clicked through."""

from __future__ import annotations

from urllib.parse import urljoin

import pytest
from selenium.webdriver.common.by import By

from support.axe import find_problems
from support.screenshots import TakeScreenshot
from support.servers.browser import Browser
from support.servers.sample_command import Sample

pytestmark = pytest.mark.browser

NEWSLETTER = "#start-newsletter"
REPORT = "#start-market_report"


def click(browser: Browser, selector: str) -> None:
    """Click an element that the page may replace at any time."""
    browser.run("document.querySelector(arguments[0]).click()", selector)


def test_a_crew_that_asks_before_it_uses_a_tool(
    signed_in: Browser, sample: Sample, screenshot: TakeScreenshot
) -> None:
    browser = signed_in
    screenshot("start", until="main")
    gates = sample.gates
    browser.find(NEWSLETTER).click()
    for step, name in ((1, "story"), (2, "tips")):
        browser.wait_for(f"#step-{step} .state", "running")
        gates[name].begin.set()
    browser.wait_for("#words-1", "The hive by the apple tree is so busy")
    browser.wait_for("#words-2", "Leave the clover standing")
    screenshot("running", until="#step-2")
    gates["story"].open()
    gates["tips"].open()
    browser.wait_for("#summary", "waiting for people")
    assert "Garden newsletter, May" in browser.text("pre[id$=-arguments]")
    screenshot("approval", until="section[id^=asked-]")
    click(browser, "button[id$=-approve]")
    browser.wait_for("#step-3 .state", "running")
    gates["newsletter"].begin.set()
    browser.wait_for("#words-3", "May belongs to the bees.")
    assert not browser.find_all("#result-shown")
    gates["newsletter"].open()
    browser.wait_for("#summary .state", "completed")
    assert browser.text("#result-shown h1") == "Garden newsletter, May"
    assert browser.find_all("#result-shown table td")
    screenshot("result-dark", until="#result", dark=True)
    assert browser.run("return document.querySelector('#decisions').innerText.includes('demo')")
    click(browser, "nav a[href='/']")
    browser.wait_for(".notes", "Written by a crew")
    assert "42 jars of honey were sold for 252 euros" in browser.text(".notes")
    browser.find("#to-graphs").click()
    browser.driver.find_element(By.LINK_TEXT, "Garden newsletter").click()
    browser.wait_for("h1", "Garden newsletter")
    screenshot("graph", until="#graph")


def test_a_crew_that_is_retried_after_its_completed_step(
    signed_in: Browser, sample: Sample, screenshot: TakeScreenshot
) -> None:
    browser = signed_in
    browser.find(REPORT).click()
    browser.wait_for("#summary .state", "retrying")
    assert "The model could not be reached." in browser.text("#summary .error")
    assert browser.text("#summary .error code") == "model-unreachable"
    assert browser.text("#step-0 .state").strip() == "completed"
    screenshot("retrying-dark", until="#timeline", dark=True)
    browser.wait_for("#summary .state", "completed")
    assert browser.text("#result-shown h1") == "Market day"
    assert len(sample.model.calls_matching("A market stall sold")) == 1
    assert len(sample.model.calls_matching("Last year the stall took")) == 1
    screenshot("retried", until="#timeline")


def test_the_start_page_can_be_used_by_everybody(signed_in: Browser) -> None:
    assert find_problems(signed_in) == {}


def test_nothing_is_wider_than_a_phone(signed_in: Browser, sample: Sample) -> None:
    signed_in.look(width=390)
    for path in ("/", "/crews", "/crewexec-dashboard/executions", "/crewexec-dashboard/graphs"):
        signed_in.open(urljoin(sample.link, path))
        signed_in.wait_for("h1")
        assert signed_in.run("return document.documentElement.scrollWidth") <= 390, path


def test_without_javascript_a_click_starts_a_crew_too(signed_in: Browser) -> None:
    browser = signed_in
    browser.driver.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": True})
    browser.find(REPORT).click()
    browser.wait_for("h1", "Market report")
    browser.wait_for("#summary", "of 3 steps")


def test_the_dashboard_sends_people_to_sign_in_and_back(browser: Browser, sample: Sample) -> None:
    inbox = urljoin(sample.link, "/crewexec-dashboard/input-requests")
    browser.open(inbox)
    browser.wait_for("h1", "Sign in")
    browser.find("input[name=token]").send_keys(sample.link.rpartition("=")[2])
    browser.find("main button").click()
    browser.wait_for("h1", "Inbox")
    assert browser.driver.current_url == inbox
