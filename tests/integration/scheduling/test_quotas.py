"""What one user may have: executions that wait, tokens a day, requests a minute."""

from __future__ import annotations

import datetime as dt

import pytest

from flask_crewexec import AsyncExecutionService
from flask_crewexec import clock
from flask_crewexec.errors import QueueQuotaExceeded
from flask_crewexec.web import rate_limit
from support.api_client import Api
from support.api_client import problem
from support.graphs import documents
from support.host_app import host
from support.in_process import change
from support.in_process import copy_of
from support.in_process import run
from support.servers.broker_faults import stall
from support.servers.redis_process import RedisProcess
from support.servers.redis_servers import chosen_redis


@pytest.fixture
def graph(api):
    return api.graph(documents.chain("a"))


def order(api, graph, *, key=None, query="", **more):
    headers = {} if key is None else {"Idempotency-Key": key}
    body = {"graph_id": graph, **more}
    return api("POST", f"/executions{query}", json=body, headers=headers)


def use_tokens(id, tokens):
    change(id, prompt_tokens=tokens - 1, completion_tokens=1)


def seconds_to_midnight():
    now = clock.now()
    return 86_400 - (now.hour * 3600 + now.minute * 60 + now.second)


@pytest.mark.settings(MAX_QUEUED_PER_USER=2)
class TestQueued:
    def test_one_too_many_is_refused_until_one_has_started(self, api, graph):
        ids = [order(api, graph).json["id"] for _ in range(2)]
        answer = order(api, graph)
        told = problem(answer, 429, "queue-quota-exceeded")
        assert "2 of your executions are waiting, and 2 are allowed" in told["detail"]
        assert int(answer.headers["Retry-After"]) > 0
        assert len(api("GET", "/executions").json["executions"]) == 2
        run(ids[0])
        assert order(api, graph).status_code == 202

    def test_those_of_others_do_not_count(self, api, stranger, graph):
        for _ in range(2):
            stranger.queue(documents.chain("b"))
        assert order(api, graph).status_code == 202

    def test_what_waits_for_a_retry_counts(self, api, graph):
        for _ in range(2):
            change(order(api, graph).json["id"], status="retrying")
        problem(order(api, graph), 429, "queue-quota-exceeded")

    def test_trying_again_counts(self, api, admin, graph):
        ended = order(api, graph).json["id"]
        api("POST", f"/executions/{ended}/cancel")
        for _ in range(2):
            order(api, graph)
        for requester in (api, admin):
            answer = requester("POST", f"/executions/{ended}/retry")
            problem(answer, 429, "queue-quota-exceeded")
            assert answer.headers["Retry-After"]
        assert api.status(ended)["status"] == "cancelled"

    def test_an_order_that_was_placed_before_is_answered(self, api, graph):
        id = order(api, graph, key="k").json["id"]
        order(api, graph)
        answer = order(api, graph, key="k")
        assert (answer.status_code, answer.json["id"]) == (202, id)
        problem(order(api, graph, key="other"), 429, "queue-quota-exceeded")

    def test_a_dry_run_says_so(self, api, graph):
        for _ in range(2):
            order(api, graph)
        problem(order(api, graph, query="?dry_run=true"), 429, "queue-quota-exceeded")

    def test_it_holds_from_python(self, api, graph):
        service = AsyncExecutionService()
        for _ in range(2):
            service.queue_execution(graph, None, "ada")
        with pytest.raises(QueueQuotaExceeded):
            service.queue_execution(graph, None, "ada")


@pytest.mark.settings(MAX_TOKENS_PER_DAY=1000)
class TestTokens:
    def test_nothing_is_queued_once_they_are_spent(self, api, graph):
        use_tokens(order(api, graph).json["id"], 1000)
        answer = order(api, graph)
        told = problem(answer, 429, "token-quota-exceeded")
        assert "used 1000 tokens today, and 1000 are allowed" in told["detail"]
        assert abs(int(answer.headers["Retry-After"]) - seconds_to_midnight()) < 60

    def test_those_of_running_executions_count(self, api, graph):
        id = order(api, graph).json["id"]
        change(id, status="running")
        use_tokens(id, 1000)
        problem(order(api, graph), 429, "token-quota-exceeded")

    def test_those_of_others_do_not(self, api, stranger, graph):
        use_tokens(stranger.queue(documents.chain("b")), 1000)
        assert order(api, graph).status_code == 202

    def test_the_limit_of_the_day_ends_a_run(self, api, graph, model):
        use_tokens(order(api, graph).json["id"], 999)
        id = api.queue(documents.chain("b", "c"))
        assert run(id) == "failed"
        assert api.status(id)["error"]["code"] == "budget-exhausted"
        assert len(model.calls) == 1

    def test_what_others_have_used_since_it_was_queued_counts(self, api, graph, model):
        first, second, third = (order(api, graph).json["id"] for _ in range(3))
        use_tokens(first, 999)
        assert run(second) == "completed"
        assert run(third) == "failed"
        assert api.status(third)["error"]["code"] == "budget-exhausted"
        assert len(model.calls) == 1

    def test_a_limit_of_its_own_counts_as_well(self, api, graph, model):
        id = api.queue(documents.chain("b", "c"), max_tokens=1)
        assert run(id) == "failed"
        assert api.status(id)["error"]["code"] == "budget-exhausted"
        assert len(model.calls) == 1

    def test_what_was_left_on_one_day_is_no_limit_of_the_next(self, api, graph, model):
        other = order(api, graph).json["id"]
        use_tokens(other, 999)
        id = api.queue(documents.chain("b", "c"))
        assert run(id) == "failed"
        use_tokens(other, 0)  # as after midnight
        assert api("POST", f"/executions/{id}/retry").status_code == 202
        assert run(id) == "completed"

    def test_trying_again_counts(self, api, graph):
        ended, other = (order(api, graph).json["id"] for _ in range(2))
        use_tokens(ended, 100)
        use_tokens(other, 500)
        api("POST", f"/executions/{ended}/cancel")
        assert api("POST", f"/executions/{ended}/retry").status_code == 202
        use_tokens(other, 900)
        api("POST", f"/executions/{ended}/cancel")
        problem(api("POST", f"/executions/{ended}/retry"), 429, "token-quota-exceeded")

    def test_those_of_yesterday_do_not_count_until_they_are_tried_again(self, api, graph):
        yesterday = clock.now() - dt.timedelta(days=1)
        old = copy_of(order(api, graph).json["id"], yesterday)
        use_tokens(old, 1000)
        assert order(api, graph).status_code == 202
        change(old, attempt=2, queued_at=clock.now())
        problem(order(api, graph), 429, "token-quota-exceeded")


@pytest.mark.sqlite_enough
class TestPlans:
    """A function of the host says what each user may have."""

    def make_api(self, environment, monkeypatch, **settings):
        for name, value in environment.items():
            monkeypatch.setenv(name, value)
        app = host.create_app({f"CREWEXEC_{key}": value for key, value in settings.items()})
        with app.app_context():
            app.extensions["sqlalchemy"].create_all()
        return lambda user: Api(app.test_client(), user)

    def test_users_have_what_their_plan_says(self, environment, monkeypatch):
        plans = {"ada": 1, "bob": None}
        users = self.make_api(environment, monkeypatch, MAX_QUEUED_PER_USER=plans.get)
        for user, statuses in {"ada": [202, 429], "bob": [202, 202]}.items():
            graph = users(user).graph(documents.chain("a"))
            assert [order(users(user), graph).status_code for _ in range(2)] == statuses

    def test_a_function_that_answers_nonsense_is_an_error_of_ours(self, environment, monkeypatch):
        users = self.make_api(environment, monkeypatch, MAX_QUEUED_PER_USER=lambda user: "many")
        graph = users("ada").graph(documents.chain("a"))
        problem(order(users("ada"), graph), 500, "invalid-configuration")


@pytest.mark.sqlite_enough
@pytest.mark.settings(REQUESTS_PER_MINUTE=3)
@pytest.mark.redis
class TestRequests:
    def test_the_next_request_is_refused_with_retry_after(self, api, stranger):
        assert [api("GET", "/graphs").status_code for _ in range(3)] == [200] * 3
        answer = api("POST", "/graphs", json={})
        problem(answer, 429, "too-many-requests")
        assert 1 <= int(answer.headers["Retry-After"]) <= 60
        assert stranger("GET", "/graphs").status_code == 200

    def test_web_processes_count_together(self, app, api):
        other = Api(host.create_app().test_client(), api.user)
        answers = [each("GET", "/graphs").status_code for each in (api, other) * 2]
        assert answers == [200, 200, 200, 429]

    def test_health_and_metrics_are_not_limited(self, api, admin, client):
        for _ in range(4):
            api("GET", "/graphs")
            assert client.get("/crewexec/health/live").status_code == 200
            assert admin("GET", "/metrics").status_code == 200


@pytest.mark.sqlite_enough
@pytest.mark.settings(REQUESTS_PER_MINUTE=1)
class TestRequestsWithoutBroker:
    @pytest.fixture
    def redis_process(self, tmp_path):
        """A server of our own, since we stop it."""
        with RedisProcess(tmp_path / "redis", chosen_redis()) as process:
            yield process

    @pytest.mark.parametrize("fault", [RedisProcess.stop, stall], ids=["stop", "stall"])
    def test_requests_are_allowed_and_counted_again_afterwards(
        self, api, redis_process, fault, monkeypatch
    ):
        monkeypatch.setattr(rate_limit, "BACKOFF_SECONDS", 0.0)
        assert api("GET", "/graphs").status_code == 200
        fault(redis_process)
        assert [api("GET", "/graphs").status_code for _ in range(3)] == [200] * 3
        redis_process.resume() if fault is stall else redis_process.start()
        answers = [api("GET", "/graphs").status_code for _ in range(2)]
        assert answers[-1] == 429
