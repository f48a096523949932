"""The dashboard's page of what was used."""

from __future__ import annotations

import datetime as dt

import pytest

from support.dashboard_pages import dangers
from support.dashboard_pages import is_problem
from support.dashboard_pages import section
from support.dashboard_pages import text_of
from support.graphs import documents
from support.in_process import change
from support.in_process import copy_of
from support.in_process import run

pytestmark = pytest.mark.sqlite_enough
HOSTILE = "<script>alert(1)</script>"


@pytest.fixture
def used(api, stranger, model):
    """Three executions of two users, of which one has failed."""
    model.on("Do x", status=400)
    for user, task, cost in ((api, "a", 2), (api, "x", 1), (stranger, "b", 5)):
        id = user.queue(documents.chain(task) | {"name": f"{HOSTILE} {task}"})
        run(id)
        change(id, cost_nanos=cost * 10**9)


def test_people_see_only_what_they_have_used(pages, used):
    page = pages.read("/usage")
    told = text_of(page)
    assert "3.00 USD cost" in told
    assert "2 executions 1 failed (50.0 %)" in told
    assert f"{HOSTILE} a 2.00 USD" in told
    assert f"{HOSTILE} b" not in told
    assert "By user" not in told
    assert dangers(page) == []


def test_managers_see_everybody_or_one_user(admins, used):
    told = text_of(admins.read("/usage", by="user"))
    assert "8.00 USD cost" in told
    assert told.index("mallory 5.00 USD") < told.index("ada 3.00 USD")
    told = text_of(admins.read("/usage", user_id="ada"))
    assert "Only ada ." in told
    assert "3.00 USD cost" in told


def test_models_are_added_up_from_the_call_log(pages, used):
    told = text_of(pages.read("/usage", by="model"))
    assert "gpt-4o-mini" in told
    assert "From the call log" in told


def test_days_have_columns(pages, api, used):
    assert "Cost per day" in section_of_days(pages.read("/usage"))
    page = section_of_days(pages.read("/usage", days=7))
    today = dt.datetime.now(dt.UTC).date()
    assert f"{today}: 2 executions, 1 failed" in page
    assert f"<title>{today}: 3.00</title>" in page
    assert page.count('<th scope="row">') == 7


def test_older_days_are_left_out(pages, api):
    week = dt.datetime.now(dt.UTC) - dt.timedelta(days=10)
    copy_of(api.queue(documents.chain("a")), week)
    assert "1 executions" in text_of(pages.read("/usage", days=7))
    assert "2 executions" in text_of(pages.read("/usage", days=30))


def test_nothing_was_used(pages):
    told = text_of(pages.read("/usage"))
    assert "Nothing was used in this period" in told
    assert "0.00 USD cost" in told


@pytest.mark.settings(MAX_TOKENS_PER_DAY=1_000_000)
def test_what_is_left_of_a_budget_is_said(pages):
    assert "1,000,000 of your tokens left today" in text_of(pages.read("/usage"))


@pytest.mark.parametrize("query", [{"days": 8}, {"by": "size"}, {"who": "ada"}])
def test_a_bad_address_is_refused(pages, query):
    is_problem(pages.get("/usage", **query), 422, "invalid-request")


def section_of_days(page):
    return section(page, "by-day")
