"""Webhooks of users, those that come with submissions, and how their deliveries went."""

from __future__ import annotations

import datetime as dt
import threading
import uuid

import httpx
import pytest
import sqlalchemy as sa

from flask_crewexec import AsyncExecutionService
from flask_crewexec import clock
from flask_crewexec.app_state import current_app_state
from flask_crewexec.errors import InvalidRequest
from flask_crewexec.errors import WebhooksOff
from support.api_client import problem
from support.deliveries import deliver
from support.deliveries import deliveries
from support.graphs import documents
from support.in_process import run
from support.servers.webhook_receiver import reply
from support.servers.webhook_receiver import WebhookReceiver

pytestmark = pytest.mark.settings(WEBHOOKS=True, WEBHOOK_NETWORKS=["127.0.0.0/8"])

PUBLIC = "https://8.8.8.8/hook"
"""An address that needs no name server, to which nothing is sent."""


@pytest.fixture
def receiver():
    with WebhookReceiver() as receiver:
        yield receiver


def add(api, url=PUBLIC, **values):
    answer = api("POST", "/webhooks", json={"url": url, **values})
    assert answer.status_code == 201, answer.json
    assert answer.headers["Location"] == f"/crewexec/webhooks/{answer.json['id']}"
    return answer.json["id"]


def complete(api, model, **order):
    model.on("Do a", "ALPHA")
    id = api.queue(documents.chain("a"), **order)
    assert run(id) == "completed"
    return id


def secret(api, id):
    return api("GET", f"/webhooks/{id}/secret").json["secret"]


def log(api, id, **query):
    return api("GET", f"/webhooks/{id}/deliveries", query_string=query).json


class TestWebhooks:
    def test_add_change_and_delete(self, api):
        id = add(api, events=["step.*", "execution.failed", "step.*"], description="for the shop")
        webhook = api("GET", f"/webhooks/{id}").json
        assert webhook == {
            "id": id,
            "user_id": "ada",
            "url": PUBLIC,
            "host": "8.8.8.8",
            "events": ["step.*", "execution.failed"],
            "body": "thin",
            "description": "for the shop",
            "enabled": True,
            "disabled_reason": None,
            "failures": 0,
            "secret_version": 1,
            "rotated_at": None,
            "created_at": webhook["created_at"],
            "updated_at": webhook["updated_at"],
        }
        changed = api("PATCH", f"/webhooks/{id}", json={"enabled": False, "body": "full"}).json
        assert (changed["enabled"], changed["body"], changed["url"]) == (False, "full", PUBLIC)
        assert api("DELETE", f"/webhooks/{id}").status_code == 204
        problem(api("GET", f"/webhooks/{id}"), 404, "not-found")
        problem(api("DELETE", f"/webhooks/{id}"), 404, "not-found")

    def test_it_is_told_how_executions_end_unless_it_chooses(self, api):
        events = api("GET", f"/webhooks/{add(api)}").json["events"]
        assert events == [
            f"execution.{end}" for end in ("completed", "failed", "cancelled", "timed_out")
        ]

    def test_pages(self, api):
        ids = [add(api, f"{PUBLIC}/{number}") for number in range(3)]
        first = api("GET", "/webhooks?limit=2").json
        assert [each["id"] for each in first["webhooks"]] == ids[:0:-1]
        second = api("GET", f"/webhooks?limit=2&before={first['next']}").json
        assert ([each["id"] for each in second["webhooks"]], second["next"]) == (ids[:1], None)

    @pytest.mark.parametrize(
        "values",
        [
            {"url": "ftp://8.8.8.8/"},
            {"url": "http://8.8.8.8/"},
            {"url": "https://user:password@8.8.8.8/"},
            {"url": f"{PUBLIC}#part"},
            {"url": "https:///path"},
            {"url": "https://"},
            {"url": "no URL"},
            {"url": "https://8.8.8.8:port/"},
            {"url": PUBLIC + "x" * 2_000},
            {"url": 7},
            {"url": PUBLIC, "enabled": 0},
            {"url": PUBLIC, "enabled": "yes"},
            {},
            {"url": PUBLIC, "events": []},
            {"url": PUBLIC, "events": ["execution.exploded"]},
            {"url": PUBLIC, "events": ["execution.*", 7]},
            {"url": PUBLIC, "body": "fat"},
            {"url": PUBLIC, "enabled": None},
            {"url": PUBLIC, "secret": "mine"},
        ],
    )
    @pytest.mark.sqlite_enough
    def test_what_cannot_be_used_is_refused(self, api, values):
        problem(api("POST", "/webhooks", json=values), 422, "invalid-request")
        assert api("GET", "/webhooks").json["webhooks"] == []

    @pytest.mark.settings(WEBHOOK_NETWORKS=[])
    @pytest.mark.parametrize(
        "url",
        [
            "https://127.0.0.1/",
            "https://127.1/",
            "https://169.254.169.254/latest/",
            "https://[::ffff:10.0.0.1]/",
            "https://localhost/",
            "http://127.0.0.1/",
        ],
    )
    @pytest.mark.sqlite_enough
    def test_addresses_inside_are_refused(self, api, url):
        refused = problem(api("POST", "/webhooks", json={"url": url}), 422, "invalid-request")
        assert refused["errors"][0]["pointer"] == "/url"
        assert refused["errors"][0]["code"] == "address-refused"
        id = add(api)
        problem(api("PATCH", f"/webhooks/{id}", json={"url": url}), 422, "invalid-request")
        assert api("GET", f"/webhooks/{id}").json["url"] == PUBLIC

    @pytest.mark.settings(MAX_WEBHOOKS_PER_USER=3)
    def test_no_user_has_more_than_allowed(self, app, client, api, stranger):
        answers = []

        def work():
            with app.app_context():
                answers.append(api("POST", "/webhooks", json={"url": PUBLIC}).status_code)

        threads = [threading.Thread(target=work) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert sorted(answers) == [201] * 3 + [409] * 5
        problem(api("POST", "/webhooks", json={"url": PUBLIC}), 409, "too-many-webhooks")
        add(stranger)
        assert api("POST", "/webhooks", json={"url": None}).status_code == 201

    def test_one_that_is_switched_on_starts_afresh(self, api):
        id = add(api)
        webhook = current_app_state().models.webhook
        with current_app_state().database.write_transaction() as session:
            values = {"enabled": False, "failures": 100, "disabled_reason": "It failed."}
            session.execute(sa.update(webhook).values(values))
        changed = api("PATCH", f"/webhooks/{id}", json={"enabled": True}).json
        assert changed["enabled"]
        assert (changed["failures"], changed["disabled_reason"]) == (0, None)


class TestOthers:
    def test_strangers_find_nothing(self, api, stranger):
        id = add(api)
        for method, path in (
            ("GET", ""),
            ("PATCH", ""),
            ("DELETE", ""),
            ("GET", "/secret"),
            ("POST", "/rotate"),
            ("POST", "/test"),
            ("GET", "/deliveries"),
        ):
            problem(stranger(method, f"/webhooks/{id}{path}", json={}), 404, "not-found")
        assert stranger("GET", "/webhooks").json["webhooks"] == []

    def test_managers_see_neither_url_nor_secret(self, api, admin):
        id = add(api, f"{PUBLIC}/token")
        webhook = admin("GET", f"/webhooks/{id}").json
        assert (webhook["url"], webhook["host"]) == (None, "8.8.8.8")
        assert admin("GET", "/webhooks").json["webhooks"] == [webhook]
        problem(admin("GET", f"/webhooks/{id}/secret"), 404, "not-found")
        problem(admin("POST", f"/webhooks/{id}/rotate"), 404, "not-found")
        changed = admin("PATCH", f"/webhooks/{id}", json={"enabled": False}).json
        assert (changed["enabled"], changed["url"]) == (False, None)


class TestSecrets:
    def test_both_are_valid_while_it_is_replaced(self, api, model, receiver):
        id = add(api, receiver.url)
        old = secret(api, id)
        rotated = api("POST", f"/webhooks/{id}/rotate", json={"secret_version": 1})
        assert rotated.headers["Cache-Control"] == "no-store"
        new = rotated.json["secret"]
        assert rotated.json == {"secret": secret(api, id), "secret_version": 2}
        complete(api, model)
        deliver()
        (message,) = receiver.messages
        assert old != new
        assert message.is_signed_with(old)
        assert message.is_signed_with(new)

    def test_one_that_was_replaced_is_not_replaced_by_accident(self, api):
        id = add(api)
        api("POST", f"/webhooks/{id}/rotate", json={"secret_version": 1})
        again = api("POST", f"/webhooks/{id}/rotate", json={"secret_version": 1})
        problem(again, 409, "wrong-state")
        assert api("GET", f"/webhooks/{id}").json["secret_version"] == 2


class TestTrying:
    def test_one_that_works(self, api, receiver):
        id = add(api, receiver.url)
        answer = api("POST", f"/webhooks/{id}/test").json
        assert answer.pop("seconds") < 60
        assert answer == {"delivered": True, "status": 204, "code": None, "text": None}
        content = receiver.messages[0].verify(secret(api, id))
        assert (content["type"], content["data"]) == ("webhook.test", {"id": id})

    def test_one_that_does_not_changes_nothing(self, api, receiver):
        id = add(api, receiver.url)
        receiver.answer = reply(410)
        answer = api("POST", f"/webhooks/{id}/test").json
        assert (answer["delivered"], answer["status"]) == (False, 410)
        assert api("GET", f"/webhooks/{id}").json["enabled"]

    @pytest.mark.sqlite_enough
    def test_a_server_with_one_thread_sends_it_too(self, api, receiver, start_server):
        id = add(api, receiver.url)
        receiver.answer = reply(204)
        url = f"{start_server().url}/crewexec/webhooks/{id}/test"
        answer = httpx.post(url, headers={"X-User": "ada"}, trust_env=False)
        assert answer.json()["delivered"], answer.text

    @pytest.mark.settings(MAX_STREAMS_PER_USER=1)
    @pytest.mark.sqlite_enough
    def test_it_takes_a_slot_of_those_who_wait(self, app, api, receiver):
        id = add(api, receiver.url)
        inside, leave = threading.Event(), threading.Event()

        def wait(handler):
            inside.set()
            leave.wait(60)
            reply(204)(handler)

        receiver.answer = wait
        thread = threading.Thread(target=lambda: api("POST", f"/webhooks/{id}/test"))
        thread.start()
        assert inside.wait(60)
        try:
            problem(api("POST", f"/webhooks/{id}/test"), 503, "too-many-streams")
        finally:
            leave.set()
            thread.join(60)


class TestDeliveries:
    def test_pages_and_filter(self, api, model, receiver):
        id = add(api, receiver.url, events=["*"])
        receiver.answer = reply(500)
        executions = [complete(api, model) for _ in range(2)]
        assert deliver() == 2
        receiver.answer = reply(204)
        while deliver():
            pass
        first = log(api, id, limit=5)
        assert first["deliveries"][0]["execution_id"] == executions[1]
        newest = first["deliveries"][0]
        assert newest["id"] == f"{executions[1]}.{newest['id'].partition('.')[2]}"
        assert (newest["type"], newest["status"]) == ("execution.completed", "delivered")
        assert (newest["tries"], newest["answer"]["status"]) == (1, 204)
        assert newest["receiver"] == f"webhook:{id}"
        second = log(api, id, limit=5, before=first["next"])
        both = [each["id"] for each in (*first["deliveries"], *second["deliveries"])]
        assert both == sorted(both, key=key_of, reverse=True)
        assert (len(set(both)), second["next"]) == (8, None)
        assert len(log(api, id, status="delivered")["deliveries"]) == 8
        assert log(api, id, status="failed")["deliveries"] == []

    def test_of_an_execution(self, api, admin, stranger, app, model, receiver):
        app.extensions["crewexec_host"].on("execution.completed", name="host")(print)
        add(api, receiver.url, events=["execution.*"])
        execution = complete(api, model)
        path = f"/executions/{execution}/deliveries"
        first = api("GET", f"{path}?limit=2").json
        second = api("GET", f"{path}?limit=2&before={first['next']}").json
        types = [each["type"] for each in (*first["deliveries"], *second["deliveries"])]
        assert types == ["execution.completed", "execution.started", "execution.queued"]
        receivers = {each["receiver"] for each in admin("GET", path).json["deliveries"]}
        assert "handler:host" in receivers
        problem(stranger("GET", path), 404, "not-found")
        problem(api("GET", f"{path}?before=x"), 422, "invalid-request")

    def test_one_is_sent_again(self, api, stranger, model, receiver):
        id = add(api, receiver.url)
        complete(api, model)
        (row,) = log(api, id)["deliveries"]
        path = f"/webhooks/{id}/deliveries/{row['id']}/resend"
        problem(api("POST", path), 409, "wrong-state")
        deliver()
        problem(stranger("POST", path), 404, "not-found")
        assert api("POST", path).status_code == 204
        assert deliver() == 1
        first, second = receiver.messages
        assert first.headers["webhook-id"] == second.headers["webhook-id"] == row["id"]
        assert deliveries()[0].tries == 1

    @pytest.mark.sqlite_enough
    def test_what_does_not_exist_is_not_sent_again(self, api):
        id = add(api)
        for event in ("x", f"{id}.1", f"{id}.99999999999", f"{id}.-1", f"{id}"):
            path = f"/webhooks/{id}/deliveries/{event}/resend"
            problem(api("POST", path), 404, "not-found")

    def test_all_that_failed_since_a_moment(self, api, model, receiver):
        start = clock.now()
        id = add(api, receiver.url)
        receiver.answer = reply(410)
        complete(api, model)
        deliver()
        api("PATCH", f"/webhooks/{id}", json={"enabled": True})
        receiver.answer = reply(204)
        path = f"/webhooks/{id}/resend"
        later = (clock.now() + dt.timedelta(minutes=1)).isoformat()
        assert api("POST", path, json={"since": later}).json == {"resent": 0}
        # Two hours later there, so this is the same moment.
        since = start.astimezone(dt.timezone(dt.timedelta(hours=2))).isoformat()
        assert api("POST", path, json={"since": since}).json == {"resent": 1}
        assert deliver() == 1
        assert log(api, id)["deliveries"][0]["status"] == "delivered"

    @pytest.mark.sqlite_enough
    @pytest.mark.parametrize(
        "since", [None, "yesterday", "2026-01-01T00:00:00", "0001-01-01T00:00:00+05:00"]
    )
    def test_a_moment_has_a_time_zone(self, api, since):
        answer = api("POST", f"/webhooks/{add(api)}/resend", json={"since": since})
        problem(answer, 422, "invalid-request")


def key_of(event_id):
    id, _, seq = event_id.partition(".")
    return id, int(seq)


class TestOfSubmissions:
    def test_it_is_told_of_this_execution_alone(self, api, model, receiver):
        told = complete(api, model, webhook={"url": receiver.url, "events": ["execution.started"]})
        complete(api, model)
        assert deliver() == 1
        (of_executions,) = api("GET", "/webhooks").json["webhooks"]
        assert (of_executions["url"], of_executions["host"]) == (None, None)
        content = receiver.messages[0].verify(secret(api, of_executions["id"]))
        assert (content["type"], content["data"]["id"]) == ("execution.started", told)

    def test_by_default_it_is_told_of_the_end(self, api, model, receiver):
        complete(api, model, webhook={"url": receiver.url})
        while deliver():
            pass
        assert [each.type for each in receiver.messages] == ["execution.completed"]

    def test_its_secret_can_be_read_before(self, api, model, receiver):
        first, again = (api("POST", "/webhooks", json={"url": None}).json for _ in range(2))
        assert first["id"] == again["id"]
        complete(api, model, webhook={"url": receiver.url})
        deliver()
        assert receiver.messages[0].is_signed_with(secret(api, first["id"]))

    def test_submissions_at_the_same_moment_share_one_row(self, app, api, model, receiver):
        graph, ids = api.graph(documents.chain("a")), []

        def work():
            with app.app_context():
                order = {"graph_id": graph, "webhook": {"url": receiver.url}}
                ids.append(api("POST", "/executions", json=order).json["id"])

        threads = [threading.Thread(target=work) for _ in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(ids) == 6
        assert len(api("GET", "/webhooks").json["webhooks"]) == 1

    def test_a_server_that_is_gone_leaves_those_of_other_executions(self, api, model, receiver):
        receiver.answer = reply(410)
        complete(api, model, webhook={"url": receiver.url})
        deliver()
        receiver.answer = reply(204)
        complete(api, model, webhook={"url": receiver.url})
        deliver()
        assert sorted(row.status for row in deliveries()) == ["delivered", "failed"]

    def test_it_is_part_of_what_a_key_stands_for(self, api, receiver):
        order = {"graph_id": api.graph(documents.chain("a")), "webhook": {"url": receiver.url}}
        headers = {"Idempotency-Key": "once"}
        first = api("POST", "/executions", json=order, headers=headers).json["id"]
        assert api("POST", "/executions", json=order, headers=headers).json["id"] == first
        del order["webhook"]
        problem(
            api("POST", "/executions", json=order, headers=headers), 422, "idempotency-key-reused"
        )

    @pytest.mark.settings(WEBHOOK_NETWORKS=[])
    @pytest.mark.sqlite_enough
    def test_urls_that_are_refused(self, api, receiver):
        graph = api.graph(documents.chain("a"))
        order = {"graph_id": graph, "webhook": {"url": receiver.url}}
        refused = problem(api("POST", "/executions", json=order), 422, "invalid-request")
        assert refused["errors"][0]["pointer"] == "/webhook/url"
        with pytest.raises(InvalidRequest, match="events"):
            AsyncExecutionService().queue_execution(
                graph, None, "ada", webhook={"url": PUBLIC, "events": ["any"]}
            )

    def test_from_python(self, api, model, receiver):
        graph = api.graph(documents.chain("a"))
        mine = AsyncExecutionService().for_user("ada")
        id = mine.queue_execution(graph, webhook={"url": receiver.url, "events": ["*"]})
        model.on("Do a", "ALPHA")
        run(id)
        assert deliver() == len(receiver.messages) == 4

    @pytest.mark.sqlite_enough
    def test_what_stands_for_them_has_no_url(self, api):
        id = api("POST", "/webhooks", json={"url": None}).json["id"]
        for values in ({"url": PUBLIC}, {"events": ["*"]}):
            problem(api("PATCH", f"/webhooks/{id}", json=values), 409, "wrong-state")
        problem(api("POST", f"/webhooks/{id}/test"), 409, "wrong-state")
        assert not api("PATCH", f"/webhooks/{id}", json={"enabled": False}).json["enabled"]


@pytest.mark.settings(WEBHOOKS=False)
@pytest.mark.sqlite_enough
class TestWithoutWebhooks:
    def test_routes_say_so(self, api):
        id = uuid.uuid4()
        for method, path in (
            ("GET", "/webhooks"),
            ("GET", f"/webhooks/{id}"),
            ("GET", f"/webhooks/{id}/secret"),
            ("GET", f"/webhooks/{id}/deliveries"),
            ("DELETE", f"/webhooks/{id}"),
            ("POST", f"/webhooks/{id}/test"),
            ("POST", f"/webhooks/{id}/rotate"),
        ):
            problem(api(method, path), 409, "webhooks-off")
        problem(api("POST", "/webhooks", json={"url": PUBLIC}), 409, "webhooks-off")

    def test_submissions_with_webhooks_are_refused(self, api):
        graph = api.graph(documents.chain("a"))
        order = {"graph_id": graph, "webhook": {"url": PUBLIC}}
        problem(api("POST", "/executions", json=order), 409, "webhooks-off")
        with pytest.raises(WebhooksOff):
            AsyncExecutionService().queue_execution(graph, None, "ada", webhook={"url": PUBLIC})
