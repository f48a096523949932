"""The pages of graphs in a real browser."""

from __future__ import annotations

import itertools
import json
import typing as t
from pathlib import Path

import pytest

from support.graphs import documents
from support.servers.browser import Browser
from support.servers.processes import wait_until
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


def test_the_drawing_zooms_with_buttons_keys_and_the_wheel(signed_in: Browser, chain: str) -> None:
    browser = signed_in
    browser.look(width=1440)
    browser.open(chain)
    fitted = width_of_graph(browser)
    browser.find("#zoom-in").click()
    larger = width_of_graph(browser)
    assert larger > fitted
    assert "%" in browser.text("#announcement")
    assert browser.run(FITS) is False
    assert width(browser) <= 1440
    box = browser.find("#graph-scroll")
    box.send_keys("+")
    assert width_of_graph(browser) > larger
    box.send_keys("0")
    assert width_of_graph(browser) == fitted
    browser.run(WHEEL, -100)
    assert width_of_graph(browser) == larger
    browser.run(WHEEL, 100)
    assert width_of_graph(browser) < larger


def width_of_graph(browser: Browser) -> float:
    script = "return document.querySelector('.graph').getBoundingClientRect().width"
    return float(browser.run(script))


WHEEL = """
const given = { deltaY: arguments[0], ctrlKey: true, bubbles: true, cancelable: true };
document.querySelector(".graph").dispatchEvent(new WheelEvent("wheel", given));
"""
IN_VIEW = """
const [outer, inner] = ["#graph-scroll", ".node-running"]
  .map((selector) => document.querySelector(selector)?.getBoundingClientRect());
return Boolean(inner) && inner.left >= outer.left && inner.right <= outer.right;
"""


def test_the_drawing_follows_the_task_that_runs_unless_the_reader_moves_it(
    site: Site, signed_in: Browser, hold: t.Any
) -> None:
    browser, names = signed_in, "abcde"
    gates = [hold(f"Do {name}1") for name in names]
    graph = site.store(documents.chain(*(f"{name}1" for name in names)))
    body = {"graph_id": graph, "inputs": {}}
    id = site.ask("POST", "/executions", json=body).json()["id"]
    browser.look(width=390)
    browser.open(f"{site.url}/crewexec-dashboard/executions/{id}")
    for position, gate in enumerate(gates[:3]):
        browser.wait_for(f"#node-{position}.node-running")
        wait_until(lambda: browser.run(IN_VIEW), what="the task that runs")
        scrolled = browser.run("return document.querySelector('#graph-scroll').scrollLeft")
        assert (scrolled > 0) == (position > 0)
        gate.set()
    browser.wait_for("#node-3.node-running")
    moved = "new PointerEvent('pointerdown', { bubbles: true })"
    browser.run(f"document.querySelector('.graph').dispatchEvent({moved})")
    browser.run("document.querySelector('#graph-scroll').scrollLeft = 0")
    gates[3].set()
    browser.wait_for("#node-4.node-running")
    assert browser.run("return document.querySelector('#graph-scroll').scrollLeft") == 0
    assert browser.run(IN_VIEW) is False


def test_a_task_and_its_line_of_the_timeline_mark_each_other(
    site: Site, signed_in: Browser
) -> None:
    browser = signed_in
    browser.open(f"{site.url}/crewexec-dashboard/executions/{site.insert_long_run()}")
    browser.wait_for("#timeline")
    lit = "return [...document.querySelectorAll('.lit')].map((e) => e.id || e.dataset.row)"
    browser.run("document.querySelector('#node-7').focus()")
    assert browser.run(lit) == ["node-7", "7"]
    browser.run("document.querySelector('#timeline-step-31').focus()")
    assert browser.run(lit) == ["node-31", "31"]


def test_manager_and_coworkers_stand_above_the_tasks(site: Site, signed_in: Browser) -> None:
    nodes = [
        documents.agent("boss", role="Editor in chief"),
        documents.agent("helper", role="Fact checker"),
        *(documents.task(name) for name in "abc"),
    ]
    long_name = {"name": "Collect the figures of the last quarter"}
    crew = documents.crew(nodes, ["boss helper manager", "a b", "a c"], process="hierarchical")
    documents.with_data(crew, "b", **long_name)
    signed_in.open(f"{site.url}/crewexec-dashboard/graphs/{site.store(crew)}")
    told = signed_in.run(
        "return [...document.querySelectorAll('.member')].map((e) => e.getAttribute('aria-label'))"
    )
    assert told == ["Manager: Editor in chief", "Coworker: Fact checker"]
    assert len(signed_in.find_all(".graph .link")) == 4
    signed_in.take_pictures("graph-managed")
