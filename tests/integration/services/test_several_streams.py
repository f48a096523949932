"""Events of several executions over one connection."""

from __future__ import annotations

import threading
import uuid

import pytest
import sqlalchemy as sa

from flask_crewexec.app_state import current_app_state
from flask_crewexec.messaging.event_subscriber import subscribers
from flask_crewexec.schemas import MAX_IDS
from support.graphs import documents
from support.in_process import run
from support.in_process import running
from support.servers.processes import wait_until
from support.sse_client import EVENT_STREAM
from support.sse_client import open_stream
from support.sse_client import parse
from support.sse_client import take

pytestmark = pytest.mark.libraries


def path_of(*ids, **query):
    given = {"executions": ",".join(ids), **query}
    return "/events?" + "&".join(f"{name}={value}" for name, value in given.items())


def stream(api, *ids, headers=EVENT_STREAM, **query):
    """Read a stream to its end."""
    answer = api("GET", path_of(*ids, **query), headers=headers)
    assert answer.status_code == 200, answer.text
    return list(parse(answer.text.splitlines()))


def by_execution(events):
    """Return what a stream has brought of each execution, as its own stream would bring it."""
    found: dict[str, list] = {}
    for event in events:
        data = event.json()
        found.setdefault(data.pop("execution_id"), []).append((event.type, data))
    return found


def stored(api, id):
    return api("GET", f"/executions/{id}/events").json["events"]


def as_streamed(api, id, after=0):
    events = [(each["type"], each) for each in stored(api, id)[after:]]
    return [*events, ("end", {"status": "completed"})]


@pytest.fixture
def ended(api, model):
    """Two executions that have ended."""
    ids = [api.queue(documents.chain("a")), api.queue(documents.chain("a", "b"))]
    for id in ids:
        run(id)
    return ids


class TestStream:
    def test_it_brings_the_history_and_the_end_of_each(self, api, ended):
        found = by_execution(stream(api, *ended))
        assert found == {id: as_streamed(api, id) for id in ended}

    @pytest.mark.parametrize("way", ["query", "header"])
    def test_it_continues_after_a_position_in_each(self, api, ended, way):
        events = stream(api, *reversed(ended))
        (last,) = (event.id for event in events[6:7])
        if way == "query":
            rest = stream(api, *reversed(ended), after=last)
        else:
            rest = stream(api, *reversed(ended), headers={**EVENT_STREAM, "Last-Event-ID": last})
        assert rest == events[7:]

    def test_every_id_has_the_positions_in_all(self, api, ended):
        last = [event.id for event in stream(api, *ended) if event.id][-1]
        assert last == ",".join(str(len(stored(api, id))) for id in ended)

    def test_more_events_than_a_page_come_in_order(self, api, ended, monkeypatch):
        monkeypatch.setattr("flask_crewexec.web.sse.MAX_PAGE", 3)
        found = by_execution(stream(api, *ended))
        assert found == {id: as_streamed(api, id) for id in ended}

    @pytest.mark.settings(STREAM_HEARTBEAT_INTERVAL=250.0)
    def test_what_happens_comes_at_once_with_the_name_of_its_execution(
        self, app, api, client, model
    ):
        gate = threading.Event()
        model.on("Do a", hold=gate)
        ids = [api.queue(documents.chain("a")) for _ in range(3)]
        frames = open_stream(client, path_of(*ids))
        for id in reversed(ids):
            with running(app, id):
                assert take(frames, "model_call_started").json()["execution_id"] == id
                gate.set()
                end = {"execution_id": id, "status": "completed"}
                assert take(frames, "end").json() == end
        assert list(frames) == []

    def test_tokens_name_their_execution(self, app, api, client, model, redis_process):
        model.on("Do a", "Words that come one by one", chunk_delay=0.06)
        waiting = api.queue(documents.chain("b"))
        id = api.queue(documents.chain("a", model="streaming"))
        frames = open_stream(client, path_of(waiting, id))
        take(frames, "queued")
        redis_process.wait_for_subscriber(id)
        with running(app, id):
            token = take(frames, "token").json()
        assert (token["execution_id"], token["step"]) == (id, "a")
        assert "Words that come one by one".startswith(token["text"])
        frames.close()

    @pytest.mark.settings(STREAM_HEARTBEAT_INTERVAL=0.05)
    def test_one_that_is_removed_ends(self, api, client):
        ids = [api.queue(documents.chain("a")) for _ in range(2)]
        frames = open_stream(client, path_of(*ids))
        take(frames, "queued")
        take(frames, "queued")
        execution = current_app_state().models.execution
        with current_app_state().database.write_transaction() as session:
            session.execute(sa.delete(execution).where(execution.id == uuid.UUID(ids[0])))
        assert take(frames, "end").json() == {"execution_id": ids[0], "status": "removed"}
        frames.close()

    @pytest.mark.settings(MAX_STREAMS_PER_USER=1)
    def test_it_counts_as_one_stream(self, api, client):
        ids = [api.queue(documents.chain("a")) for _ in range(3)]
        frames = open_stream(client, path_of(*ids))
        assert {take(frames, "queued").json()["execution_id"] for _ in ids} == {*ids}
        refused = api("GET", path_of(*ids), headers=EVENT_STREAM)
        assert (refused.status_code, refused.json["code"]) == (503, "too-many-streams")
        frames.close()
        wait_until(lambda: not subscribers.current()._subscriptions, what="no subscription")


class TestPages:
    def test_they_have_the_events_of_each_after_its_position(self, api, ended):
        answer = api("GET", path_of(*ended, after="2,0")).json
        assert answer["executions"] == [
            {
                "execution_id": id,
                "events": stored(api, id)[after:],
                "next": len(stored(api, id)),
                "final_status": "completed",
            }
            for id, after in zip(ended, (2, 0), strict=True)
        ]

    def test_the_limit_is_for_all_of_them(self, api, ended):
        first, second = api("GET", path_of(*ended, limit=4)).json["executions"]
        assert [len(first["events"]), len(second["events"])] == [4, 0]
        assert [first["final_status"], second["final_status"]] == [None, None]
        assert [first["next"], second["next"]] == [4, 0]

    def test_they_come_as_soon_as_something_happens_in_one(self, app, api, model):
        ids = [api.queue(documents.chain("a")) for _ in range(2)]
        with running(app, ids[1]):
            answer = api("GET", path_of(*ids, after="1,1", wait=30))
        first, second = answer.json["executions"]
        assert first["events"] == []
        assert second["events"][0]["seq"] == 2

    def test_they_do_not_wait_if_all_have_ended(self, api, ended):
        after = ",".join(str(len(stored(api, id))) for id in ended)
        answer = api("GET", path_of(*ended, after=after, wait=30))
        assert [page["events"] for page in answer.json["executions"]] == [[], []]


@pytest.mark.parametrize("headers", [{}, EVENT_STREAM], ids=["page", "stream"])
class TestRefused:
    def test_others_and_unknown_ones_are_named(self, api, stranger, headers):
        own, foreign = api.queue(documents.chain("a")), stranger.queue(documents.chain("a"))
        answer = api("GET", path_of(foreign, own, str(uuid.uuid4())), headers=headers)
        assert (answer.status_code, answer.json["code"]) == (404, "not-found")
        assert [each["pointer"] for each in answer.json["errors"]] == [
            "/executions/0",
            "/executions/2",
        ]

    @pytest.mark.parametrize(
        ("query", "pointer"),
        [
            ("", "/executions"),
            ("?executions=", "/executions/0"),
            ("?executions={id},x", "/executions/1"),
            ("?executions={id},{id}", "/executions"),
            ("?executions={id}&after=1,2", "/after"),
            ("?executions={id}&after=-1", "/after/0"),
            ("?executions={id}&after=x", "/after/0"),
            ("?executions={id}&wait=31", "/wait"),
        ],
    )
    def test_a_query_that_is_wrong_says_where(self, api, headers, query, pointer):
        answer = api("GET", "/events" + query.format(id=uuid.uuid4()), headers=headers)
        assert (answer.status_code, answer.json["code"]) == (422, "invalid-request")
        assert [each["pointer"] for each in answer.json["errors"]] == [pointer]

    def test_one_too_many_is_refused(self, api, headers):
        ids = [str(uuid.uuid4()) for _ in range(MAX_IDS + 1)]
        answer = api("GET", path_of(*ids), headers=headers)
        assert (answer.status_code, answer.json["errors"][0]["pointer"]) == (422, "/executions")


@pytest.mark.parametrize("given", ["1", "1,2,3", "x,1", "1,-1", "1,²"])
def test_a_last_event_id_that_does_not_fit_is_refused(api, ended, given):
    answer = api("GET", path_of(*ended), headers={**EVENT_STREAM, "Last-Event-ID": given})
    assert (answer.status_code, answer.json["errors"][0]["pointer"]) == (422, "/Last-Event-ID")
