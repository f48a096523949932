"""The size of a status: the largest outputs are left out, and found elsewhere."""

from __future__ import annotations

import pytest

from flask_crewexec import AsyncExecutionService
from flask_crewexec.errors import NotFound
from support.api_client import problem
from support.graphs import documents
from support.in_process import run

# The outputs are 1,000 times the letter, and as JSON a few hundred characters longer.
pytestmark = pytest.mark.settings(MAX_STATUS_CHARS=4_000)


def words(letter: str, count: int = 1_000) -> str:
    return letter * count


@pytest.fixture
def answers(model):
    """The outputs of three steps, of which the second is the largest."""
    texts = [words("a"), words("b", 3_000), words("c")]
    for name, text in zip("abc", texts, strict=True):
        model.on(f"Do {name}", text)
    return texts


@pytest.fixture
def id(api, answers):
    id = api.queue(documents.chain("a", "b", "c"))
    assert run(id) == "completed"
    return id


class TestStatus:
    def test_the_largest_output_is_left_out_and_linked(self, api, id, answers):
        status = api.status(id)
        first, second, third = status["steps"]
        assert [first["output"], second["output"], third["output"]] == [
            words("a"),
            None,
            words("c"),
        ]
        assert [each["output_omitted"] for each in status["steps"]] == [False, True, False]
        assert (first["output_url"], third["output_url"]) == (None, None)
        assert second["output_url"] == f"/crewexec/executions/{id}/steps/1"
        assert status["result"]["raw"] == words("c")
        assert (status["result_omitted"], status["result_url"]) == (False, None)

    def test_the_link_brings_the_step_whole(self, api, id, answers):
        _, linked, _ = api.status(id)["steps"]
        answer = api("GET", linked["output_url"].removeprefix("/crewexec"))
        assert answer.status_code == 200
        own = {"output_omitted", "output_url"}
        rest = {name: value for name, value in linked.items() if name not in own}
        assert answer.json == {**rest, "output": words("b", 3_000)}

    @pytest.mark.settings(MAX_STATUS_CHARS=900)
    def test_a_result_that_is_too_large_is_linked(self, api, id):
        status = api.status(id)
        assert (status["result"], status["result_omitted"]) == (None, True)
        assert {step["output"] for step in status["steps"]} == {None}
        answer = api("GET", status["result_url"].removeprefix("/crewexec"))
        assert answer.json == {"raw": words("c"), "json": None}

    def test_nothing_is_left_out_before_there_is_anything(self, api, answers):
        status = api.status(api.queue(documents.chain("a")))
        assert (status["result"], status["result_omitted"], status["steps"]) == (None, False, [])


class TestStep:
    @pytest.mark.parametrize("position", ["3", "-1", "x", "²", "9" * 5_000])
    def test_there_is_none_at_another_position(self, api, id, position):
        problem(api("GET", f"/executions/{id}/steps/{position}"), 404, "not-found")

    def test_from_python(self, id):
        service = AsyncExecutionService()
        assert service.get_step(id, 1)["output"] == words("b", 3_000)
        with pytest.raises(NotFound, match="has no step '3'"):
            service.get_step(id, 3)


def test_there_is_no_result_before_the_end(api):
    id = api.queue(documents.chain("a"))
    problem(api("GET", f"/executions/{id}/result"), 409, "wrong-state")
