"""The dashboard's pages of webhooks and deliveries."""

from __future__ import annotations

import html
import re

import pytest

from flask_crewexec.dashboard import create_dashboard
from support.deliveries import deliver
from support.graphs import documents
from support.host_app import host
from support.in_process import run
from support.servers.webhook_receiver import reply
from support.servers.webhook_receiver import WebhookReceiver

pytestmark = [
    pytest.mark.sqlite_enough,
    pytest.mark.settings(WEBHOOKS=True, WEBHOOK_NETWORKS=["127.0.0.0/8"]),
]

HOSTILE = "<script>alert(1)</script>"
OURS = {"Sec-Fetch-Site": "same-origin"}


@pytest.fixture
def receiver():
    with WebhookReceiver() as receiver:
        yield receiver


@pytest.fixture
def visit(app, client):
    """Ask for a page, or send a form, as a user; return the text of the page."""
    app.register_blueprint(create_dashboard())

    def ask(path, form=None, *, user="ada", code=200, headers=OURS):
        options = {"headers": {"X-User": user, **headers}}
        url = f"/crewexec-dashboard{path}"
        answer = (
            client.get(url, **options) if form is None else client.post(url, data=form, **options)
        )
        assert answer.status_code == code, answer.text
        assert "script-src 'self'" in answer.headers["Content-Security-Policy"]
        return html.unescape(answer.text) if code != 303 else answer.headers["Location"]

    return ask


@pytest.fixture
def page(visit, receiver):
    """The address of the page of a webhook."""
    form = {"url": receiver.url, "events": ["execution.completed"], "description": HOSTILE}
    return visit("/webhooks", form, code=303).removeprefix("/crewexec-dashboard")


def complete(api, model):
    model.on("Do a", "ALPHA")
    id = api.queue(documents.chain("a"))
    assert run(id) == "completed"
    return id


def test_the_list_leads_to_each_of_them(visit, page, receiver, client):
    listed = visit("/webhooks")
    assert page in listed
    assert receiver.url in listed
    raw = client.get("/crewexec-dashboard/webhooks", headers={"X-User": "ada"}).text
    assert HOSTILE not in raw
    assert 'aria-current="page">Webhooks' in raw


def test_what_cannot_be_used_is_said(visit):
    form = {"url": "http://10.0.0.1/", "events": ["*"]}
    assert "https://" in visit("/webhooks", form, code=422)


def test_it_is_switched_off_and_on(visit, page, api):
    visit(f"{page}/switch", {"enabled": "no"}, code=303)
    assert "Switch on" in visit(page)
    visit(f"{page}/switch", {"enabled": "yes"}, code=303)
    assert "Switch off" in visit(page)


def test_the_secret_is_only_shown_when_asked_for(visit, page):
    assert "whsec_" not in visit(page)
    shown = secret_in(visit(f"{page}/secret", {}))
    new = secret_in(visit(f"{page}/rotate", {"secret_version": "1"}))
    assert new != shown
    visit(f"{page}/rotate", {"secret_version": "1"}, code=409)
    assert "whsec_" not in visit(page)


def secret_in(text):
    (secret,) = re.findall(r'id="secret">(whsec_[^<]+)<', text)
    return secret


def test_a_message_is_sent_to_try_it(visit, page, receiver):
    assert "was delivered" in visit(f"{page}/test", {})
    receiver.answer = reply(500)
    assert "was not delivered" in visit(f"{page}/test", {})
    assert [message.type for message in receiver.messages] == ["webhook.test"] * 2


def test_deliveries_are_shown_and_sent_again(visit, page, api, model, receiver):
    receiver.answer = reply(410)
    id = complete(api, model)
    deliver()
    shown = visit(page)
    assert "410" in shown
    assert "it wants no more messages" in shown
    assert f"/executions/{id}" in shown
    visit(f"{page}/switch", {"enabled": "yes"}, code=303)
    receiver.answer = reply(204)
    (event,) = re.findall(r'name="event_id" value="([^"]+)"', shown)
    visit(f"{page}/resend", {"event_id": event}, code=303)
    deliver()
    assert "delivered" in visit(f"{page}?status=delivered")
    assert "No delivery matches" in visit(f"{page}?status=failed")


def test_the_page_of_an_execution_shows_who_was_told(visit, page, app, api, model):
    app.extensions["crewexec_host"].on("execution.completed", name="host")(print)
    id = complete(api, model)
    deliver()
    assert page in visit(f"/executions/{id}")
    assert "handler:host" not in visit(f"/executions/{id}")
    assert "handler:host" in visit(f"/executions/{id}/live", user=host.ADMIN)


def test_it_is_deleted(visit, page):
    visit(f"{page}/delete", {}, code=303)
    visit(page, code=404)


def test_others_neither_see_nor_change_it(visit, page, receiver):
    visit(page, user="mallory", code=404)
    for action in ("switch", "secret", "rotate", "test", "delete", "resend"):
        visit(f"{page}/{action}", {}, user="mallory", code=404)
    assert receiver.url not in visit("/webhooks", user="mallory")
    seen = visit(page, user=host.ADMIN)
    assert receiver.url not in seen
    assert "Show the secret" not in seen
    visit(f"{page}/secret", {}, user=host.ADMIN, code=404)


def test_forms_of_other_sites_are_rejected(visit, page):
    other = {"Sec-Fetch-Site": "cross-site"}
    for action in ("switch", "secret", "rotate", "test", "delete", "resend"):
        visit(f"{page}/{action}", {}, headers=other, code=403)


@pytest.mark.settings(WEBHOOKS=False)
def test_nothing_leads_to_them_where_there_are_none(visit):
    assert "Webhooks" not in visit("/executions")
    visit("/webhooks", code=409)
