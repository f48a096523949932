"""The result of an execution on its page."""

from __future__ import annotations

import json
import re

import pytest

from flask_crewexec.testing import ScriptedModel
from support.api_client import Api
from support.dashboard_pages import dangers
from support.dashboard_pages import is_problem
from support.dashboard_pages import Pages
from support.dashboard_pages import section
from support.dashboard_pages import text_of
from support.graphs import documents
from support.in_process import run

pytestmark = pytest.mark.usefixtures("registered")

SCHEMA = {"type": "object", "properties": {"places": {"type": "array"}, "sure": {}}}


def finished(api: Api, model: ScriptedModel, answer: str, **data: object) -> str:
    """An execution with this answer of its only task."""
    model.on("Do a", answer)
    id = api.queue(documents.with_data(documents.chain("a"), "a", **data))
    assert run(id) == "completed"
    return id


def test_markdown_is_rendered_and_runs_nothing(
    api: Api, pages: Pages, model: ScriptedModel
) -> None:
    answer = "# Rivers\n\n* **Rhine** <script>alert(1)</script>\n* ![x](http://evil/x.png)"
    page = pages.read(f"/executions/{finished(api, model, answer)}")
    result = section(page, "result")
    assert "<h1>Rivers</h1>" in result
    assert "<strong>Rhine</strong>" in result
    assert dangers(page) == []
    raw = re.search(r'<pre id="result-text".*?</pre>', result, re.DOTALL)
    assert raw
    assert "**Rhine** &lt;script&gt;" in raw[0]


def test_json_is_a_tree(api: Api, pages: Pages, model: ScriptedModel) -> None:
    answer = json.dumps({"places": [{"name": "<Bonn>"}, "Köln"], "sure": True})
    id = finished(api, model, answer, output_schema=SCHEMA)
    result = section(pages.read(f"/executions/{id}"), "result")
    told = text_of(result)
    assert "places 2" in told
    assert "name <Bonn>" in told
    assert "sure true" in told
    assert "<Bonn>" not in result


def test_the_whole_result_can_be_downloaded(api: Api, pages: Pages, model: ScriptedModel) -> None:
    answer = "<b>" + "word " * 10_000
    id = finished(api, model, answer)
    assert "the download has the whole text" in pages.read(f"/executions/{id}")
    file = pages.get(f"/executions/{id}/result")
    assert file.text == answer
    assert file.mimetype == "text/plain"
    assert file.headers["Content-Disposition"] == "attachment; filename=result.md"
    assert file.headers["X-Content-Type-Options"] == "nosniff"


def test_json_has_the_name_of_json(api: Api, pages: Pages, model: ScriptedModel) -> None:
    id = finished(api, model, '{"sure": true}', output_schema=SCHEMA)
    assert "result.json" in pages.get(f"/executions/{id}/result").headers["Content-Disposition"]


def test_there_is_none_before_the_end_and_none_for_strangers(
    api: Api, pages: Pages, strangers: Pages, model: ScriptedModel
) -> None:
    waiting = api.queue(documents.chain("a"))
    is_problem(pages.get(f"/executions/{waiting}/result"), 409, "wrong-state")
    id = finished(api, model, "secret")
    is_problem(strangers.get(f"/executions/{id}/result"), 404, "not-found")


def test_a_queued_execution_says_where_it_is(api: Api, pages: Pages) -> None:
    first, second = (api.queue(documents.chain("a")) for _ in range(2))
    assert "next in the queue" in section(pages.read(f"/executions/{first}"), "summary")
    told = text_of(section(pages.read(f"/executions/{second}"), "summary"))
    assert re.search(r"on hold until its user has a free place, number 2 in the queue", told), told
