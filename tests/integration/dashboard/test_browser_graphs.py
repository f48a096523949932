"""The pages of graphs in a real browser."""

from __future__ import annotations

import itertools
import json
from pathlib import Path

import pytest

from support.graphs import documents
from support.servers.browser import Browser
from support.servers.sample_site import Site

pytestmark = pytest.mark.browser

VISIBLE = """
const isVisible = ({ top, bottom, left, right }) =>
  top >= 0 && bottom <= innerHeight && left >= 0 && right <= innerWidth;
return [...document.querySelectorAll(".node")]
  .map((node) => node.getBoundingClientRect()).filter(isVisible);
"""
FITS = "const e = document.getElementById('graph-scroll'); return e.scrollWidth <= e.clientWidth"


@pytest.fixture(scope="module")
def chain(site: Site) -> str:
    """The address of a graph with 45 tasks, each of which reads the one before."""
    places = range(45)
    nodes = [documents.agent("w"), *(documents.task(f"t{at}", f"Do {at}") for at in places)]
    reads = [f"t{before} t{after}" for before, after in itertools.pairwise(places)]
    edges = [*(f"w t{at}" for at in places), *reads]
    id = site.store(documents.crew(nodes, edges, name="Long chain"))
    return f"{site.url}/crewexec-dashboard/graphs/{id}"


def width(browser: Browser) -> int:
    return int(browser.run("return document.documentElement.scrollWidth"))


def test_forty_five_tasks_are_legible_on_one_screen(signed_in: Browser, chain: str) -> None:
    browser = signed_in
    browser.look(width=1440)
    browser.open(chain)
    browser.run("document.getElementById('graph').scrollIntoView()")
    boxes = browser.run(VISIBLE)
    assert len(boxes) == 45
    assert min(box["width"] for box in boxes) > 130
    assert browser.run(FITS)
    browser.take_picture("graph-45-desktop")


def test_the_full_size_opens_by_keyboard_and_without_javascript(
    signed_in: Browser, chain: str
) -> None:
    browser = signed_in
    browser.look(width=1000)
    browser.driver.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": True})
    browser.open(chain)
    svg, summary = browser.find(".graph"), browser.find("#graph-zoom summary")
    fitted = svg.size["width"]
    assert fitted < 1000
    summary.send_keys("\n")
    assert browser.find(".graph").size["width"] == float(svg.get_attribute("width") or 0)
    assert browser.find(".graph").size["width"] > fitted


def test_nothing_is_wider_than_a_phone(site: Site, signed_in: Browser, chain: str) -> None:
    browser = signed_in
    browser.look(width=390)
    list_ = chain.rpartition("/")[0]
    pages = (list_, f"{list_}?archived=yes", chain, f"{chain}/versions", f"{list_}/import")
    for page in pages:
        browser.open(page)
        browser.wait_for("h1")
        assert width(browser) <= 390, page
    browser.open(chain)
    browser.take_pictures("graph")


@pytest.mark.parametrize("scripts", [True, False], ids=["javascript", "no-javascript"])
def test_a_graph_is_uploaded_checked_stored_and_run(
    site: Site, signed_in: Browser, tmp_path: Path, scripts: bool
) -> None:
    browser = signed_in
    document = documents.crew(
        [documents.agent("w"), documents.task("tell", "Tell about {topic}")],
        ["w tell"],
        name="From a file",
        inputs={"topic": {"type": "string", "description": "What it is about"}},
    )
    path = tmp_path / "graph.json"
    path.write_text(json.dumps(document))
    off = {"value": not scripts}
    browser.driver.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", off)
    browser.open(f"{site.url}/crewexec-dashboard/graphs/import")
    browser.find("#files").send_keys(str(path))
    browser.find("#examine").click()
    browser.wait_for("#check", "It can be stored")
    if scripts:
        browser.take_pictures("graph-import")
    browser.find("#store").click()
    browser.wait_for("h1", "From a file")
    browser.find("#input-1").send_keys(f"uploads {scripts}")
    if scripts:
        browser.take_pictures("graph-run")
    browser.find("#start").click()
    browser.wait_for("#summary")
    site.model.wait_for_calls(1, matching=f"Tell about uploads {scripts}")
