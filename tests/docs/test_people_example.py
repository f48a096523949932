"""The handler of the documentation that sends links to those who are asked."""

from __future__ import annotations

import typing as t

import pytest
from flask import Flask
from flask.testing import FlaskClient

from flask_crewexec import AsyncExecutionService
from flask_crewexec.dashboard import create_dashboard
from support.api_client import Api
from support.deliveries import deliver
from support.doc_examples import examples_of
from support.graphs import documents
from support.in_process import run
from support.input_requests import ask
from support.input_requests import open_request
from support.input_requests import requests_of
from support.input_requests import reviewed
from support.paths import ROOT

pytestmark = pytest.mark.sqlite_enough


PAGE: t.Final = ROOT / "docs/howto/people.rst"


class User(t.NamedTuple):
    """A user in a table of the host."""

    id: str
    roles: tuple[str, ...]


class Mailbox:
    """Keeps what it is to send, once for each key."""

    def __init__(self) -> None:
        self.sent: dict[str, tuple[str, str]] = {}

    def send(self, *, to: str, text: str, key: str) -> None:
        self.sent[key] = to, text


@pytest.fixture
def mailbox(app: Flask) -> Mailbox:
    """Where the handler of the page sends mails."""
    app.register_blueprint(create_dashboard())
    (example,) = (each for each in examples_of(PAGE) if "def send_links" in each.text)
    mailbox, crewexec = Mailbox(), app.extensions["crewexec_host"]
    names: dict[str, t.Any] = {"app": app, "crewexec": crewexec, "mailbox": mailbox}
    exec(example.text, {**names, "find_users": find_users})  # noqa: S102  # ours
    return mailbox


def find_users(with_any_role: list[str]) -> list[User]:
    """Return the users who have a role; Ada is an editor, too."""
    users = {"editor": ["ada", "kim"], "sales": ["joe"]}
    return [User(id, (role,)) for role in with_any_role for id in users.get(role, ())]


@pytest.mark.parametrize(
    ("review", "people"),
    [
        ({}, ["ada"]),
        ({"assignees": {"users": ["eve", "bob"], "roles": ["sales"]}}, ["bob", "eve", "joe"]),
        ({"assignees": {"roles": ["editor"]}}, ["ada", "kim"]),
    ],
)
def test_each_person_gets_a_link_that_answers(
    api: Api, client: FlaskClient, mailbox: Mailbox, review: dict[str, t.Any], people: list[str]
) -> None:
    id = api.queue(reviewed(review=review))
    assert run(id) == "waiting_input"
    deliver()
    assert sorted(to for to, _ in mailbox.sent.values()) == people
    (_, text), *_ = mailbox.sent.values()
    address = text.removeprefix("You are asked: ")
    assert address.startswith("https://crews.example.com/crewexec-dashboard/links/")
    assert client.post(address, data={"decision": "approve"}).status_code == 200
    assert run(id) == "completed"


def test_four_eyes_leave_out_the_owner(api: Api, mailbox: Mailbox) -> None:
    review = {"assignees": {"users": ["ada"], "roles": ["editor"]}, "four_eyes": True}
    id = api.queue(reviewed(review=review))
    run(id)
    deliver()
    assert [to for to, _ in mailbox.sent.values()] == ["kim"]


@pytest.mark.parametrize("name", ["approve_everything", "approve_all"])
def test_loops_answer_only_what_their_user_may_answer(api: Api, name: str) -> None:
    """Ada owns what four eyes are needed for, and is asked it nevertheless."""
    id = api.queue(documents.chain("a"))
    refused = ask(id, users=("ada",), four_eyes=True)
    asked = ask(id, users=("ada",), round=2)
    names: dict[str, t.Any] = {"AsyncExecutionService": AsyncExecutionService}
    (example,) = (each for each in examples_of(PAGE) if f"def {name}(" in each.text)
    exec(example.text, names)  # noqa: S102  # ours
    names[name]("ada", id) if name == "approve_all" else names[name]("ada")
    status = {each["id"]: each["status"] for each in requests_of(api, id)}
    assert status == {asked: "answered", refused: "open"}


def test_nobody_gets_a_mail_that_comes_too_late(api: Api, mailbox: Mailbox) -> None:
    id = api.queue(reviewed())
    run(id)
    AsyncExecutionService().answer(open_request(api, id)["id"], "approve")
    deliver()
    assert mailbox.sent == {}
