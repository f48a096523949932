"""The form with which people run a graph from its page."""

from __future__ import annotations

import html
import json
import re
import typing as t

import pytest
from flask import Flask
from flask_wtf import CSRFProtect

from flask_crewexec.testing import ScriptedModel
from support.api_client import Api
from support.dashboard_pages import dangers
from support.dashboard_pages import is_problem
from support.dashboard_pages import Pages
from support.dashboard_pages import section
from support.dashboard_pages import text_of
from support.graphs import documents
from support.in_process import run

pytestmark = [pytest.mark.usefixtures("registered"), pytest.mark.sqlite_enough]

HOSTILE = "<script>alert(1)</script>\"><img src=x onerror='alert(1)'>"
INPUTS: documents.Document = {
    "zone": {"type": "string", "description": "Where it grows"},
    "count": {"type": "integer", "minimum": 1, "maximum": 9, "default": 3},
    "style": {"type": "string", "enum": ["short", "long"], "default": "long"},
    "dry": {"type": "boolean", "required": False},
    "tags": {"type": "array", "required": False},
    "anything": {"required": False},
    "desk": {"type": "file", "required": False},
}


@pytest.fixture
def graph(api: Api) -> str:
    """A graph with an input of each kind."""
    nodes = [documents.agent("w"), documents.task("tell", "Tell of {zone} {count} {style}")]
    document = documents.crew(nodes, ["w tell"], inputs=INPUTS)
    # The client of Flask would sort the inputs.
    options = {"data": json.dumps(document), "content_type": "application/json"}
    return t.cast(str, api("POST", "/graphs", **options).json["id"])


def submit(pages: Pages, graph: str, form: dict[str, t.Any], **options: t.Any) -> t.Any:
    """Send the form of a graph."""
    return pages.post(f"/graphs/{graph}/run", **options, **form)


def executions(api: Api) -> list[t.Any]:
    return t.cast("list[t.Any]", api("GET", "/executions").json["executions"])


def queued(api: Api, answer: t.Any) -> t.Any:
    """The only execution, to which *answer* redirects."""
    assert answer.status_code == 303, text_of(answer.text)
    (execution,) = executions(api)
    assert answer.headers["Location"].endswith(f"/executions/{execution['id']}")
    return api.status(execution["id"])


def refused(api: Api, answer: t.Any, status: int = 422) -> str:
    """The page with the form and what is wrong with it."""
    assert answer.status_code == status, answer.text
    assert executions(api) == []
    return section(answer.text, "run")


def problem_of(form: str, name: str) -> str:
    """What is said at the field of a name."""
    field = re.search(rf'name="{re.escape(name)}" [^>]*aria-describedby="([^"]+)"', form)
    found = field and re.search(rf'id="{field[1]}"[^>]*>(.*?)</span>', form, re.DOTALL)
    return html.unescape(found[1]) if found else ""


class TestForm:
    def test_inputs_are_in_the_order_of_the_author(self, pages: Pages, graph: str) -> None:
        form = section(pages.read(f"/graphs/{graph}"), "run")
        names = re.findall(r'name="/inputs/([^"]+)"', form)
        assert names == [*INPUTS]
        assert "zone : Where it grows" in text_of(form)
        assert "Allowed is an integer from 1 to 9." in text_of(form)
        assert re.search(r'<textarea [^>]*name="/inputs/zone"[^>]* required>', form)
        assert re.search(r'<input [^>]*name="/inputs/count"[^>]* value="3">', form)
        assert '<option value="&#34;long&#34;" selected>long</option>' in form
        assert re.search(r'<details id="limits" class="broad">', form)

    def test_placeholders_that_are_not_declared_are_required_texts(
        self, api: Api, pages: Pages, model: ScriptedModel
    ) -> None:
        id = api.graph(documents.ONE_TASK)
        answer = submit(pages, id, {"/inputs/topic": "12"})
        assert queued(api, answer)["inputs"] == {"topic": "12"}

    def test_only_the_owner_runs_it_and_only_the_newest_version(
        self, api: Api, pages: Pages, admins: Pages, strangers: Pages
    ) -> None:
        id = api.graph(documents.chain("a"))
        api("PUT", f"/graphs/{id}", json=documents.chain("b"))
        assert 'id="run"' in pages.read(f"/graphs/{id}")
        assert 'id="run"' not in pages.read(f"/graphs/{id}", version=1)
        assert 'id="run"' not in admins.read(f"/graphs/{id}")
        is_problem(admins.post(f"/graphs/{id}/run"), 404, "not-found")
        is_problem(strangers.post(f"/graphs/{id}/run"), 404, "not-found")
        assert executions(api) == []

    def test_what_the_host_no_longer_offers_is_named(
        self, app: Flask, api: Api, pages: Pages
    ) -> None:
        id = api.graph(documents.chain("a", tools=("say",)))
        del app.extensions["crewexec"].registry.tools["say"]
        form = section(pages.read(f"/graphs/{id}"), "run")
        assert "It cannot be run now" in form
        assert "say" in text_of(form)
        assert 'id="start"' not in form
        refused(api, pages.post(f"/graphs/{id}/run"))


class TestRun:
    def test_what_was_entered_reaches_the_crew(
        self, api: Api, pages: Pages, graph: str, model: ScriptedModel
    ) -> None:
        entered = {"zone": "the\r\nhills", "count": "5", "style": '"short"', "dry": "true"}
        form = {f"/inputs/{name}": text for name, text in entered.items()}
        more = {"/inputs/tags": '["x"]', "/inputs/anything": "any 'text'"}
        execution = queued(api, submit(pages, graph, {**form, **more}, large=True))
        assert execution["inputs"] == {
            "zone": "the\nhills",
            "count": 5,
            "style": "short",
            "dry": True,
            "tags": ["x"],
            "anything": "any 'text'",
        }
        assert run(execution["id"]) == "completed"
        assert len(model.calls_matching("Tell of the\\nhills 5 short")) == 1

    def test_defaults_stand_for_what_is_left_out(self, api: Api, pages: Pages, graph: str) -> None:
        form = {"/inputs/zone": "x", "/inputs/count": "", "/inputs/style": "", "/inputs/dry": ""}
        execution = queued(api, submit(pages, graph, form))
        assert execution["inputs"] == {"zone": "x", "count": 3, "style": "long"}

    def test_limits_priority_and_thread_are_used(self, api: Api, pages: Pages, graph: str) -> None:
        limits = {"/timeout": "9.5", "/max_tokens": "700", "/priority": "7", "/thread_id": "mine"}
        form = {"/inputs/zone": "x", "/max_llm_calls": "", **limits}
        execution = queued(api, submit(pages, graph, form))
        assert execution["limits"]["timeout"] == 9.5
        assert execution["limits"]["max_tokens"] == 700
        assert (execution["priority"], execution["thread_id"]) == (7, "mine")

    def test_a_form_that_is_sent_twice_queues_one_execution(
        self, api: Api, pages: Pages, graph: str
    ) -> None:
        (key,) = re.findall(r'name="key" value="([^"]+)"', pages.read(f"/graphs/{graph}"))
        form = {"/inputs/zone": "x", "key": key}
        first, second = (submit(pages, graph, form) for _ in range(2))
        assert queued(api, first) == queued(api, second)
        other = submit(pages, graph, {**form, "/inputs/zone": "y"})
        assert other.status_code == 303
        assert len(executions(api)) == 2
        assert key not in pages.read(f"/graphs/{graph}")


class TestProblems:
    @pytest.mark.parametrize(
        ("field", "text", "detail"),
        [
            ("/inputs/zone", "", "The graph needs the input"),
            ("/inputs/count", "ten", "Write a number"),
            ("/inputs/count", "10", 'The input "count" must be'),
            ("/inputs/style", '"odd"', 'The input "style" must be'),
            ("/inputs/tags", "x", "This is not JSON"),
            ("/inputs/tags", "{}", 'The input "tags" must be'),
            ("/inputs/desk", "odd", 'The input "desk" must be'),
            ("/inputs/desk", "shelf:x", "There is no storage"),
            ("/timeout", "soon", "Write a number"),
            ("/timeout", "-1", "Must be greater than 0"),
            ("/max_tokens", "1.5", "Not a valid integer"),
            ("/priority", "11", "A priority is an integer"),
        ],
    )
    def test_are_shown_at_their_fields_and_what_was_entered_stays(
        self, api: Api, pages: Pages, graph: str, field: str, text: str, detail: str
    ) -> None:
        form = {"/inputs/zone": HOSTILE, "/inputs/anything": "kept", field: text}
        answer = submit(pages, graph, form)
        shown = refused(api, answer)
        assert detail in problem_of(shown, field)
        assert 'role="alert"' not in shown
        assert "\nkept</textarea>" in shown
        assert dangers(answer.text) == []
        assert ('id="limits" class="broad" open' in shown) is not field.startswith("/inputs")
        if field != "/inputs/style":  # which offers only what is allowed
            assert html.escape(text) in shown

    def test_a_graph_that_has_changed_is_not_run(self, api: Api, pages: Pages) -> None:
        id = api.graph(documents.chain("a"))
        api("PUT", f"/graphs/{id}", json=documents.chain("b"))
        shown = refused(api, pages.post(f"/graphs/{id}/run", version="1"), 409)
        assert "The graph has changed" in text_of(shown)
        assert 'name="version" value="2"' in shown

    @pytest.mark.settings(MAX_QUEUED_PER_USER=1)
    def test_a_quota_is_told_above_the_form(self, api: Api, pages: Pages, graph: str) -> None:
        api.queue(documents.chain("a"))
        answer = submit(pages, graph, {"/inputs/zone": "kept"})
        assert answer.status_code == 429
        shown = section(answer.text, "run")
        assert 'role="alert"' in shown
        assert "\nkept</textarea>" in shown

    def test_forms_may_be_as_long_as_bodies_of_the_api(
        self, api: Api, pages: Pages, graph: str
    ) -> None:
        long = "x" * 100_000
        answer = submit(pages, graph, {"/inputs/zone": long}, large=True)
        assert queued(api, answer)["inputs"]["zone"] == long
        too_long = {"/inputs/zone": "x" * 2_000_000}
        is_problem(
            submit(pages, graph, too_long, large=True),
            413,
            "request-entity-too-large",
        )


class TestForgery:
    def test_forms_of_other_sites_are_refused(self, api: Api, pages: Pages, graph: str) -> None:
        headers = {"Sec-Fetch-Site": "cross-site"}
        answer = submit(pages, graph, {"/inputs/zone": "x"}, headers=headers)
        is_problem(answer, 403, "forbidden")
        assert executions(api) == []

    def test_the_form_carries_the_token_of_the_host(
        self, app: Flask, api: Api, pages: Pages
    ) -> None:
        CSRFProtect(app).exempt(app.blueprints["crewexec.api"])
        graph = api.graph(documents.ONE_TASK)
        assert submit(pages, graph, {"/inputs/topic": "x"}).status_code == 400
        page = section(pages.read(f"/graphs/{graph}"), "run")
        (token,) = re.findall(r'name="csrf_token" value="([^"]+)"', page)
        form = {"/inputs/topic": "x", "csrf_token": token}
        assert submit(pages, graph, form).status_code == 303
