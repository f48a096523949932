"""What moves on a page while an execution runs: words of models, and times."""

from __future__ import annotations

import typing as t

import pytest

from support.graphs import documents
from support.servers.browser import Browser
from support.servers.processes import wait_until
from support.servers.sample_site import Site

pytestmark = pytest.mark.browser


def seconds(browser: Browser) -> int:
    """The duration that the head of the page shows."""
    return int(browser.text("#summary [data-ticking]").split()[0].partition(".")[0])


def test_words_appear_as_the_model_writes_and_times_pass(
    site: Site, signed_in: Browser, hold: t.Any
) -> None:
    browser = signed_in
    gate = hold("Do b", "second")
    site.model.on("Do a", "Slow words that arrive one after the other " * 5, chunk_delay=0.3)
    body = {"graph_id": site.store(documents.chain("a", "b")), "inputs": {}}
    id = site.ask("POST", "/executions", json=body).json()["id"]
    browser.open(f"{site.url}/crewexec-dashboard/executions/{id}")
    browser.wait_for("#words-0", "that arrive one after")
    assert browser.find("#step-0 .state").text == "running"
    browser.wait_for("#step-1 .state", "running")
    assert not browser.find_all("#words-0")
    first = seconds(browser)
    wait_until(lambda: seconds(browser) > first, what="a later time")
    gate.set()
    browser.wait_for("#summary .state", "completed")
    assert "✓" in browser.driver.title
    assert not browser.find_all("[data-ticking]")
