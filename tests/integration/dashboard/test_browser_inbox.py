"""What people are asked, in a real browser."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from selenium.webdriver.common.keys import Keys

from support.graphs import documents
from support.servers.browser import Browser
from support.servers.processes import wait_until
from support.servers.sample_site import Site

pytestmark = pytest.mark.browser

DRAFT = (
    "# Bees\n\n- They **dance**.\n- [Source](https://other.example/bees)\n\n"
    "![bee](https://other.example/bee.png)\n\n"
    '<img src=x onerror="window.taken = 1"><script>window.taken = 1</script>\n\n'
    "|a|b|\n|:-|-:|\n|1|" + "long" * 60 + "|\n\n`co\u200bde` a\u202eb"
)


@pytest.fixture
def asked(site: Site) -> Iterator[str]:
    """An open request; if nobody answers it, its execution is cancelled in the end."""
    site.model.on("Describe for review", DRAFT)
    nodes = [documents.agent("w"), documents.task("tell", "Describe for review")]
    graph = documents.crew(nodes, ["w tell"], name="Reviewed")
    documents.with_data(graph, "tell", review={"message": "May we print this?"})
    status = site.started(graph)
    assert status["status"] == "waiting_input", status
    (id,) = status["input_requests"]
    yield id
    if state_of(site, id)[0] == "open":
        site.ask("POST", f"/executions/{status['id']}/cancel")


@pytest.fixture
def inbox(site: Site) -> str:
    return f"{site.url}/crewexec-dashboard/input-requests"


def is_narrow(browser: Browser) -> bool:
    return bool(browser.run("return document.documentElement.scrollWidth") <= 390)


def link_to(site: Site, id: str) -> str:
    """Return the address of a signed link for the owner of the execution."""
    execution = site.ask("GET", f"/input-requests/{id}").json()["execution_id"]
    owner = site.ask("GET", f"/executions/{execution}").json()["user_id"]
    return site.url + site.command("link", id, "--for", owner)


def state_of(site: Site, id: str) -> tuple[str, str | None]:
    request = site.ask("GET", f"/input-requests/{id}").json()
    return request["status"], request["decision"]


def test_the_inbox_leads_to_the_request_and_to_its_decision(
    signed_in: Browser, site: Site, inbox: str, asked: str
) -> None:
    browser = signed_in
    browser.open(inbox)
    browser.wait_for("#inbox-count", "1")
    browser.take_pictures("inbox")
    browser.find(f"#to-{asked}").click()
    browser.wait_for("h1", "Review of tell")
    browser.take_pictures("request-text")
    browser.find(f"#asked-{asked}-as-markdown").click()
    browser.wait_for(".prose h1", "Bees")
    browser.take_pictures("request-markdown")
    assert browser.run("return window.taken") is None
    assert browser.find_all(".prose a, .prose img, .prose script") == []
    assert [each.text for each in browser.find_all(".prose mark")] == ["⟨U+200B⟩", "⟨U+202E⟩"]
    browser.find(f"#asked-{asked}-approve").click()
    browser.wait_for("#answer", "Approved by")
    browser.find("#to-execution").click()
    browser.wait_for("#decisions", "approved")
    browser.take_pictures("decisions")


def test_pages_fit_a_phone(signed_in: Browser, site: Site, inbox: str, asked: str) -> None:
    browser = signed_in
    browser.look(width=390)
    pages = [inbox, f"{inbox}/{asked}", f"{inbox}/{asked}?format=markdown"]
    pages.append(link_to(site, asked))
    for page in pages:
        browser.open(page)
        browser.wait_for("h1")
        assert is_narrow(browser), page
    browser.open(f"{inbox}/{asked}")
    browser.find(f"#asked-{asked}-edit summary").click()
    assert is_narrow(browser)


def test_keys_alone_decide(signed_in: Browser, site: Site, inbox: str, asked: str) -> None:
    browser = signed_in
    browser.open(f"{inbox}/{asked}")
    browser.run(f"document.getElementById('asked-{asked}-text').focus()")
    browser.press("Because", Keys.ENTER, "of this.")
    assert state_of(site, asked) == ("open", None)
    order = []
    while browser.focused() != f"asked-{asked}-reject":
        browser.press(Keys.TAB)
        order.append(browser.focused())
        assert len(order) < 9, order
    browser.press(Keys.ENTER)
    browser.wait_for("#answer", "Rejected by")
    assert browser.text(f"#asked-{asked}-answer") == "Because\nof this."


def test_the_inbox_follows_what_happens_elsewhere(
    signed_in: Browser, site: Site, inbox: str, asked: str
) -> None:
    browser = signed_in
    browser.open(inbox)
    browser.wait_for(f"#to-{asked}")
    site.ask("POST", f"/input-requests/{asked}/answer", json={"decision": "approve"})
    wait_until(lambda: not browser.find_all(f"#to-{asked}"), what="the list to change")
    assert browser.text("#inbox-count") == ""


def test_edits_are_not_discarded_without_a_question(
    signed_in: Browser, site: Site, inbox: str, asked: str
) -> None:
    browser = signed_in
    browser.open(f"{inbox}/{asked}")
    browser.find(f"#asked-{asked}-edit summary").click()
    browser.find(f"#asked-{asked}-edited").send_keys(" Edited.")
    browser.find(f"#asked-{asked}-approve").click()
    question = browser.driver.switch_to.alert
    assert "“Approve” does not use what you have written" in question.text
    question.dismiss()
    assert state_of(site, asked) == ("open", None)
    browser.find(f"#asked-{asked}-use").click()
    browser.wait_for("#answer", "Edited by")
    assert browser.text(f"#asked-{asked}-answer").endswith(" Edited.")


def test_it_works_without_javascript(
    signed_in: Browser, site: Site, inbox: str, asked: str
) -> None:
    browser = signed_in
    browser.driver.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": True})
    browser.open(f"{inbox}/{asked}")
    browser.find(f"#asked-{asked}-edit summary").click()
    browser.find(f"#asked-{asked}-edited").clear()
    browser.find(f"#asked-{asked}-edited").send_keys("Edited.")
    browser.find(f"#asked-{asked}-use").click()
    wait_until(lambda: state_of(site, asked) == ("answered", "edit"), what="the answer")


def test_a_link_answers_without_signing_in(browser: Browser, site: Site, asked: str) -> None:
    link = link_to(site, asked)
    browser.open(link)
    browser.wait_for("h1", "Review of tell")
    browser.take_pictures("link")
    assert state_of(site, asked) == ("open", None)
    browser.find(f"#asked-{asked}-approve").click()
    browser.wait_for("h1", "Thank you")
    assert state_of(site, asked) == ("answered", "approve")
    browser.open(link)
    browser.wait_for("h1", "Too late")
    browser.take_picture("link-over")
