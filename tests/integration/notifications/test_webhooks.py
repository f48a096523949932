"""What servers of webhooks are sent, how it is signed, and what their answers change."""

from __future__ import annotations

import dataclasses
import datetime as dt
import json
import socket
import ssl
import uuid
from email.utils import format_datetime

import pytest
import sqlalchemy as sa
import trustme

from flask_crewexec import AsyncExecutionService
from flask_crewexec import clock
from flask_crewexec.app_state import current_app_state
from flask_crewexec.notifications import dispatcher
from flask_crewexec.notifications import webhook_request
from flask_crewexec.notifications.notification import Notification
from flask_crewexec.notifications.signing import secret_of
from flask_crewexec.notifications.webhook_sender import send_webhook
from flask_crewexec.storage.delivery_claims import claim as claim_delivery
from flask_crewexec.storage.webhook_state import MAX_FAILURES
from flask_crewexec.tasks import notifications
from support.deliveries import deliver
from support.deliveries import deliveries
from support.graphs import documents
from support.host_app import host
from support.in_process import run
from support.input_requests import open_request
from support.input_requests import reviewed
from support.servers.processes import wait_until
from support.servers.webhook_receiver import drip
from support.servers.webhook_receiver import flood
from support.servers.webhook_receiver import hang
from support.servers.webhook_receiver import reply
from support.servers.webhook_receiver import WebhookReceiver

INSIDE = ["127.0.0.0/8"]

service = AsyncExecutionService()

pytestmark = pytest.mark.settings(WEBHOOKS=True, WEBHOOK_NETWORKS=INSIDE)


@pytest.fixture
def receiver():
    with WebhookReceiver() as receiver:
        yield receiver


@pytest.fixture
def hook(app, receiver):
    """A webhook of ada that is told of the end of executions."""
    return add_webhook(receiver.url)


def add_webhook(url, events=" execution.completed ", **values):
    given = {"owner_id": "ada", "url": url, "events": events, **values}
    webhook = current_app_state().models.webhook(**given)
    with current_app_state().database.write_transaction() as session:
        session.add(webhook)
    return webhook.id


def read(id):
    with current_app_state().database.read_session() as session:
        return session.get(current_app_state().models.webhook, id)


def change(id, **values):
    webhook = current_app_state().models.webhook
    with current_app_state().database.write_transaction() as session:
        session.execute(sa.update(webhook).where(webhook.id == id).values(values))


def complete(api, model):
    model.on("Do a", "ALPHA")
    id = api.queue(documents.chain("a"))
    assert run(id) == "completed"
    return id


def until_next_try():
    """For how long the only delivery waits."""
    (row,) = deliveries()
    return max(clock.as_utc(row.due_at) - clock.now(), dt.timedelta())


def let_time_pass(span):
    """Move what is due as if the database's clock had been set."""
    delivery = current_app_state().models.delivery
    (row,) = deliveries()
    with current_app_state().database.write_transaction() as session:
        due_at = clock.as_utc(row.due_at) - span - dt.timedelta(seconds=1)
        session.execute(sa.update(delivery).values(due_at=due_at))


def outcome():
    """State and answer of the only delivery."""
    (row,) = deliveries()
    return row.status, row.tries, {k: v for k, v in row.answer.items() if k in ("code", "status")}


class TestMessages:
    def test_body_and_headers(self, api, model, hook, receiver):
        id = complete(api, model)
        assert deliver() == 1
        (message,) = receiver.messages
        (event,) = [
            each
            for each in api("GET", f"/executions/{id}/events").json["events"]
            if each["type"] == "completed"
        ]
        assert message.verify(secret_of(hook, 1)) == {
            "type": "execution.completed",
            "timestamp": event["created_at"],
            "data": {
                "id": id,
                "status": "completed",
                "links": {
                    "self": f"/crewexec/executions/{id}",
                    "events": f"/crewexec/executions/{id}/events",
                },
            },
        }
        assert message.headers["webhook-id"] == f"{id}.{event['seq']}"
        assert message.headers["Content-Type"] == "application/json"
        assert message.headers["User-Agent"].startswith("Flask-CrewExec/")
        assert outcome() == ("delivered", 1, {"status": 204})

    def test_steps_are_named(self, api, model, receiver):
        add_webhook(receiver.url, " step.* ")
        complete(api, model)
        deliver()
        assert json.loads(receiver.messages[0].body)["data"]["step"] == "a"

    def test_input_requests_are_named_and_only_to_the_owner(self, api, model, receiver):
        add_webhook(receiver.url, " input.* ")
        model.on("Do a", "a private draft")
        id = api.queue(reviewed(review={"assignees": {"users": ["mallory"]}}))
        with WebhookReceiver() as of_mallory:
            add_webhook(of_mallory.url, " input.* execution.* ", owner_id="mallory")
            assert run(id) == "waiting_input"
            request = open_request(api, id)["id"]
            service.answer(request, "approve", by="mallory")
            deliver()
            assert of_mallory.messages == []
        told = [json.loads(each.body) for each in receiver.messages]
        assert [each["type"] for each in told] == ["input.requested", "input.answered"]
        assert {each["data"]["request"] for each in told} == {request}
        assert "private" not in str(told)

    def test_links_are_absolute_where_the_host_says_its_name(self, app, api, model, hook, receiver):
        id = complete(api, model)
        app.config.update(SERVER_NAME="crews.example", PREFERRED_URL_SCHEME="https")
        deliver()
        links = json.loads(receiver.messages[0].body)["data"]["links"]
        assert links["self"] == f"https://crews.example/crewexec/executions/{id}"

    def test_a_full_body_is_the_status(self, api, model, receiver):
        add_webhook(receiver.url, body="full")
        id = complete(api, model)
        deliver()
        sent = json.loads(receiver.messages[0].body)["data"]["execution"]
        status = api.status(id)
        assert sent.pop("progress").keys() == status.pop("progress").keys()
        assert sent == status

    def test_id_and_body_are_the_same_each_time(self, api, model, hook, receiver):
        complete(api, model)
        receiver.answer = reply(500)
        deliver()
        receiver.answer = reply(200)
        deliver()
        first, second = receiver.messages
        assert first.body == second.body
        assert first.headers["webhook-id"] == second.headers["webhook-id"]
        assert outcome() == ("delivered", 2, {"status": 200})


class TestSignatures:
    def test_both_secrets_are_valid_for_a_day(self, api, model, hook, receiver):
        old, new = secret_of(hook, 1), secret_of(hook, 2)
        change(hook, secret_version=2, rotated_at=clock.now() - dt.timedelta(hours=23))
        complete(api, model)
        deliver()
        assert [receiver.messages[0].is_signed_with(each) for each in (old, new)] == [True, True]

    def test_only_the_new_one_after_it(self, api, model, hook, receiver):
        old, new = secret_of(hook, 1), secret_of(hook, 2)
        change(hook, secret_version=2, rotated_at=clock.now() - dt.timedelta(hours=25))
        complete(api, model)
        deliver()
        assert [receiver.messages[0].is_signed_with(each) for each in (old, new)] == [False, True]

    def test_secrets_of_former_keys_stay_valid(self, app, api, model, hook, receiver):
        old = secret_of(hook, 1)
        app.config["SECRET_KEY_FALLBACKS"] = [app.config["SECRET_KEY"]]
        app.config["SECRET_KEY"] = "another key"
        new = secret_of(hook, 1)
        complete(api, model)
        deliver()
        assert old != new
        assert [receiver.messages[0].is_signed_with(each) for each in (old, new)] == [True, True]

    def test_no_two_webhooks_share_a_secret(self, api, model, hook, receiver):
        other = add_webhook(receiver.url + "/other")
        complete(api, model)
        assert deliver() == 2
        signed = [message.is_signed_with(secret_of(other, 1)) for message in receiver.messages]
        assert sorted(signed) == [False, True]


class TestAnswers:
    @pytest.mark.parametrize("status", [400, 404, 500])
    def test_of_a_server_that_refuses(self, api, model, hook, receiver, status):
        receiver.answer = reply(status)
        complete(api, model)
        deliver()
        assert outcome() == ("waiting", 1, {"code": "refused", "status": status})

    def test_of_a_server_that_fails_for_a_day(self, api, model, hook, receiver):
        receiver.answer = reply(500)
        complete(api, model)
        while (waited := until_next_try()) < dt.timedelta(days=1):
            let_time_pass(waited)
            assert notifications.handle({}) == {"tried": 1}
        receiver.answer = reply(204)
        let_time_pass(waited)
        assert notifications.handle({}) == {"tried": 1}
        assert len({message.headers["webhook-id"] for message in receiver.messages}) == 1
        assert (outcome()[0], read(hook).failures) == ("delivered", 0)

    def test_a_redirect_is_not_followed(self, api, model, hook, receiver):
        receiver.answer = reply(307, Location=receiver.url)
        complete(api, model)
        deliver()
        assert len(receiver.messages) == 1
        assert outcome() == ("waiting", 1, {"code": "redirect", "status": 307})

    def test_410_switches_the_webhook_off(self, api, model, hook, receiver):
        receiver.answer = reply(410)
        complete(api, model)
        deliver()
        assert outcome() == ("failed", 1, {"code": "gone", "status": 410})
        assert not read(hook).enabled
        assert "410" in read(hook).disabled_reason

    def test_it_may_be_asked_to_wait(self, api, model, hook, receiver):
        complete(api, model)
        for asked in ("50000", format_datetime(clock.now() + dt.timedelta(seconds=50_000))):
            receiver.answer = reply(429, Retry_After=asked)
            deliver()
            (row,) = deliveries()
            wait = (clock.as_utc(row.due_at) - clock.now()).total_seconds()
            assert 49_000 < wait < 51_000

    @pytest.mark.parametrize("asked", ["never", "-5", "nan", "inf"])
    def test_what_it_asks_may_make_no_sense(self, api, model, hook, receiver, asked):
        receiver.answer = reply(503, Retry_After=asked)
        complete(api, model)
        deliver()
        assert outcome() == ("waiting", 1, {"code": "refused", "status": 503})

    @pytest.mark.settings(NOTIFICATION_TIMEOUT=0.3)
    @pytest.mark.parametrize("answer", [hang, drip])
    def test_one_that_is_slow_is_cut(self, api, model, hook, receiver, answer):
        receiver.answer = answer
        complete(api, model)
        deliver()
        assert outcome() == ("waiting", 1, {"code": "timeout"})

    def test_bodies_are_not_read(self, api, model, hook, receiver):
        receiver.answer = flood
        complete(api, model)
        deliver()
        assert outcome() == ("delivered", 1, {"status": 200})

    def test_one_that_is_away(self, api, model, app):
        with socket.socket() as taken:  # so that nobody else listens at its port
            taken.bind(("127.0.0.1", 0))
            add_webhook(f"http://127.0.0.1:{taken.getsockname()[1]}/hook")
            complete(api, model)
            deliver()
        assert outcome() == ("waiting", 1, {"code": "unreachable"})


class TestSlowServers:
    """They occupy only some of the threads of a process."""

    WAITING = 12

    def queue_many(self, api, model):
        model.on("Do a", "ALPHA")
        ids = [api.queue(documents.chain("a")) for _ in range(self.WAITING)]
        assert {run(id) for id in ids} == {"completed"}
        return ids

    @pytest.mark.settings(NOTIFICATION_TIMEOUT=2.0)
    def test_of_one_user_let_others_be_told(self, app, api, stranger, model, hook, receiver):
        receiver.answer = hang
        with WebhookReceiver() as other:
            add_webhook(other.url, owner_id=stranger.user)
            self.queue_many(api, model)
            complete(stranger, model)
            dispatcher.wake()
            wait_until(lambda: other.messages, what="the message to the other user")
            # All threads were occupied once; then half of them.
            assert len(receiver.messages) <= 4 + 2

    def test_only_webhooks_of_these_users_wait(self, api, model, hook, claims):
        first, *others = self.queue_many(api, model)
        delivery = current_app_state().models.delivery
        of_handler = sa.update(delivery).where(delivery.execution_id == uuid.UUID(first))
        with current_app_state().database.write_transaction() as session:
            session.execute(of_handler.values(receiver="handler:told"))
        assert [claim.key.receiver for claim in claims(must_wait=["ada"])] == ["handler:told"]
        assert len(claims(must_wait=["mallory"])) == len(others)

    @pytest.fixture
    def claims(self, app):
        """A function that claims everything, and returns the claims."""

        def claims(**options):
            return list(iter(lambda: claim_delivery(current_app_state(), 60.0, **options), None))

        return claims


@pytest.mark.sqlite_enough
class TestTls:
    @pytest.fixture
    def authority(self):
        return trustme.CA()

    @pytest.fixture
    def secure(self, authority):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        authority.issue_cert("127.0.0.1").configure_cert(context)
        with WebhookReceiver(context) as receiver:
            yield receiver

    def test_certificates_are_verified(self, api, model, app, secure):
        add_webhook(secure.url)
        complete(api, model)
        deliver()
        assert outcome() == ("waiting", 1, {"code": "unreachable"})
        assert secure.messages == []

    def test_of_a_server_that_is_trusted(self, api, model, app, secure, authority, monkeypatch):
        with authority.cert_pem.tempfile() as path:
            monkeypatch.setattr(
                webhook_request, "_trusted", lambda: ssl.create_default_context(cafile=path)
            )
            hook = add_webhook(secure.url)
            complete(api, model)
            deliver()
        assert outcome() == ("delivered", 1, {"status": 204})
        assert secure.messages[0].is_signed_with(secret_of(hook, 1))


@pytest.mark.sqlite_enough
def test_workers_send_them(api, model, hook, receiver, start_worker):
    start_worker()
    model.on("Do a", "ALPHA")
    id = api.queue(documents.chain("a"))
    wait_until(lambda: receiver.messages)
    assert receiver.messages[0].verify(secret_of(hook, 1))["data"]["id"] == id


class TestFailures:
    def test_they_are_counted_until_one_succeeds(self, api, model, hook, receiver):
        complete(api, model)
        receiver.answer = reply(500)
        for _ in range(3):
            deliver()
        assert read(hook).failures == 3
        receiver.answer = reply(200)
        deliver()
        assert read(hook).failures == 0

    def test_many_in_a_row_switch_the_webhook_off(self, api, model, hook, receiver, caplog):
        receiver.answer = reply(500)
        change(hook, failures=MAX_FAILURES - 2)
        complete(api, model)
        deliver()
        assert read(hook).enabled
        deliver()
        assert not read(hook).enabled
        assert str(MAX_FAILURES) in read(hook).disabled_reason
        assert "switched off" in caplog.text
        deliver()
        assert outcome() == ("failed", 3, {"code": "webhook-off"})
        assert len(receiver.messages) == 2

    @pytest.mark.sqlite_enough
    def test_a_worker_without_webhooks_leaves_it_to_others(self, app, api, model, hook):
        complete(api, model)
        app_state = current_app_state()
        settings = dataclasses.replace(app_state.settings, webhooks=False)
        app.extensions["crewexec"] = dataclasses.replace(app_state, settings=settings)
        deliver()
        assert outcome() == ("waiting", 1, {"code": "webhooks-off"})

    @pytest.mark.sqlite_enough
    def test_the_execution_may_have_been_removed(self, api, model, receiver):
        add_webhook(receiver.url, body="full")
        complete(api, model)
        claim = claim_delivery(current_app_state(), 60.0)
        assert claim is not None
        key = claim.key._replace(execution_id=uuid.uuid4())
        claim = dataclasses.replace(claim, key=key)
        result = send_webhook(current_app_state(), claim, Notification.of(claim))
        assert (result.answer["code"], result.is_final) == ("execution-removed", True)

    def test_what_waits_for_one_that_is_removed_is_given_up(self, api, model, hook, receiver):
        complete(api, model)
        webhook = current_app_state().models.webhook
        with current_app_state().database.write_transaction() as session:
            session.execute(sa.delete(webhook))
        deliver()
        assert outcome() == ("failed", 1, {"code": "webhook-removed"})
        assert receiver.messages == []


class TestAddresses:
    @pytest.mark.settings(WEBHOOK_NETWORKS=[])
    @pytest.mark.parametrize(
        "url",
        [
            "https://127.0.0.1/",
            "https://169.254.169.254/latest/meta-data/",
            "https://[::1]/",
            "https://localhost/",
            "http://127.0.0.1/",
            "http://example.com/",
        ],
    )
    def test_those_inside_and_those_without_tls_are_refused(self, api, model, app, url):
        add_webhook(url)
        complete(api, model)
        deliver()
        assert outcome() == ("waiting", 1, {"code": "address-refused"})

    def test_only_the_networks_that_are_allowed_are_reached_without_tls(self, api, model, app):
        add_webhook("http://169.254.169.254/")
        complete(api, model)
        deliver()
        assert outcome() == ("waiting", 1, {"code": "address-refused"})


def test_no_secret_is_stored_or_logged(api, model, app, hook, receiver, caplog):
    receiver.answer = reply(500)
    complete(api, model)
    deliver()
    secret = secret_of(hook, 1)
    engine = app.extensions["sqlalchemy"].engine
    with engine.connect() as connection:
        tables = host.Base.metadata.sorted_tables
        stored = [repr(connection.execute(sa.select(table)).all()) for table in tables]
    for text in (*stored, caplog.text):
        assert secret not in text
        assert secret.removeprefix("whsec_") not in text
