"""The dashboard in a real browser: the sample app's web server and worker, and a scripted model.

The pictures that it takes are kept in pytest's base folder, in ``pictures``.
"""

from __future__ import annotations

import os
import sys
import threading
import typing as t
from collections.abc import Callable
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from flask_crewexec.testing import ScriptedModel
from sample_app import create_app
from sample_app.extensions import db
from sample_app.seeding import seed
from support.graphs import documents
from support.paths import ROOT
from support.servers.browser import Browser
from support.servers.browser import CHROMIUM
from support.servers.browser import chromium
from support.servers.celery_nodes import WorkerProcess
from support.servers.debian_packages import ensure_installed
from support.servers.debian_packages import NotInstalled
from support.servers.processes import free_port
from support.servers.processes import ServerProcess
from support.servers.processes import wait_until
from support.servers.redis_process import RedisProcess
from support.servers.redis_servers import chosen_redis

pytestmark = pytest.mark.browser

HOSTILE = (
    "<script>document.title = 'taken'; window.taken = 1</script>"
    '<img src=x onerror="window.taken = 1">"><svg onload=\'window.taken = 1\'>'
)


FOCUSABLE = "[...document.querySelectorAll('a[href], summary, button, [tabindex=\"0\"]')]"


class WebProcess(ServerProcess):
    """The sample app behind Werkzeug's threaded server."""

    def __init__(self, folder: Path, environment: dict[str, str]) -> None:
        port = free_port()
        self.url = f"http://127.0.0.1:{port}"
        command = [sys.executable, "-m", "flask", "--app", "sample_app", "run", "--port", str(port)]
        super().__init__(command, log=folder / "web.log", cwd=ROOT, environment=environment)

    def is_ready(self) -> bool:
        try:
            return httpx.get(f"{self.url}/crewexec/health/live", trust_env=False).is_success
        except httpx.TransportError:
            return False


class Site(t.NamedTuple):
    """The sample app as it runs, and a user of it."""

    url: str
    token: str
    model: ScriptedModel

    def store(self, document: documents.Document) -> None:
        """Give the user a graph."""
        headers = {"Authorization": f"Bearer {self.token}"}
        url = f"{self.url}/crewexec/graphs"
        answer = httpx.post(url, json=document, headers=headers, trust_env=False, timeout=20)
        assert answer.status_code == 201, answer.text

    def open_streams(self) -> float:
        """Return how many streams of events the web server has open."""
        headers = {"Authorization": f"Bearer {self.token}"}
        url = f"{self.url}/crewexec/metrics"
        found = httpx.get(url, headers=headers, trust_env=False, timeout=20).text
        (line,) = (line for line in found.splitlines() if line.startswith("crewexec_open_streams "))
        return float(line.split()[1])


@pytest.fixture(scope="module")
def _installed() -> None:
    try:
        ensure_installed(CHROMIUM)
    except NotInstalled as reason:
        pytest.skip(f"no browser: {reason}")


@pytest.fixture(scope="module")
def site(_installed: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    folder = tmp_path_factory.mktemp("site")
    database = f"sqlite:///{folder / 'sample.sqlite'}"
    token = seed_user(database)
    redis = RedisProcess(tmp_path_factory.mktemp("site-redis"), chosen_redis())
    with redis, ScriptedModel() as model:
        environment = {
            **{name: value for name, value in os.environ.items() if "proxy" not in name.lower()},
            "CELERY_BROKER_URL": redis.url,
            "CELERY_RESULT_BACKEND": redis.url,
            "DATABASE_URL": database,
            "FLASK_SKIP_DOTENV": "1",
            "MODEL_NAME": "scripted",
            "OPENAI_API_KEY": model.key,
            "OPENAI_BASE_URL": model.base_url,
        }
        worker = WorkerProcess(folder, environment, pool="threads", concurrency=2)
        with WebProcess(folder, environment) as web, worker:
            yield Site(web.url, token, model)


def seed_user(database: str) -> str:
    app = create_app({"SQLALCHEMY_DATABASE_URI": database})
    with app.app_context():
        token = seed("ada", admin=True).token
        db.session.remove()
        db.engine.dispose()
    return token


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.getbasetemp() / "pictures"
    folder.mkdir(exist_ok=True)
    return folder


@pytest.fixture
def browser(_installed: None, pictures: Path, tmp_path: Path) -> Iterator[Browser]:
    with chromium(pictures, tmp_path / "profile") as browser:
        browser.look()
        yield browser
        refused = [line for line in browser.errors() if "Content Security Policy" in line]
        assert refused == []


@pytest.fixture
def signed_in(browser: Browser, site: Site) -> Browser:
    browser.open(f"{site.url}/sign-in")
    browser.find("input[name=token]").send_keys(site.token)
    browser.find("button").click()
    browser.wait_for("h1", "Crews")
    return browser


@pytest.fixture
def queue(signed_in: Browser, site: Site) -> Callable[..., None]:
    """Queue a graph from the sample app's page, which leads to the execution's."""

    def queue(name: str, **inputs: str) -> None:
        signed_in.open(f"{site.url}/crews")
        (form,) = (
            card.find_element("css selector", "form")
            for card in signed_in.find_all("section.card")
            if card.find_element("css selector", "h2").text == name
        )
        for input, text in inputs.items():
            form.find_element("name", input).send_keys(text)
        form.find_element("css selector", "button").click()
        signed_in.wait_for("h1", name)

    return queue


@pytest.fixture
def hold(site: Site) -> Iterator[Callable[[str], threading.Event]]:
    """Let the model wait with its answer to prompts, until the event that is returned is set."""
    events = []

    def hold(pattern: str, reply: str = "held back") -> threading.Event:
        events.append(threading.Event())
        site.model.on(pattern, reply, hold=events[-1])
        return events[-1]

    yield hold
    for event in events:
        event.set()


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
    def test_lists_and_queues(self, site: Site, signed_in: Browser, queue: t.Any) -> None:
        browser = signed_in
        browser.open(f"{site.url}/crews")
        browser.take_pictures("sample-crews")
        queue("Fact page", topic="lists")
        browser.wait_for("#summary .state", "completed")
        browser.find(".brand").click()
        browser.wait_for("#list", "Fact page")
        browser.take_pictures("executions")
        browser.open(f"{site.url}/crewexec-dashboard/queues")
        browser.wait_for("#workers", "alive")
        assert "worker@" in browser.text("#workers")
        assert browser.find_all("rect.column-completed")
        browser.take_pictures("queues")

    def test_nothing_is_wider_than_a_phone(
        self, site: Site, signed_in: Browser, queue: t.Any
    ) -> None:
        browser = signed_in
        queue("Fact page", topic="phones")
        browser.wait_for("#summary .state", "completed")
        browser.look(width=390)
        pages = [browser.driver.current_url]
        pages += [f"{site.url}/crewexec-dashboard/{page}" for page in ("executions", "queues")]
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
        assert browser.find("#result-text").text
