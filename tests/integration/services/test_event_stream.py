"""Events as Server-Sent Events, pages and long polls, in this process."""

from __future__ import annotations

import json
import logging
import os
import subprocess
import sys
import threading
import uuid

import pytest
import sqlalchemy as sa
from flask import current_app

from flask_crewexec.app_state import current_app_state
from flask_crewexec.messaging import event_publisher
from flask_crewexec.messaging import event_subscriber
from flask_crewexec.messaging.event_publisher import announce_new_events
from flask_crewexec.messaging.event_publisher import CHANNEL_PREFIX
from flask_crewexec.messaging.event_publisher import publish_tokens
from support.graphs import documents
from support.in_process import run
from support.in_process import running
from support.paths import TESTS
from support.servers.processes import wait_until
from support.servers.redis_process import RedisProcess
from support.servers.redis_servers import chosen_redis
from support.sse_client import EVENT_STREAM
from support.sse_client import open_stream
from support.sse_client import parse
from support.sse_client import take

pytestmark = pytest.mark.libraries


def stream(api, id, after=None, **headers):
    """Read a stream to its end."""
    if after is not None:
        headers["Last-Event-ID"] = str(after)
    answer = api("GET", f"/executions/{id}/events", headers={**EVENT_STREAM, **headers})
    assert answer.status_code == 200
    return list(parse(answer.text.splitlines()))


class TestStream:
    def test_it_brings_the_whole_history_and_an_end(self, api, model):
        id = api.queue(documents.chain("a", "b"))
        run(id)
        *events, end = stream(api, id)
        stored = api("GET", f"/executions/{id}/events").json["events"]
        assert [event.json() for event in events] == stored
        assert [(event.id, event.type) for event in events] == [
            (str(each["seq"]), each["type"]) for each in stored
        ]
        assert (end.type, end.json(), end.id) == ("end", {"status": "completed"}, None)

    def test_it_goes_on_behind_the_last_event_that_the_client_has(self, api, model):
        id = api.queue(documents.chain("a"))
        run(id)
        events = stream(api, id)
        assert stream(api, id, after=2) == events[2:]

    def test_words_of_a_streaming_model_come_at_once_and_are_not_kept(
        self, app, api, client, model, redis_process
    ):
        gate = threading.Event()
        model.on("Do a", "Words that come one by one", chunk_delay=0.06)
        model.on("Do b", hold=gate)
        id = api.queue(documents.chain("a", "b", model="streaming"))
        frames = open_stream(client, f"/executions/{id}/events")
        take(frames, "queued")
        redis_process.wait_for_subscriber(id)
        with running(app, id):
            told = [take(frames, "token").json() for _ in range(3)]
            gate.set()
        assert "Words that come one by one".startswith("".join(each["text"] for each in told))
        assert told[0]["step"] == "a"
        assert "token" not in api.event_types(id)
        frames.close()

    def test_it_ends_although_the_client_has_everything(self, api, model):
        id = api.queue(documents.chain("a"))
        run(id)
        last = stream(api, id)[-2].id
        assert [event.type for event in stream(api, id, after=last)] == ["end"]

    @pytest.mark.settings(STREAM_HEARTBEAT_INTERVAL=60.0)
    def test_an_event_comes_as_soon_as_it_is_stored(self, app, api, client, model):
        gate = threading.Event()
        model.on("Do a", hold=gate)
        id = api.queue(documents.chain("a"))
        frames = open_stream(client, f"/executions/{id}/events")
        with running(app, id):
            assert take(frames, "model_call_started").type == "model_call_started"
            gate.set()
            assert take(frames, "end").json() == {"status": "completed"}

    @pytest.mark.settings(STREAM_HEARTBEAT_INTERVAL=0.05)
    def test_it_gives_signs_of_life(self, api, client):
        id = api.queue(documents.chain("a"))
        answer = api("GET", f"/executions/{id}/events", headers=EVENT_STREAM, buffered=False)
        frames = iter(answer.response)
        assert b":\n\n" in (next(frames) for _ in range(10))
        answer.close()

    @pytest.mark.settings(MAX_STREAM_SECONDS=0.05)
    def test_it_ends_after_its_time_and_the_client_asks_again(self, api):
        id = api.queue(documents.chain("a"))
        assert [event.type for event in stream(api, id)] == ["queued"]
        assert "retry: 2000" in api("GET", f"/executions/{id}/events", headers=EVENT_STREAM).text

    @pytest.mark.settings(MAX_STREAMS=1)
    def test_one_too_many_is_refused_until_another_ends(self, api, client):
        id = api.queue(documents.chain("a"))
        first = api("GET", f"/executions/{id}/events", headers=EVENT_STREAM, buffered=False)
        refused = api("GET", f"/executions/{id}/events", headers=EVENT_STREAM)
        assert (refused.status_code, refused.json["code"]) == (503, "too-many-streams")
        assert refused.headers["Retry-After"]
        first.close()
        again = api("GET", f"/executions/{id}/events", headers=EVENT_STREAM, buffered=False)
        assert again.status_code == 200
        again.close()

    def test_the_metrics_count_it_while_it_is_open(self, api, admin):
        id = api.queue(documents.chain("a"))
        answer = api("GET", f"/executions/{id}/events", headers=EVENT_STREAM, buffered=False)
        assert "crewexec_open_streams 1.0" in admin("GET", "/metrics").text
        answer.close()
        assert "crewexec_open_streams 0.0" in admin("GET", "/metrics").text

    @pytest.mark.settings(STREAM_HEARTBEAT_INTERVAL=0.05)
    def test_it_ends_when_the_execution_is_removed(self, api, client):
        id = api.queue(documents.chain("a"))
        frames = open_stream(client, f"/executions/{id}/events")
        take(frames, "queued")
        execution = current_app_state().models.execution
        with current_app_state().database.write_transaction() as session:
            session.execute(sa.delete(execution))
        assert take(frames, "end").json() == {"status": "removed"}

    @pytest.mark.settings(MAX_STREAMS_PER_USER=1)
    def test_one_user_cannot_take_the_places_of_others(self, api, stranger):
        id, other = api.queue(documents.chain("a")), stranger.queue(documents.chain("a"))
        first = api("GET", f"/executions/{id}/events", headers=EVENT_STREAM, buffered=False)
        refused = api("GET", f"/executions/{id}/events", headers=EVENT_STREAM)
        assert (refused.status_code, refused.json["code"]) == (503, "too-many-streams")
        path = f"/executions/{other}/events"
        second = stranger("GET", path, headers=EVENT_STREAM, buffered=False)
        assert second.status_code == 200
        first.close()
        second.close()

    def test_a_stranger_finds_nothing(self, api, stranger):
        id = api.queue(documents.chain("a"))
        answer = stranger("GET", f"/executions/{id}/events", headers=EVENT_STREAM)
        assert (answer.status_code, answer.json["code"]) == (404, "not-found")

    @pytest.mark.parametrize("given", ["x", "-1", "1" * 20, "²"])
    def test_a_cursor_that_is_none_is_refused(self, api, given):
        id = api.queue(documents.chain("a"))
        headers = {**EVENT_STREAM, "Last-Event-ID": given}
        answer = api("GET", f"/executions/{id}/events", headers=headers)
        assert (answer.status_code, answer.json["code"]) == (422, "invalid-request")


class TestLongPoll:
    def test_it_answers_as_soon_as_something_happens(self, app, api, model):
        id = api.queue(documents.chain("a"))
        with running(app, id):
            answer = api("GET", f"/executions/{id}/events?after=1&wait=30")
        assert answer.json["events"][0]["seq"] == 2

    def test_it_answers_with_nothing_in_the_end(self, api):
        id = api.queue(documents.chain("a"))
        assert api("GET", f"/executions/{id}/events?after=1&wait=0.05").json == {
            "events": [],
            "next": 1,
        }

    def test_it_does_not_wait_for_what_has_ended(self, api, model):
        id = api.queue(documents.chain("a"))
        run(id)
        last = api("GET", f"/executions/{id}/events").json["next"]
        answer = api("GET", f"/executions/{id}/events?after={last}&wait=30")
        assert answer.json == {"events": [], "next": last}

    @pytest.mark.parametrize("wait", ["-1", "31", "x"])
    def test_a_wait_out_of_range_is_refused(self, api, wait):
        id = api.queue(documents.chain("a"))
        answer = api("GET", f"/executions/{id}/events?wait={wait}")
        assert (answer.status_code, answer.json["errors"][0]["pointer"]) == (422, "/wait")


class TestAnnouncements:
    @pytest.mark.settings(STREAM_HEARTBEAT_INTERVAL=250.0)
    def test_unreadable_messages_do_no_harm(self, app, api, client, model, redis_process):
        id = api.queue(documents.chain("a"))
        frames = open_stream(client, f"/executions/{id}/events")
        take(frames, "queued")
        with redis_process.client() as redis:
            wait_until(lambda: redis.publish(f"{CHANNEL_PREFIX}{id}", "no JSON"), what="a listener")
        with running(app, id):
            assert take(frames, "end").json() == {"status": "completed"}

    def test_many_threads_may_publish_at_once(self, app, api):
        id = uuid.UUID(api.queue(documents.chain("a")))

        def publish() -> None:
            with app.app_context():
                for _ in range(20):
                    publish_tokens(id, {"word": "x"})

        with event_subscriber.subscribers.current().subscribe(id) as subscription:
            wait_until(
                lambda: event_subscriber.subscribers.current().connected, what="the subscription"
            )
            threads = [threading.Thread(target=publish) for _ in range(40)]
            for thread in threads:
                thread.start()
            heard: list[object] = []
            wait_until(
                lambda: (
                    heard.extend(each for each in subscription.wait(1) if each.tokens)
                    or len(heard) == 800
                )
            )
            for thread in threads:
                thread.join(30)


def _publishers():
    return (each for each in threading.enumerate() if each.name == "crewexec-event-publisher")


class TestPublisher:
    @pytest.fixture
    def heard(self, redis_process):
        """An execution's id, and what comes for it."""
        id = uuid.uuid4()
        with redis_process.client() as redis, redis.pubsub() as pubsub:
            pubsub.subscribe(f"{CHANNEL_PREFIX}{id}")
            assert pubsub.get_message(timeout=10)["type"] == "subscribe"
            yield id, lambda: json.loads(pubsub.get_message(timeout=10)["data"])

    def test_come_in_their_order_and_wake_up_once(self, app, heard):
        id, hear = heard
        for _ in range(3):
            announce_new_events([id])
        publish_tokens(id, {"word": "a"})
        publish_tokens(id, {"word": "a"})
        announce_new_events([id])
        publish_tokens(id, {"word": "b"})
        words = [{}, {"word": "a"}, {"word": "a"}, {}, {"word": "b"}]
        assert [hear() for _ in words] == words

    def test_a_process_that_ends_has_made_them(self, environment, heard):
        id, hear = heard
        code = (
            "import uuid; from support.host_app import web;"
            "from flask_crewexec.messaging.event_publisher import publish_tokens\n"
            f"with web.app.app_context(): publish_tokens(uuid.UUID('{id}'), {{'word': 'last'}})"
        )
        variables = {**os.environ, **environment, "PYTHONPATH": str(TESTS)}
        subprocess.run([sys.executable, "-c", code], env=variables, check=True, timeout=60)
        assert hear() == {"word": "last"}

    def test_where_no_thread_can_be_started_a_run_goes_on(self, app, api, model, monkeypatch):
        start = threading.Thread.start

        def refuse(thread):
            if thread.name == "crewexec-event-publisher":
                raise RuntimeError("can't start new thread")
            start(thread)

        id = api.queue(documents.chain("a"))
        wait_until(lambda: not any(_publishers()), what="the end of the publisher")
        monkeypatch.setattr(threading.Thread, "start", refuse)
        assert run(id) == "completed"
        assert not any(_publishers())

    def test_they_come_again_when_the_broker_takes_them(
        self, app, heard, redis_process, caplog, monkeypatch
    ):
        id, hear = heard
        monkeypatch.setattr(event_publisher, "BACKOFF_SECONDS", 0.0)
        log = logging.getLogger(event_publisher.__name__)
        in_context = logging.Filter()
        log.addFilter(lambda record: current_app.name == app.name)  # as hosts have them
        with redis_process.client() as redis:
            redis.execute_command("ACL", "SETUSER", "default", "-publish")
            try:
                publish_tokens(id, {"word": "lost"})
                wait_until(lambda: "Could not publish" in caplog.text, what="the warning")
            finally:
                redis.execute_command("ACL", "SETUSER", "default", "+publish")
                log.removeFilter(in_context)
        publish_tokens(id, {"word": "heard"})
        assert hear() == {"word": "heard"}


class TestWithoutBroker:
    @pytest.fixture
    def redis_process(self, tmp_path):
        """A server of our own, since we stop it."""
        with RedisProcess(tmp_path / "redis", chosen_redis()) as process:
            yield process

    @pytest.mark.settings(STREAM_HEARTBEAT_INTERVAL=250.0)
    def test_a_frozen_one_is_noticed(self, app, api, client, model, redis_process):
        id = api.queue(documents.chain("a"))
        frames = open_stream(client, f"/executions/{id}/events")
        take(frames, "queued")
        redis_process.suspend()
        try:
            with running(app, id):
                assert take(frames, "end").json() == {"status": "completed"}
        finally:
            redis_process.resume()

    def test_events_come_from_the_database(self, app, api, client, model, redis_process):
        id = api.queue(documents.chain("a"))
        frames = open_stream(client, f"/executions/{id}/events")
        take(frames, "queued")
        redis_process.stop()
        try:
            with running(app, id):
                assert take(frames, "end").json() == {"status": "completed"}
        finally:
            redis_process.start()
