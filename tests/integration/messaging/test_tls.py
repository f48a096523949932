"""A broker behind TLS, for messages, results and announcements."""

from __future__ import annotations

import ssl

import httpx
import pytest
import trustme

from flask_crewexec.app_state import current_app_state
from flask_crewexec.errors import BrokerUnavailable
from flask_crewexec.messaging.broker import check_broker
from support.graphs import documents
from support.servers.processes import wait_until
from support.servers.redis_process import RedisProcess
from support.servers.redis_servers import chosen_redis
from support.servers.tls_proxy import TlsProxy
from support.sse_client import parse

pytestmark = pytest.mark.sqlite_enough


@pytest.fixture(scope="module")
def authority():
    return trustme.CA()


@pytest.fixture(scope="module")
def proxy(authority, redis_process):
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("localhost").configure_cert(context)
    with TlsProxy(redis_process.port, context) as proxy:
        yield proxy


@pytest.fixture
def trusted(authority):
    """The authority that clients trust."""
    return authority


@pytest.fixture
def parameters(trusted, tmp_path):
    """The parameters of the URL: the authority, and nothing about verification."""
    file = tmp_path / "authority.pem"
    trusted.cert_pem.write_to_path(file)
    return f"ssl_ca_certs={file}"


@pytest.fixture
def broker_url(broker_url, proxy, parameters):
    return f"rediss://localhost:{proxy.port}/0?{parameters}"


def accepts(app_state):
    """Whether the broker accepts messages; a cluster takes a moment to become one."""
    try:
        check_broker(app_state)
    except BrokerUnavailable:
        return False
    return True


class TestTrustedAuthority:
    def test_messages_results_and_announcements_arrive(
        self, app, start_worker, start_server, api, model
    ):
        server = start_server("--worker-class=gthread", "--threads=4")
        id = api.queue(documents.chain("a"))
        url = f"{server.url}/crewexec/executions/{id}/events"
        headers = {"X-User": "ada", "Accept": "text/event-stream"}
        with httpx.stream("GET", url, headers=headers, timeout=60, trust_env=False) as answer:
            start_worker(pool="prefork")
            assert list(parse(answer.iter_lines()))[-1].type == "end"
        assert "unavailable" not in server.log_text()
        celery = app.extensions["celery"]
        result = celery.send_task(
            "crewexec.cleanup", ({"action": "reconcile"},), ignore_result=False
        )
        assert "retried" in result.get(timeout=30)

    def test_greenlets_of_a_server_that_was_loaded_before(self, start_worker, start_server):
        start_worker(pool="threads")
        server = start_server("--worker-class=gevent", "--preload")
        ready = f"{server.url}/crewexec/health/ready"
        wait_until(
            lambda: httpx.get(ready, timeout=60, trust_env=False).status_code == 200,
            what="readiness",
        )


class TestAnotherAuthority:
    """Its certificates are not trusted, so nothing is sent to the server."""

    @pytest.fixture
    def trusted(self):
        return trustme.CA()

    def test_web_processes_refuse_the_broker(self, app, api):
        with pytest.raises(BrokerUnavailable, match="certificate of the message broker"):
            check_broker(current_app_state())
        assert api("GET", "/health/ready").json["checks"]["broker"] == "not trusted"
        order = {"graph_id": api.graph(documents.chain("a"))}
        answer = api("POST", "/executions", json=order)
        assert answer.status_code == 503
        assert "certificate" in answer.json["detail"]

    def test_clients_of_results_refuse_it(self, app):
        backend = app.extensions["celery"].backend
        with pytest.raises(backend.redis.ConnectionError, match="CERTIFICATE_VERIFY_FAILED"):
            backend.client.ping()


@pytest.mark.parametrize("parameters", [""])
def test_an_unknown_authority_is_refused(app, parameters):
    with pytest.raises(BrokerUnavailable, match="certificate"):
        check_broker(current_app_state())


@pytest.mark.parametrize("parameters", ["ssl_cert_reqs=none"])
def test_verification_can_be_switched_off(app, start_worker, api, parameters):
    start_worker(pool="threads")
    assert api.ended(api.queue(documents.chain("a")))["status"] == "completed"


class TestCluster:
    """One node, which announces itself by the host name of its certificate."""

    @pytest.fixture
    def node(self, tmp_path):
        with RedisProcess(tmp_path / "node", chosen_redis(), cluster=True) as node:
            with node.client() as client:
                client.execute_command("CLUSTER ADDSLOTSRANGE", 0, 16383)
            yield node

    @pytest.fixture
    def broker_url(self, node, authority, parameters):
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        authority.issue_cert("localhost").configure_cert(context)
        with TlsProxy(node.port, context) as proxy, node.client() as client:
            client.config_set("cluster-announce-port", proxy.port)
            client.config_set("cluster-announce-hostname", "localhost")
            client.config_set("cluster-preferred-endpoint-type", "hostname")
            yield f"rediss+cluster://localhost:{proxy.port}/0?{parameters}"

    def test_messages_and_results_are_accepted(self, app):
        wait_until(lambda: accepts(current_app_state()), what="the cluster")
        backend = app.extensions["celery"].backend
        key = backend.get_key_for_task("a")
        backend.client.set(key, "1")
        assert backend.client.get(key) == b"1"
