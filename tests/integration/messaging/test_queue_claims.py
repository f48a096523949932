"""Two applications, with a database each, and one Redis database."""

from __future__ import annotations

import uuid

import pytest
import redis
from kombu.transport.redis import PrefixedStrictRedis

from flask_crewexec.messaging.broker_faults import QueueTaken
from flask_crewexec.messaging.queue_claims import QueueClaims
from flask_crewexec.tasks import execution
from support.api_client import Api
from support.api_client import problem
from support.graphs import documents
from support.host_app import host
from support.in_process import close_connections
from support.servers.processes import StartFailed
from support.servers.processes import wait_until

CLAIM = "crewexec:claim:crew_execution"


@pytest.fixture
def other(app, tmp_path):
    """Another application, with a database of its own."""
    url = f"sqlite:///{tmp_path}/other.sqlite"
    other = host.create_app({"SQLALCHEMY_DATABASE_URI": url})
    db = other.extensions["sqlalchemy"]
    with other.app_context():
        db.create_all()
        yield other
        db.session.remove()
        close_connections(db.engine)


@pytest.fixture
def start_other_worker(other, start_worker):
    url = other.config["SQLALCHEMY_DATABASE_URI"]
    return lambda **options: start_worker({"DATABASE_URL": url}, pool="threads", **options)


@pytest.mark.sqlite_enough
def test_workers_of_another_application_are_refused_while_ours_live(
    start_worker, start_other_worker, redis_process
):
    ours = start_worker(pool="threads")
    start_worker(pool="threads").stop()
    with redis_process.client() as client:
        assert 0 < client.pttl(CLAIM) <= 60_000
    with pytest.raises(StartFailed, match=r"queue 'crew_execution'.* Use another database number"):
        start_other_worker()
    ours.stop()
    assert start_other_worker().running


@pytest.mark.sqlite_enough
def test_a_worker_that_is_refused_claims_nothing(start_worker, start_other_worker, redis_process):
    start_worker(pool="threads", queues=("cleanup",))
    with pytest.raises(StartFailed, match="queue 'cleanup'"):
        start_other_worker()
    with redis_process.client() as client:
        assert not client.exists(CLAIM)


@pytest.fixture
def client_with_prefix(broker_url):
    pool = redis.ConnectionPool.from_url(broker_url)
    with PrefixedStrictRedis(global_keyprefix="host:", connection_pool=pool) as client:
        yield client
    pool.disconnect()


@pytest.fixture
def claims(client_with_prefix):
    return QueueClaims(client_with_prefix, uuid.uuid4())


@pytest.fixture
def other_claims(client_with_prefix):
    return QueueClaims(client_with_prefix, uuid.uuid4())


@pytest.mark.redis
class TestWorkersOfOneInstallation:
    def test_one_that_died_does_not_keep_the_claim_of_another(self, claims, redis_process):
        dead, alive = uuid.uuid4(), uuid.uuid4()
        claims.claim(["crews"], dead, seconds=0.001)

        def is_free_after_the_last() -> bool:
            claims.claim(["crews"], alive, seconds=60)
            claims.release(["crews"], alive)
            return not keys(redis_process)

        wait_until(is_free_after_the_last, what="the end of the dead worker's part")

    def test_each_prolongs_it_and_the_last_gives_it_up(self, claims, redis_process):
        first, last = uuid.uuid4(), uuid.uuid4()
        claims.claim(["crews"], first, seconds=60)
        claims.claim(["crews"], last, seconds=600)
        with redis_process.client() as client:
            assert client.pttl("host:crewexec:claim:crews") > 60_000
        claims.release(["crews"], first)
        assert "host:crewexec:claim:crews" in keys(redis_process)
        assert {key.partition(":")[0] for key in keys(redis_process)} == {"host"}
        claims.release(["crews"], last)
        assert not keys(redis_process)

    def test_those_of_another_cannot_give_it_up(self, claims, other_claims, redis_process):
        ours, theirs = uuid.uuid4(), uuid.uuid4()
        claims.claim(["crews"], ours, seconds=60)
        with pytest.raises(QueueTaken):
            other_claims.claim(["crews", "cleanup"], theirs, seconds=60)
        other_claims.release(["crews"], theirs)
        with pytest.raises(QueueTaken):
            other_claims.check("crews")
        with pytest.raises(QueueTaken):  # which was free
            claims.check("cleanup")


def keys(redis_process):
    with redis_process.client() as client:
        return [key for key in client.scan_iter() if not key.startswith("_kombu")]


@pytest.mark.sqlite_enough
def test_orders_of_another_application_are_refused(other, start_worker, admin):
    start_worker(pool="threads")
    assert admin("GET", "/health/ready").status_code == 200
    api = Api(other.test_client(), host.ADMIN)
    order = {"graph_id": api.graph(documents.chain("a"))}
    answer = api("POST", "/executions", json=order)
    assert "'crew_execution'" in problem(answer, 503, "broker-unavailable")["detail"]


@pytest.mark.settings(EXECUTION_QUEUE="crews", CLEANUP_QUEUE="tidying")
def test_queues_have_the_names_of_the_settings(app, start_worker, admin, api, model):
    assert admin("GET", "/queues").json["queues"].keys() == {"crews", "tidying"}
    id = api.queue(documents.chain("a"), priority=3)
    assert admin("GET", "/queues").json["queues"]["crews"]["3"] == 1
    start_worker(pool="threads", queues=("crews", "tidying"))
    assert api.ended(id)["status"] == "completed"
    event = {"action": "reconcile"}
    done = app.extensions["celery"].send_task("crewexec.cleanup", (event,), ignore_result=False)
    assert "retried" in done.get(timeout=30)
    ready = admin("GET", "/health/ready?require=workers")
    assert {"workers:crews", "workers:tidying"} <= ready.json["checks"].keys()
    assert ready.status_code == 200


def test_a_message_of_an_unknown_execution_is_dropped_and_logged(app, caplog):
    id = str(uuid.uuid4())
    assert execution.handle({"execution_id": id, "attempt": 1})["outcome"] == "not-claimed"
    (record,) = (each for each in caplog.records if each.levelname == "ERROR")
    assert f"execution {id}, which the database does not know" in record.getMessage()
