"""Tests share one browser, and none sees what another has left in it."""

from __future__ import annotations

import pytest

from support.servers.browser import Browser
from support.servers.sample_site import Site

pytestmark = pytest.mark.browser

LEAVE_TRACES = """
document.cookie = "trace=1";
localStorage.setItem("trace", "1");
sessionStorage.setItem("trace", "1");
window.name = "trace";
"""
TRACES = "return [document.cookie, localStorage.length, sessionStorage.length, window.name]"


def test_a_renewed_browser_knows_nothing(site: Site, new_browser: Browser) -> None:
    page = f"{site.url}/crewexec/health/live"
    new_browser.open(page)
    new_browser.run(LEAVE_TRACES)
    new_browser.driver.switch_to.new_window("window")
    new_browser.open(page)
    new_browser.run("console.error('a trace')")
    new_browser.renew()
    assert len(new_browser.driver.window_handles) == 1
    assert new_browser.errors() == []
    new_browser.open(page)
    assert new_browser.run(TRACES) == ["", 0, 0, ""]
