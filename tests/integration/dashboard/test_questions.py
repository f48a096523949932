"""What people want to know of a run, found by following the links of the pages."""

from __future__ import annotations

import re

import pytest

from flask_crewexec.testing import ScriptedModel
from support.api_client import Api
from support.dashboard_pages import Pages
from support.dashboard_pages import section
from support.dashboard_pages import text_of
from support.graphs import documents
from support.in_process import run

PRICES = {"gpt-4o-mini": {"input": 1_000.0, "output": 2_000.0}}
STEPS = ("collect", "write", "check")
REFUSED = 2
"""Position of the step whose prompt the model's provider refuses."""

pytestmark = [pytest.mark.usefixtures("registered"), pytest.mark.settings(PRICES=PRICES)]


@pytest.fixture
def failed(api: Api, model: ScriptedModel) -> str:
    """An execution of three agents. The second cost most, and the third got no answer."""
    agents = [documents.agent(role) for role in ("researcher", "writer", "checker")]
    tasks = [documents.task(step) for step in STEPS]
    edges = ["researcher collect", "writer write", "checker check", "collect write", "write check"]
    model.on("Do collect", "Found.", usage=(10, 10)).on("Do write", "Written.", usage=(500, 100))
    model.on("Do check", "Refused.", status=400, code="content_policy_violation")
    id = api.queue(documents.crew([*agents, *tasks], edges, name="Winter letter"))
    assert run(id) == "failed"
    return id


def follow(pages: Pages, page: str, text: str) -> str:
    """Open the first link with a text."""
    links = re.findall(r'<a [^>]*href="/crewexec-dashboard([^"]*)"[^>]*>(.*?)</a>', page, re.DOTALL)
    return pages.read(next(path for path, shown in links if text_of(shown) == text))


def lines_of_steps(page: str) -> list[str]:
    return [text_of(each) for each in re.findall(r"<li id=\"step-.*?</p>", page, re.DOTALL)]


def test_why_did_it_fail_and_what_is_to_be_done(pages: Pages, failed: str) -> None:
    page = follow(pages, pages.read("/executions"), "Winter letter")
    told = text_of(section(page, "summary"))
    assert "A content filter of the model's provider stopped the answer." in told
    assert "in check" in told
    assert "What to do: Change the task or its inputs, or use another model." in told


def test_which_step_cost_most(pages: Pages, failed: str) -> None:
    page = follow(pages, pages.read("/executions"), "Winter letter")
    told = lines_of_steps(page)
    assert ["the most of all steps" in line for line in told] == [False, True, False]
    assert "0.70 USD, the most of all steps" in told[1]
    assert "0.73 USD" in section(page, "summary")


def test_what_was_the_third_agent_told(pages: Pages, failed: str, model: ScriptedModel) -> None:
    page = follow(pages, pages.read("/executions"), "Winter letter")
    (call,) = model.calls_matching("Do check")
    told = text_of(follow(pages, page, f"call {REFUSED + 1}"))
    assert all(" ".join(each["content"].split()) in told for each in call.body["messages"])
