"""Lists of executions by the code of their error."""

from __future__ import annotations

import pytest

from flask_crewexec import AsyncExecutionService
from flask_crewexec.storage import database_clock
from flask_crewexec.tasks import cleanup
from flask_crewexec.testing import ScriptedModel
from support.api_client import Api
from support.graphs import documents
from support.in_process import change
from support.in_process import run


def with_code(code: str) -> list[str]:
    found = AsyncExecutionService().for_user("ada").list_executions(code=code)
    return [execution["id"] for execution in found]


def test_a_retry_clears_the_code_of_a_failure(api: Api, model: ScriptedModel) -> None:
    model.on("Do a", "ALPHA")
    other = api.queue(documents.chain("a"))
    assert run(other) == "completed"
    id = api.queue(documents.chain("a", "b"), max_llm_calls=1)
    assert run(id) == "failed"
    assert with_code("budget-exhausted") == [id]
    api.again(id)
    assert with_code("budget-exhausted") == []


@pytest.mark.settings(RETRY_DELAY=1000)
def test_the_code_is_that_of_the_last_error(api: Api, model: ScriptedModel) -> None:
    model.on("Do a", status=500)
    id = api.queue(documents.chain("a"), timeout=100)
    assert run(id) == "retrying"
    code = api.status(id)["error"]["code"]
    assert with_code(code) == [id]
    change(id, deadline=database_clock.seconds_from_now(-1))
    assert cleanup.handle({"action": "reconcile"})["timed_out"] == 1
    assert with_code(code) == []
    assert with_code("deadline-exceeded") == [id]


def test_ids_and_users_from_python(api: Api, stranger: Api) -> None:
    own, theirs = (user.queue(documents.chain("a")) for user in (api, stranger))
    service = AsyncExecutionService()
    assert [each["id"] for each in service.list_executions(ids=[own])] == [own]
    assert [each["id"] for each in service.list_executions(user_id="mallory")] == [theirs]
    assert service.for_user("ada").list_executions(user_id="mallory") == []
