"""A manager pauses the queue and drains a worker in a real browser."""

from __future__ import annotations

import typing as t

from support.servers.browser import Browser
from support.servers.sample_site import Site


def test_pauses_and_drains_without_javascript(
    site: Site, signed_in: Browser, queue: t.Any, hold: t.Any
) -> None:
    browser = signed_in
    held = hold("most important thing about drains")
    queue("Fact page", topic="drains")
    browser.wait_for("#summary .state", "running")
    browser.driver.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": True})
    browser.look(width=390)
    browser.open(f"{site.url}/crewexec-dashboard/operations")
    browser.find("input[name=reason]").send_keys("The database moves.")
    browser.find("#pause button").click()
    browser.wait_for(".notice", "The database moves.")
    browser.find("button[id^=drain-]").click()
    browser.wait_for("main", "Told to take nothing new")
    assert "Fact page" in browser.text("main")
    browser.take_pictures("operations")
    browser.look()
    browser.take_pictures("operations-wide")
    browser.find("button[id^=resume-]").click()
    browser.wait_for("button[id^=drain-]", "Drain")
    browser.open(f"{site.url}/crewexec-dashboard/executions")
    browser.wait_for(".notice", "The queue is paused since")
    browser.open(f"{site.url}/crewexec-dashboard/operations")
    browser.find("#pause button").click()
    browser.wait_for("#pause", "Executions start.")
    held.set()


def test_the_page_fits_a_phone(site: Site, signed_in: Browser) -> None:
    signed_in.look(width=390)
    signed_in.open(f"{site.url}/crewexec-dashboard/operations")
    signed_in.wait_for("h1")
    assert signed_in.run("return document.documentElement.scrollWidth") <= 390
