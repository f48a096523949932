"""The Python client follows executions, whatever becomes of its connection."""

from __future__ import annotations

import threading
import uuid

import httpx
import pytest
import sqlalchemy as sa

from flask_crewexec.app_state import current_app_state
from flask_crewexec.client import ApiError
from support.graphs import documents
from support.host_app import host
from support.in_process import run
from support.in_process import running
from support.python_clients import each_client
from support.servers.gunicorn import Gunicorn
from support.servers.processes import wait_until

pytestmark = pytest.mark.sqlite_enough


def events_of(messages, id):
    """Return the events of an execution among messages, as pages show them."""
    events = (each for each in messages if each["execution_id"] == id and "seq" in each)
    return [{key: event[key] for key in event if key != "execution_id"} for event in events]


def stored(api, id):
    return api("GET", f"/executions/{id}/events").json["events"]


def take(messages, type):
    """Return the messages up to the next one of a type."""
    taken = []
    for message in messages:
        taken.append(message)
        if message["type"] == type:
            return taken
    raise AssertionError(f"There was no {type}.")


def crash(server: Gunicorn) -> None:
    """Kill the server and its workers."""
    workers = server.children()
    server.kill()
    for worker in workers:
        worker.kill()
    wait_until(lambda: not any(worker.is_running() for worker in workers), what="their ends")


def remove(id: str) -> None:
    execution = current_app_state().models.execution
    with current_app_state().database.write_transaction() as session:
        session.execute(sa.delete(execution).where(execution.id == uuid.UUID(id)))


def open_streams(server: Gunicorn) -> float:
    headers = {"X-User": host.ADMIN}
    found = httpx.get(f"{server.url}/crewexec/metrics", headers=headers, trust_env=False).text
    (line,) = (each for each in found.splitlines() if each.startswith("crewexec_open_streams "))
    return float(line.split()[1])


class TestFollowing:
    @each_client
    def test_events_tokens_and_the_end_come_in_order(self, app, crews, api, model, redis_process):
        gate = threading.Event()
        model.on("Do a", "Words that come one by one", chunk_delay=0.06)
        model.on("Do b", hold=gate)
        id = api.queue(documents.chain("a", "b", model="streaming"))
        following = crews.follow(id)
        messages = take(following, "queued")
        redis_process.wait_for_subscriber(id)
        with running(app, id):
            messages += take(following, "step_completed")
            tokens = [each["text"] for each in messages if each["type"] == "token"]
            gate.set()
        messages += following
        assert tokens
        assert "".join(tokens) in "Words that come one by one"
        assert events_of(messages, id) == stored(api, id)
        end = {"type": "end", "execution_id": id, "status": "completed"}
        assert messages[-1] == end

    def test_several_share_one_connection(self, crews, server, api, model):
        ids = [api.queue(documents.chain("a")) for _ in range(3)]
        following = crews.follow(*ids)
        messages = take(following, "queued")
        assert open_streams(server) == 1
        for id in ids:
            run(id)
        messages += following
        assert [events_of(messages, id) for id in ids] == [stored(api, id) for id in ids]
        assert sum(each["type"] == "end" for each in messages) == 3

    def test_it_continues_after_what_the_caller_has(self, crews, api, model):
        ids = [api.queue(documents.chain("a")) for _ in range(2)]
        for id in ids:
            run(id)
        assert events_of(crews.follow(ids[0], after=3), ids[0]) == stored(api, ids[0])[3:]
        messages = [*crews.follow(*ids, after={ids[1]: 2})]
        assert events_of(messages, ids[0]) == stored(api, ids[0])
        assert events_of(messages, ids[1]) == stored(api, ids[1])[2:]

    @each_client
    def test_it_hangs_up_when_the_caller_stops(self, crews, server, api):
        following = crews.follow(api.queue(documents.chain("a")))
        take(following, "queued")
        assert open_streams(server) == 1
        following.close()
        wait_until(lambda: open_streams(server) == 0, what="the end of the stream")

    def test_none_is_followed_to_no_end(self, crews):
        assert [*crews.follow()] == []

    def test_one_that_does_not_exist_is_named(self, crews, api):
        unknown = str(uuid.uuid4())
        with pytest.raises(ApiError) as failed:
            [*crews.follow(api.queue(documents.chain("a")), unknown)]
        assert (failed.value.code, failed.value.pointers) == ("not-found", ["/executions/1"])

    @each_client
    def test_who_is_unknown_is_told_so(self, connect, server, api):
        with pytest.raises(ApiError) as failed:
            [*connect(server.url, headers=None).follow(api.queue(documents.chain("a")))]
        assert failed.value.code == "unauthorized"


class TestInterruptions:
    @each_client
    @pytest.mark.parametrize("end", [crash, Gunicorn.stop], ids=["crash", "stop"])
    def test_nothing_is_lost_or_doubled_when_the_server_is_replaced(
        self, end, crews, server, api, gate, start_worker
    ):
        start_worker()
        id = api.queue(documents.chain("a", "b"))
        following = crews.follow(id)
        messages = take(following, "model_call_started")
        end(server)
        gate.set()
        wait_until(lambda: api.status(id)["status"] == "completed", what="the end of the run")
        server.start()
        messages += following
        assert events_of(messages, id) == stored(api, id)
        assert messages[-1]["type"] == "end"

    @each_client
    def test_nothing_is_lost_or_doubled_where_a_stream_is_cut(self, connect, proxy, api, model):
        ids = [api.queue(documents.chain(*"abc")) for _ in range(2)]
        for id in ids:
            run(id)
        proxy.cuts += [0, 300, 700, 1_500, 2_500]
        messages = [*connect(proxy.url).follow(*ids)]
        assert not proxy.cuts
        assert [events_of(messages, id) for id in ids] == [stored(api, id) for id in ids]
        assert sum(each["type"] == "end" for each in messages) == 2

    def test_one_that_is_removed_ends_while_the_others_go_on(self, crews, server, api, model):
        removed, kept = (api.queue(documents.chain("a")) for _ in range(2))
        following = crews.follow(removed, kept)
        messages = take(following, "queued")
        server.stop()
        remove(removed)
        run(kept)
        server.start()
        messages += following
        assert {"type": "end", "execution_id": removed, "status": "removed"} in messages
        assert events_of(messages, kept) == stored(api, kept)

    def test_it_gives_up_where_the_server_does_not_come_back(self, crews, server, api, monkeypatch):
        monkeypatch.setattr("flask_crewexec.client.following.SECONDS_OF_PATIENCE", 1.0)
        following = crews.follow(api.queue(documents.chain("a")))
        take(following, "queued")
        server.stop()
        with pytest.raises(ApiError) as failed:
            list(following)
        assert failed.value.code == "unreachable"

    @pytest.mark.settings(MAX_STREAMS_PER_USER=1)
    def test_without_a_free_stream_it_reads_pages(self, crews, server, api, model):
        id = api.queue(documents.chain("a"))
        url = f"{server.url}/crewexec/executions/{id}/events"
        headers = {"X-User": "ada", "Accept": "text/event-stream"}
        with httpx.stream("GET", url, headers=headers, trust_env=False):
            following = crews.follow(id)
            messages = take(following, "queued")
            run(id)
            messages += following
        assert events_of(messages, id) == stored(api, id)
        assert messages[-1]["type"] == "end"
