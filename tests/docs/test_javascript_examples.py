"""The front ends that the documentation shows, in a real browser."""

from __future__ import annotations

import functools
import tempfile
import threading
import typing as t
from collections.abc import Iterator
from pathlib import Path

import pytest
from flask import Flask

from support.api_client import Api
from support.doc_examples import examples_of
from support.doc_examples import write_files
from support.graphs import documents
from support.in_process import run
from support.in_process import running
from support.input_requests import requests_of
from support.input_requests import reviewed
from support.npm import npm_packages
from support.npm import npx
from support.paths import ROOT
from support.servers.browser import Browser
from support.servers.gunicorn import Gunicorn
from support.servers.processes import wait_until
from support.servers.redis_process import RedisProcess

pytestmark = [pytest.mark.browser, pytest.mark.sqlite_enough]

PAGE = ROOT / "docs/howto/javascript.rst"
BUNDLE = ("--bundle", "--format=esm", "--external:/crewexec/client.js", "--outfile=static/main.js")
SNIPPETS = """
import {{ createClient }} from "/crewexec/client.js";

const crews = createClient({{ url: "/crewexec" }});
const graph_id = "{graph}";
const readToken = async () => "token";
const readCsrfToken = () => "token";

async function run() {{
{snippets}
}}
run().then(() => {{ document.title = "done"; }}, (error) => {{ document.title = error.stack; }});
"""
MAIN = """
import { StrictMode } from "react";
import { createRoot } from "react-dom/client";
import { Execution } from "./Execution";
import { storeGraph } from "./graphs";

Object.assign(window, { storeGraph });
const id = new URLSearchParams(location.search).get("id") ?? "";
createRoot(document.body).render(<StrictMode><Execution id={id} /></StrictMode>);
"""


@pytest.fixture
def browser(new_browser: Browser) -> Browser:
    """A browser that is signed in as a user of the host."""
    new_browser.send_headers({"X-User": "ada"})
    return new_browser


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """What a reader of the page has written."""
    write_files(PAGE, tmp_path)
    return tmp_path


@pytest.fixture
def server(app: Flask, environment: dict[str, str], folder: Path) -> Iterator[Gunicorn]:
    variables = {**environment, "PYTHONPATH": str(ROOT / "tests"), "PAGES": str(folder / "static")}
    options = ("--worker-class=gthread", "--threads=8")
    with Gunicorn(folder, variables, *options, app="support.host_app.front_end:app") as server:
        yield server


@pytest.fixture
def open_page(browser: Browser, server: Gunicorn) -> t.Callable[[str], None]:
    return lambda name: browser.open(f"{server.url}/pages/{name}")


def both_at_once() -> documents.Document:
    """Two tasks that run at the same time, and a third one that reads both."""
    nodes = [documents.agent("w"), *(documents.task(id) for id in "abc")]
    edges = ["w a", "w b", "w c", "a c", "b c", "streaming w"]
    graph = documents.crew([*nodes, documents.named("streaming", "llm")], edges)
    for step in "ab":
        documents.with_data(graph, step, **{"async": True})
    return graph


def queued(api: Api, graph: str) -> str:
    """Wait until a graph is queued, and return the id of the execution."""

    def ids() -> list[str]:
        found = api("GET", f"/executions?graph_id={graph}").json["executions"]
        return [each["id"] for each in found]

    wait_until(ids, what="an execution")
    return ids()[0]


def test_the_page_asks_a_crew(
    app: Flask, api: Api, model: t.Any, folder: Path, browser: Browser, open_page: t.Any
) -> None:
    task = documents.task("tell", "Tell about {topic}")
    graph = api.graph(documents.crew([documents.agent("w"), task], ["w tell"]))
    page = folder / "static/crews.html"
    page.write_text(page.read_text("utf-8").replace("GRAPH_ID", graph), "utf-8")
    model.on("Tell about tea", "All about tea.")
    open_page("crews.html")
    browser.find("input").send_keys("tea")
    browser.find("button").click()
    assert run(queued(api, graph)) == "completed"
    browser.wait_for("#status", "completed")
    browser.wait_for("#answer", "All about tea.")


def test_the_snippets_run_one_after_the_other(
    app: Flask, api: Api, model: t.Any, folder: Path, browser: Browser, open_page: t.Any
) -> None:
    asking = api.queue(reviewed())
    run(asking)
    task = documents.task("tell", "Tell about {topic}")
    graph = api.graph(documents.crew([documents.agent("w"), task], ["w tell"]))
    found = [each for each in examples_of(PAGE) if each.language == "javascript"]
    snippets = "\n".join(each.text for each in found if each.caption is None)
    script = SNIPPETS.format(graph=graph, snippets=snippets)
    (folder / "static/snippets.js").write_text(script, "utf-8")
    page = '<title>busy</title><script type="module" src="snippets.js"></script>'
    (folder / "static/snippets.html").write_text(page, "utf-8")
    open_page("snippets.html")
    id = queued(api, graph)
    wait_until(lambda: api.event_types(id).count("queued") == 2, what="the retry")
    assert run(id) == "completed"
    wait_until(lambda: browser.driver.title != "busy", what="the end of the snippets")
    assert browser.driver.title == "done"
    (request,) = requests_of(api, asking)
    assert (request["status"], request["decision"]) == ("answered", "approve")


@functools.cache
def bundled(types: str, document: str) -> str:
    """Build what a reader of the page builds, and return the script.

    :param types: the client's types.
    :param document: the OpenAPI document.
    """
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_files(PAGE, folder)
        (folder / "node_modules").symlink_to(npm_packages())
        (folder / "src/main.tsx").write_text(MAIN, "utf-8")
        (folder / "src/client.d.ts").write_text(types, "utf-8")
        (folder / "openapi.json").write_text(document, "utf-8")
        made = npx("openapi-typescript", "openapi.json", "-o", "src/api.d.ts", folder=folder)
        assert made.returncode == 0, made.stderr
        checked = npx("tsc", "--project", ".", folder=folder)
        assert checked.returncode == 0, checked.stdout
        made = npx("esbuild", "src/main.tsx", *BUNDLE, folder=folder)
        assert made.returncode == 0, made.stderr
        return (folder / "static/main.js").read_text("utf-8")


@pytest.fixture
def open_execution(
    client: t.Any, folder: Path, open_page: t.Callable[[str], None]
) -> t.Callable[[str], None]:
    """A function that opens the page with the React component, for one execution."""
    served = (client.get(f"/crewexec/{name}").text for name in ("client.d.ts", "openapi.json"))
    (folder / "static/main.js").write_text(bundled(*served), "utf-8")
    page = '<!doctype html><body></body><script type="module" src="main.js"></script>'
    (folder / "static/react.html").write_text(page, "utf-8")
    return lambda id: open_page(f"react.html?id={id}")


def test_the_react_component_follows_an_execution(
    api: Api,
    model: t.Any,
    browser: Browser,
    open_execution: t.Callable[[str], None],
    redis_process: RedisProcess,
) -> None:
    model.on("Do a", "Words that come", chunk_delay=0.06)
    id = api.queue(documents.chain("a", model="streaming"))
    open_execution(id)
    browser.wait_for("[role=status]", "waiting")
    redis_process.wait_for_subscriber(id)
    assert run(id) == "completed"
    browser.wait_for("[role=status]", "completed")
    assert browser.text("pre") == "Words that come"


def test_the_react_component_keeps_the_words_of_steps_at_the_same_time_apart(
    app: Flask,
    api: Api,
    model: t.Any,
    browser: Browser,
    open_execution: t.Callable[[str], None],
    redis_process: RedisProcess,
) -> None:
    gate = threading.Event()
    for step in "ab":
        model.on(f"Do {step}", f"{step} " * 9 + "end", chunk_delay=0.05, hold=gate, hold_after=9)
    id = api.queue(both_at_once())
    open_execution(id)
    redis_process.wait_for_subscriber(id)

    def written() -> list[list[str]]:
        """The words below each step."""
        code = "return [...document.querySelectorAll('figure pre')].map((e) => e.textContent)"
        return [text.split() for text in browser.run(code)]

    with running(app, id):
        wait_until(lambda: len(written()) == 2 and min(map(len, written())) > 3, what="the words")
        shown = sorted(set(words).pop() for words in written() if len(set(words)) == 1)
        gate.set()
    assert shown == ["a", "b"]


def test_the_typed_client_stores_a_graph(
    api: Api, browser: Browser, open_execution: t.Callable[[str], None]
) -> None:
    open_execution("none")
    browser.wait_for("[role=alert]", "UUID")
    code = "window.storeGraph(arguments[0]).then(arguments[1], (e) => arguments[1](e.message))"
    graph = documents.chain("a")
    stored = browser.driver.execute_async_script(code, graph)
    assert api("GET", f"/graphs/{stored}").json["document"]["name"] == graph["name"]
    refused = browser.driver.execute_async_script(code, {**graph, "nodes": []})
    assert refused != stored
    assert not api("GET", "/graphs").json["graphs"][1:]


def test_the_react_component_asks_the_user(
    api: Api, browser: Browser, open_execution: t.Callable[[str], None]
) -> None:
    id = api.queue(reviewed(review={"message": "May we publish this?"}))
    open_execution(id)
    browser.wait_for("[role=status]", "waiting")
    assert run(id) == "waiting_input"
    browser.wait_for("article h2", "May we publish this?")
    assert [button.text for button in browser.find_all("article button")] == ["approve", "reject"]
    browser.find("article button").click()
    wait_until(lambda: not browser.find_all("article"), what="the question to go")
    (request,) = requests_of(api, id)
    assert (request["status"], request["decision"]) == ("answered", "approve")
    assert run(id) == "completed"
    browser.wait_for("[role=status]", "completed")
