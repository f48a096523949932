"""Quotas of a user: queued executions, tokens per day and requests per minute."""

from __future__ import annotations

import datetime as dt

import pytest

from flask_crewexec import AsyncExecutionService
from flask_crewexec import clock
from flask_crewexec.errors import PriorityTooUrgent
from flask_crewexec.errors import QueueQuotaExceeded
from flask_crewexec.web import rate_limit
from support.api_client import Api
from support.api_client import problem
from support.graphs import documents
from support.host_app import host
from support.in_process import change
from support.in_process import column
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
    def test_one_too_many_is_refused_until_another_has_started(self, api, graph):
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

    def test_executions_that_wait_for_a_retry_count(self, api, graph):
        for _ in range(2):
            change(order(api, graph).json["id"], status="retrying")
        problem(order(api, graph), 429, "queue-quota-exceeded")

    def test_retries_count(self, api, admin, graph):
        ended = order(api, graph).json["id"]
        api("POST", f"/executions/{ended}/cancel")
        for _ in range(2):
            order(api, graph)
        for requester in (api, admin):
            answer = requester("POST", f"/executions/{ended}/retry")
            problem(answer, 429, "queue-quota-exceeded")
            assert answer.headers["Retry-After"]
        assert api.status(ended)["status"] == "cancelled"

    def test_a_repeated_submission_is_answered(self, api, graph):
        id = order(api, graph, key="k").json["id"]
        order(api, graph)
        answer = order(api, graph, key="k")
        assert (answer.status_code, answer.json["id"]) == (202, id)
        problem(order(api, graph, key="other"), 429, "queue-quota-exceeded")

    def test_a_dry_run_reports_it(self, api, graph):
        for _ in range(2):
            order(api, graph)
        problem(order(api, graph, query="/preview"), 429, "queue-quota-exceeded")

    def test_it_also_applies_in_python(self, api, graph):
        service = AsyncExecutionService()
        for _ in range(2):
            service.queue_execution(graph, None, "ada")
        with pytest.raises(QueueQuotaExceeded):
            service.queue_execution(graph, None, "ada")


@pytest.mark.settings(MAX_TOKENS_PER_DAY=1000)
class TestTokens:
    def test_nothing_is_queued_once_they_are_used(self, api, graph):
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

    def test_tokens_that_were_used_since_it_was_queued_count(self, api, graph, model):
        first, second, third = (order(api, graph).json["id"] for _ in range(3))
        use_tokens(first, 999)
        assert run(second) == "completed"
        assert run(third) == "failed"
        assert api.status(third)["error"]["code"] == "budget-exhausted"
        assert len(model.calls) == 1

    def test_the_limit_of_the_execution_applies_as_well(self, api, graph, model):
        id = api.queue(documents.chain("b", "c"), max_tokens=1)
        assert run(id) == "failed"
        assert api.status(id)["error"]["code"] == "budget-exhausted"
        assert len(model.calls) == 1

    def test_tokens_left_on_one_day_do_not_limit_the_next(self, api, graph, model):
        other = order(api, graph).json["id"]
        use_tokens(other, 999)
        id = api.queue(documents.chain("b", "c"))
        assert run(id) == "failed"
        use_tokens(other, 0)  # as after midnight
        assert api("POST", f"/executions/{id}/retry").status_code == 202
        assert run(id) == "completed"

    def test_retries_count(self, api, graph):
        ended, other = (order(api, graph).json["id"] for _ in range(2))
        use_tokens(ended, 100)
        use_tokens(other, 500)
        api("POST", f"/executions/{ended}/cancel")
        assert api("POST", f"/executions/{ended}/retry").status_code == 202
        use_tokens(other, 900)
        api("POST", f"/executions/{ended}/cancel")
        problem(api("POST", f"/executions/{ended}/retry"), 429, "token-quota-exceeded")

    def test_those_of_yesterday_do_not_count_unless_they_are_retried(self, api, graph):
        yesterday = clock.now() - dt.timedelta(days=1)
        old = copy_of(order(api, graph).json["id"], yesterday)
        use_tokens(old, 1000)
        assert order(api, graph).status_code == 202
        change(old, attempt=2, queued_at=clock.now())
        problem(order(api, graph), 429, "token-quota-exceeded")


@pytest.mark.sqlite_enough
@pytest.mark.settings(MOST_URGENT_PRIORITY=7)
class TestPriority:
    @pytest.mark.parametrize("query", ["", "/preview"])
    def test_a_more_urgent_one_is_refused(self, api, graph, query):
        told = problem(order(api, graph, query=query, priority=6), 422, "priority-too-urgent")
        assert told["errors"][0]["pointer"] == "/priority"
        assert "Your most urgent priority is 7, not 6" in told["detail"]
        assert api("GET", "/executions").json["executions"] == []

    def test_the_default_is_what_is_allowed(self, api, graph):
        assert order(api, graph).json["priority"] == 7
        assert order(api, graph, priority=8).json["priority"] == 8

    def test_it_also_applies_in_python(self, graph):
        service = AsyncExecutionService()
        with pytest.raises(PriorityTooUrgent):
            service.queue_execution(graph, None, "ada", priority=1)
        id = service.queue_execution(graph, None, "ada")
        assert service.get_task_status(id)["priority"] == 7

    def test_a_retry_is_no_more_urgent_than_allowed_now(self, api, graph):
        id = order(api, graph).json["id"]
        change(id, status="failed", priority=2, urgency=2, finished_at=clock.now())
        assert api("POST", f"/executions/{id}/retry").json["priority"] == 7
        assert column(id, "urgency") == 7

    def test_a_repeated_submission_is_answered(self, api, graph):
        id = order(api, graph, key="k").json["id"]
        assert order(api, graph, key="k", priority=5).json["id"] == id


@pytest.mark.sqlite_enough
class TestPlans:
    """A function of the host returns the limit of each user."""

    def make_api(self, environment, monkeypatch, **settings):
        for name, value in environment.items():
            monkeypatch.setenv(name, value)
        app = host.create_app({f"CREWEXEC_{key}": value for key, value in settings.items()})
        with app.app_context():
            app.extensions["sqlalchemy"].create_all()
        return lambda user: Api(app.test_client(), user)

    def test_users_have_the_limits_of_their_plan(self, environment, monkeypatch):
        plans = {"ada": 1, "bob": None}
        users = self.make_api(environment, monkeypatch, MAX_QUEUED_PER_USER=plans.get)
        for user, statuses in {"ada": [202, 429], "bob": [202, 202]}.items():
            graph = users(user).graph(documents.chain("a"))
            assert [order(users(user), graph).status_code for _ in range(2)] == statuses

    def test_an_invalid_return_value_is_a_server_error(self, environment, monkeypatch):
        users = self.make_api(environment, monkeypatch, MAX_QUEUED_PER_USER=lambda user: "many")
        graph = users("ada").graph(documents.chain("a"))
        problem(order(users("ada"), graph), 500, "invalid-configuration")


@pytest.mark.sqlite_enough
@pytest.mark.settings(REQUESTS_PER_MINUTE=3)
@pytest.mark.redis
class TestRequests:
    def test_one_too_many_is_refused_with_the_time_of_the_next(self, api, stranger):
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
    def test_nothing_is_refused_and_counting_continues_afterwards(
        self, api, redis_process, fault, monkeypatch
    ):
        monkeypatch.setattr(rate_limit, "BACKOFF_SECONDS", 0.0)
        assert api("GET", "/graphs").status_code == 200
        fault(redis_process)
        assert [api("GET", "/graphs").status_code for _ in range(3)] == [200] * 3
        redis_process.resume() if fault is stall else redis_process.start()
        answers = [api("GET", "/graphs").status_code for _ in range(2)]
        assert answers[-1] == 429
