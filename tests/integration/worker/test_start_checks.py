"""What is wrong with an environment or a registration is found when a worker starts."""

from __future__ import annotations

import pytest

from flask_crewexec import Secret
from flask_crewexec.app_state import current_app_state
from flask_crewexec.runtime.start_checks import check_models
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
