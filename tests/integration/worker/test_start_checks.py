"""What is wrong with an environment or a registration is found when a worker starts."""

from __future__ import annotations

import json
import typing as t

import pytest
from celery import Celery

from flask_crewexec import Approval
from flask_crewexec import Secret
from flask_crewexec.app_state import current_app_state
from flask_crewexec.messaging.broker import check_broker
from flask_crewexec.runtime.start_checks import check_approvals
from flask_crewexec.runtime.start_checks import check_models
from flask_crewexec.worker.preload import check_registered
from support.servers.processes import StartFailed

pytestmark = pytest.mark.sqlite_enough


def test_a_worker_does_not_start_where_no_model_can_be_reached(start_worker, environment):
    environment["SSL_CERT_FILE"] = "/nonexistent/ca.pem"
    with pytest.raises(StartFailed, match="with its environment: check 'SSL_CERT_FILE'"):
        start_worker(fork_server=None)


def test_a_worker_names_models_that_cannot_be_used(start_worker, environment):
    environment["MISSPELT_OPTION"] = "temprature"
    log = start_worker(fork_server=None).log_text()
    assert "Model 'misspelt' cannot be used" in log
    assert "'temprature'" in log
    assert log.count("cannot be used") == 1


class TestModels:
    @pytest.mark.parametrize(
        "options",
        [
            {"provider": "no-such"},
            {"provider": "gemini"},
            {"temprature": 0.2},
            {"top_p": "much"},
            {"model": lambda: 1 / 0},
        ],
    )
    def test_a_mistake_is_logged(self, app, caplog, options):
        crewexec = app.extensions["crewexec_host"]
        crewexec.llm("wrong", **{"model": "m", "base_url": "http://model.invalid", **options})
        check_models(current_app_state())
        assert "Model 'wrong' cannot be used: " in caplog.text

    def test_keys_are_not_needed(self, app, caplog):
        def fail() -> str:
            raise LookupError

        for name, key in {"a": fail, "b": Secret("b")}.items():
            app.extensions["crewexec_host"].llm(name, "m", api_key=key)
        check_models(current_app_state())
        assert "cannot be used" not in caplog.text


class Order:
    """What Pydantic cannot describe."""


def test_tools_whose_arguments_cannot_be_used_are_logged(app, caplog):
    @app.extensions["crewexec_host"].tool("pay", description="Pay.")
    def pay(euros: int, order: Order) -> None: ...

    check_registered(current_app_state())
    (logged,) = (each for each in caplog.records if "'pay'" in each.message)
    assert logged.levelname == "ERROR"
    assert "its parameter 'order'" in logged.message


class TestApprovals:
    @pytest.fixture
    def register(self, app):
        """A function that registers a tool with an approval."""

        def register(**options: t.Any) -> None:
            @app.extensions["crewexec_host"].tool("pay", approval=Approval(**options))
            def pay(order: str) -> str:
                """Pay an order."""
                return order

        return register

    def test_that_nobody_could_give_are_logged(self, register, caplog):
        register(four_eyes=True)
        check_approvals(current_app_state())
        assert "Nobody can approve calls of the tool 'pay'" in caplog.text

    @pytest.mark.parametrize(
        "options",
        [
            {},
            {"four_eyes": True, "roles": {"boss"}},
            {"four_eyes": True, "graph_may_assign": True},
        ],
    )
    def test_that_somebody_could_give_are_not(self, register, caplog, options):
        register(**options)
        check_approvals(current_app_state())
        assert "Nobody" not in caplog.text

    def test_the_application_may_name_somebody(self, app, register, caplog):
        register(four_eyes=True)
        app.extensions["crewexec_host"].assign(lambda question: {"users": ["ann"]})
        check_approvals(current_app_state())
        assert "Nobody" not in caplog.text


class TestCeleryApps:
    """The host's Celery app was made after ``init_app``."""

    def start(self, start_worker, queue, **variables):
        module = "support.host_app.late_celery"
        return start_worker(variables, app=module, queues=(queue,))

    def test_a_worker_of_one_that_was_stored_too_late_ends(self, start_worker):
        with pytest.raises(StartFailed, match=r"another Celery app in 'app.extensions\["):
            self.start(start_worker, "celery", STORED_LATE="1")

    def test_a_worker_of_our_queue_without_our_tasks_ends(self, start_worker):
        with pytest.raises(StartFailed, match="does not know the tasks of 'CrewExec'"):
            self.start(start_worker, "crew_execution")

    def test_a_worker_of_other_queues_starts(self, start_worker):
        assert self.start(start_worker, "mails").running

    def test_web_processes_warn_once(self, app, caplog):
        app.extensions["celery"] = Celery("late", set_as_current=False)
        for _ in range(2):
            check_broker(current_app_state())
        assert caplog.text.count("another Celery app") == 1


class TestLateSettings:
    """The host sets options of its Celery app after ``init_app``."""

    @pytest.mark.parametrize(
        "settings",
        [
            {"broker_transport_options": {"visibility_timeout": 60}},
            {"task_routes": {"mail": {"queue": "mails"}}},
        ],
        ids=lambda settings: next(iter(settings)),
    )
    def test_a_worker_that_would_not_find_our_messages_ends(self, start_worker, settings):
        variables = {"LATE_SETTINGS": json.dumps(settings)}
        with pytest.raises(StartFailed, match=f"has set '{next(iter(settings))}' of its Celery"):
            start_worker(variables, app="support.host_app.late_settings")

    def test_other_settings_may_be_late(self, start_worker):
        settings = {"task_track_started": True, "task_default_queue": "mails"}
        variables = {"LATE_SETTINGS": json.dumps(settings)}
        assert start_worker(variables, app="support.host_app.late_settings").running

    def test_web_processes_warn_once(self, app, caplog):
        app.extensions["celery"].conf.broker_transport_options = {"visibility_timeout": 60}
        for _ in range(2):
            check_broker(current_app_state())
        assert caplog.text.count("has set 'broker_transport_options'") == 1
