"""Pages of a host that show executions, as the documentation tells, in a real browser."""

from __future__ import annotations

import typing as t
from collections.abc import Iterator
from pathlib import Path

import pytest
from flask import Flask

from flask_crewexec import AsyncExecutionService
from support.api_client import Api
from support.doc_examples import examples_of
from support.doc_examples import write_files
from support.graphs import documents
from support.in_process import run
from support.input_requests import requests_of
from support.input_requests import reviewed
from support.npm import npm_packages
from support.npm import npx
from support.paths import ROOT
from support.servers.browser import Browser
from support.servers.gunicorn import Gunicorn
from support.servers.processes import wait_until

pytestmark = [pytest.mark.browser, pytest.mark.sqlite_enough]

PAGE = ROOT / "docs/howto/embed.rst"
CLIENT_PAGE = ROOT / "docs/howto/javascript.rst"
LAYOUT = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>Host</title>
{% block head %}<link rel="stylesheet" href="/files/theme.css">{% endblock %}
</head>
<body><header>Our company</header><main>{% block content %}{% endblock %}</main></body>
</html>
"""
WATCH = """
window.violations = [];
document.addEventListener("securitypolicyviolation", (event) => {
  window.violations.push(event.violatedDirective + " " + event.blockedURI);
});
"""
IN_TREE = "document.querySelector('crewexec-execution').shadowRoot"
AXE = """
const done = arguments[arguments.length - 1];
axe.run().then(({ violations }) => done(violations.map(({ id, nodes }) => id + nodes[0].html)));
"""


@pytest.fixture
def browser(new_browser: Browser) -> Iterator[Browser]:
    """A browser of a user of the host, for which no policy may be violated."""
    new_browser.send_headers({"X-User": "ada"})
    source = {"source": WATCH}
    new_browser.driver.execute_cdp_cmd("Page.addScriptToEvaluateOnNewDocument", source)
    yield new_browser
    assert new_browser.run("return window.violations ?? []") == []
    refused = [line for line in new_browser.errors() if "Content Security Policy" in line]
    assert refused == []


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """What a reader of the page has written."""
    write_files(PAGE, tmp_path)
    (tmp_path / "templates/layout.html").write_text(LAYOUT, "utf-8")
    return tmp_path


@pytest.fixture
def server(app: Flask, environment: dict[str, str], folder: Path) -> Iterator[Gunicorn]:
    variables = {**environment, "PYTHONPATH": str(ROOT / "tests"), "PAGES": str(folder)}
    options = ("--worker-class=gthread", "--threads=8")
    with Gunicorn(folder, variables, *options, app="support.host_app.own_pages:app") as server:
        yield server


def test_react_knows_the_element(folder: Path) -> None:
    config = next(each for each in examples_of(CLIENT_PAGE) if each.caption == "tsconfig.json")
    (folder / "tsconfig.json").write_text(config.text, "utf-8")
    (folder / "node_modules").symlink_to(npm_packages())
    source = (folder / "src/Run.tsx").read_text("utf-8")
    (folder / "src/Wrong.tsx").write_text(source.replace("execution-id={id}", ""), "utf-8")
    checked = npx("tsc", "--project", ".", folder=folder)
    problems = [line for line in checked.stdout.splitlines() if not line.startswith(" ")]
    assert [line.partition("(")[0] for line in problems] == ["src/Wrong.tsx"]
    assert "execution-id" in checked.stdout


class Tree:
    """What the element on a page shows."""

    def __init__(self, browser: Browser) -> None:
        self._browser = browser

    def run(self, code: str, *arguments: object) -> t.Any:
        """Run code with ``tree``, the element's shadow tree."""
        return self._browser.run(f"const tree = {IN_TREE}; {code}", *arguments)

    def text(self, selector: str) -> str:
        code = "return tree?.querySelector(arguments[0])?.textContent ?? ''"
        return " ".join(self.run(code, selector).split())

    def wait_for(self, selector: str, text: str) -> None:
        wait_until(lambda: text in self.text(selector), what=f"'{text}' in {selector}")


@pytest.fixture
def tree(browser: Browser) -> Tree:
    return Tree(browser)


def streaming(*tasks: str) -> documents.Document:
    return documents.chain(*tasks, model="streaming")


def test_a_template_shows_a_run_as_it_goes(
    app: Flask, api: Api, model: t.Any, server: Gunicorn, browser: Browser, tree: Tree
) -> None:
    model.on("Do a", "# A title\n\n* with <b>words</b>")
    id = api.queue(streaming("a"))
    browser.open(f"{server.url}/runs/{id}")
    assert tree.text("#summary .state") == "queued"
    assert "Our company" in browser.text("header")
    assert run(id) == "completed"
    tree.wait_for("#summary .state", "completed")
    tree.wait_for("#result h1", "A title")
    assert tree.run("return tree.querySelector('#result b')") is None
    assert browser.run("return document.querySelector('meta[name=viewport]') !== null")
    browser.take_pictures("embedded")


def test_without_javascript_it_shows_the_state_and_the_forms_work(
    app: Flask, api: Api, server: Gunicorn, browser: Browser
) -> None:
    id = api.queue(streaming("a"))
    off = {"value": True}
    browser.driver.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", off)
    browser.open(f"{server.url}/runs/{id}")
    inside = browser.find("crewexec-execution").shadow_root
    assert inside.find_element("css selector", "#summary .state").text == "queued"
    inside.find_element("css selector", "#cancel summary").click()
    inside.find_element("css selector", "#cancel button").click()
    browser.wait_for("#summary .state", "cancelled")
    assert browser.driver.current_url.endswith(f"/crewexec-dashboard/executions/{id}")


@pytest.fixture
def open_element(folder: Path, server: Gunicorn, browser: Browser) -> t.Callable[[str], None]:
    """Open the page that is no template, with the element for an execution."""

    def open_element(id: str) -> None:
        page = folder / "static/run.html"
        page.write_text(page.read_text("utf-8").replace("EXECUTION_ID", id), "utf-8")
        browser.open(f"{server.url}/files/run.html")

    return open_element


def test_an_element_loads_what_it_shows_and_tells_of_it(
    app: Flask, api: Api, model: t.Any, browser: Browser, tree: Tree, open_element: t.Any
) -> None:
    model.on("Do a", "Words that come", chunk_delay=0.06)
    id = api.queue(streaming("a"))
    open_element(id)
    tree.wait_for("#summary .state", "queued")
    (listening,) = (each.text for each in examples_of(PAGE) if each.language == "javascript")
    browser.run("window.told = []; console.log = (...values) => window.told.push(values);")
    browser.run(listening)
    assert run(id) == "completed"
    tree.wait_for("#result", "Words that come")
    wait_until(
        lambda: [id, "completed"] in browser.run("return window.told"),
        what="the event of the element",
    )


RECORD_WORDS = f"""
window.seen = "";
setInterval(() => {{
  const {{ textContent: text }} = {IN_TREE}.querySelector(".words pre") ?? {{ textContent: "" }};
  if (text.length > window.seen.length) window.seen = text;
}}, 20);
"""


def test_words_of_a_streaming_model_appear_as_it_writes(
    app: Flask, api: Api, model: t.Any, browser: Browser, tree: Tree, open_element: t.Any
) -> None:
    words = "Slow words that arrive one after the other " * 5
    model.on("Do a", words, chunk_delay=0.3)
    id = api.queue(streaming("a"))
    open_element(id)
    tree.wait_for("#summary .state", "queued")
    browser.run(RECORD_WORDS)
    assert run(id) == "completed"
    tree.wait_for("#summary .state", "completed")
    seen = browser.run("return window.seen")
    assert seen
    assert seen in words
    assert tree.text(".words") == ""


def test_a_run_is_cancelled_in_place(
    app: Flask, api: Api, browser: Browser, tree: Tree, open_element: t.Any
) -> None:
    id = api.queue(streaming("a"))
    open_element(id)
    tree.wait_for("#cancel summary", "Cancel")
    address = browser.driver.current_url
    tree.run(
        "tree.querySelector('#cancel').open = true; tree.querySelector('#reason').value = 'no'"
    )
    tree.run("tree.querySelector('#cancel button').click()")
    tree.wait_for("#summary .state", "cancelled")
    assert browser.driver.current_url == address
    assert AsyncExecutionService().get_task_status(id)["status"] == "cancelled"
    assert tree.run("return tree.activeElement.id") == "live"


def test_what_people_are_asked_is_answered_in_place(
    app: Flask, api: Api, browser: Browser, tree: Tree, open_element: t.Any
) -> None:
    id = api.queue(reviewed())
    run(id)
    open_element(id)
    tree.wait_for("[part=request]", "Approve")
    (request,) = requests_of(api, id)
    button = f"tree.getElementById('asked-{request['id']}-approve')"
    tree.run(f"{button}.click()")
    wait_until(lambda: requests_of(api, id)[0]["status"] == "answered", what="the answer")
    tree.wait_for("#summary .state", "queued")


def test_strangers_read_that_there_is_nothing(
    app: Flask, api: Api, server: Gunicorn, browser: Browser, tree: Tree, open_element: t.Any
) -> None:
    id = api.queue(streaming("a"))
    browser.send_headers({"X-User": "mallory"})
    browser.open(f"{server.url}/runs/{id}")
    assert "no execution" in browser.text(".crewexec-refused")
    open_element(id)
    tree.wait_for("[role=alert]", "no execution")


def test_the_look_is_that_of_the_page(
    app: Flask, api: Api, server: Gunicorn, browser: Browser, tree: Tree
) -> None:
    browser.open(f"{server.url}/runs/{api.queue(streaming('a'))}")
    style = "const style = getComputedStyle(tree.querySelector('#summary'));"
    accent = "return getComputedStyle(tree.querySelector('#more a')).color"
    assert tree.run(f"{style} return style.fontFamily").startswith("Georgia")
    assert tree.run(f"{style} return [style.borderRadius, style.borderWidth]") == ["0px", "2px"]
    browser.look()
    light = tree.run(accent), tree.run(f"{style} return style.backgroundColor")
    browser.look(dark=True)
    dark = tree.run(accent), tree.run(f"{style} return style.backgroundColor")
    assert light == ("rgb(138, 43, 94)", "rgb(255, 255, 255)")
    assert dark == ("rgb(240, 154, 196)", "rgb(26, 32, 41)")


def test_it_is_as_accessible_and_narrow_as_the_page(
    app: Flask, api: Api, model: t.Any, server: Gunicorn, browser: Browser
) -> None:
    model.on("Do a", "# A title\n\n* one")
    id = api.queue(streaming("a"))
    run(id)
    browser.open(f"{server.url}/runs/{id}")
    axe = (npm_packages() / "axe-core" / "axe.min.js").read_text(encoding="utf-8")
    assert browser.run("return window.violations") == []
    browser.run(axe)
    for width in (1440, 720, 390):
        for dark in (False, True):
            browser.look(width=width, dark=dark)
            assert browser.run("return document.documentElement.scrollWidth") <= width
            assert browser.driver.execute_async_script(AXE) == []
    browser.run("window.violations = []")  # axe has styles of its own
    browser.errors()
