"""``flask crewexec record``, and what a recording contains."""

from __future__ import annotations

import json

import pytest

from flask_crewexec import AsyncExecutionService
from flask_crewexec import Identity
from flask_crewexec.errors import NotFound
from flask_crewexec.errors import WrongState
from flask_crewexec.schemas.calls import MAX_CALLS
from flask_crewexec.testing import ScriptedModel
from support.graphs import documents
from support.host_app import host
from support.in_process import run
from support.in_process import stored_calls
from support.input_requests import answer
from support.scripted_turns import tool_calls
from support.scripted_turns import Turn

pytestmark = [pytest.mark.libraries, pytest.mark.sqlite_enough]

service = AsyncExecutionService()
WORDS = {"text": "a b c"}


@pytest.fixture
def command(app):
    runner = app.test_cli_runner()
    return lambda id: runner.invoke(args=["crewexec", "record", id])


def queue_counting(api, model, *tools: str) -> str:
    """Queue a step that counts words, then answers."""
    model.add(Turn(raw=tool_calls(("count_words", WORDS)), results=0))
    model.add(Turn(reply="THREE", results=1))
    return api.queue(documents.chain("a", tools=("count_words", *tools)))


@pytest.fixture
def counted(api, model) -> str:
    id = queue_counting(api, model)
    assert run(id) == "completed"
    return id


class TestContents:
    def test_it_has_the_graph_the_inputs_and_the_user(self, command, api, model):
        model.on("Tell about tea", "Tea is a plant.")
        id = api.queue(documents.ONE_TASK, inputs={"topic": "tea"})
        run(id)
        recording = json.loads(command(id).stdout)
        assert (recording["format"], recording["version"]) == ("flask-crewexec-recording", 1)
        assert (recording["execution"], recording["status"]) == (id, "completed")
        assert (recording["graph"], recording["inputs"]) == (documents.ONE_TASK, {"topic": "tea"})
        assert (recording["user_id"], recording["incomplete"]) == ("ada", [])

    def test_model_calls_have_all_messages_and_neutral_answers(self, command, counted):
        first, tool, last = json.loads(command(counted).stdout)["calls"]
        assert (first["kind"], first["step"], first["agent"]) == ("model", "a", "Writer")
        assert first["answer"] == {
            "tool_calls": [{"name": "count_words", "arguments": WORDS}],
            "finish_reason": "tool_calls",
        }
        assert (tool["kind"], tool["arguments"], tool["text"]) == ("tool", WORDS, "3")
        roles = [message["role"] for message in last["messages"]]
        assert roles == ["system", "user", "assistant", "tool"]
        assert last["answer"] == {"text": "THREE", "finish_reason": "stop"}
        assert last["usage"]["completion_tokens"] == 1

    def test_what_people_have_answered_is_in_order(self, command, api, model):
        graph = documents.with_data(documents.chain("a"), "a", human_input=True)
        id = api.queue(graph)
        run(id)
        answer(api, id, "change", text="Shorter.")
        run(id)
        answer(api, id, "approve")
        run(id)
        first, second = json.loads(command(id).stdout)["answers"]
        assert (first["decision"], first["text"], first["round"]) == ("change", "Shorter.", 1)
        assert (second["decision"], second["kind"], second["step_name"]) == (
            "approve",
            "review",
            "a",
        )

    def test_failures_are_recorded_and_replayed(self, command, api, model):
        model.on("Do a", status=401)
        id = api.queue(documents.chain("a"))
        assert run(id) == "failed"
        recording = json.loads(command(id).stdout)
        assert recording["calls"][0]["error"] == {"code": "model-refused-key", "status": 401}
        model.reset()
        model.replay(recording)
        again = api.queue(documents.chain("a"))
        assert run(again) == "failed"
        assert api.status(again)["error"]["code"] == "model-refused-key"

    def test_many_calls_are_read_page_by_page(self, command, api, model):
        calls = [("count_words", {"text": f"{number}"}) for number in range(150)]
        model.add(Turn(raw=tool_calls(*calls), results=0))
        id = api.queue(documents.chain("a", tools=("count_words",)))
        run(id)
        numbers = [call["number"] for call in json.loads(command(id).stdout)["calls"]]
        assert numbers == [call.number for call in stored_calls(id)]
        assert len(numbers) > MAX_CALLS


class TestSecrets:
    def test_a_secret_stays_out_and_stands_for_any_text(self, command, api, model):
        model.add(Turn(raw=tool_calls(("tell_key", {})), results=0), Turn(reply="Told.", results=1))
        id = api.queue(documents.chain("a", tools=("tell_key",)))
        assert run(id) == "completed"
        result = command(id)
        assert host.OWN_KEYS["tool", "ada"] not in result.stdout
        assert "The key is [secret]." in result.stdout
        lines = result.stderr.splitlines()
        assert lines
        assert all(line.startswith("Warning: Call ") for line in lines)
        assert all("such as a secret" in line for line in lines)
        model.reset()
        model.replay(json.loads(result.stdout))
        assert run(api.queue(documents.chain("a", tools=("tell_key",)))) == "completed"
        model.check()


class TestWhatIsMissing:
    @pytest.mark.settings(CALL_LOG="off")
    def test_the_call_log_is_off(self, command, counted):
        result = command(counted)
        assert (result.exit_code, result.stdout) == (1, "")
        assert "No calls of this execution are stored" in result.stderr
        assert "'CREWEXEC_CALL_LOG' is \"off\"" in result.stderr

    @pytest.mark.settings(CALL_LOG="shape")
    def test_only_the_shape_is_kept(self, command, counted):
        result = command(counted)
        assert (result.exit_code, result.stdout) == (1, "")
        assert "'CREWEXEC_CALL_LOG' to \"content\"" in result.stderr

    @pytest.mark.settings(MAX_CALL_CHARS=500)
    def test_a_large_call_is_cut(self, command, api, model):
        model.on("Do a", "long " * 1_000)
        id = api.queue(documents.chain("a", "b"))
        run(id)
        result = command(id)
        assert result.exit_code == 0
        assert "Warning: Call 1 (model 'gpt-4o-mini') is larger than" in result.stderr

    def test_there_is_no_such_execution(self, command):
        result = command("00000000-0000-7000-8000-000000000000")
        assert result.exit_code == 1
        assert "There is no execution" in result.stderr


class TestRights:
    def test_users_record_their_own_executions(self, counted):
        assert service.for_user("ada").record(counted)["execution"] == counted
        with pytest.raises(NotFound):
            service.for_user("mallory").record(counted)

    @pytest.mark.settings(MANAGERS_SEE_CONTENT=False)
    def test_managers_who_do_not_see_contents_do_not_record_them(self, counted):
        with pytest.raises(WrongState, match="not for you to see"):
            service.for_user(Identity("boss", may_manage_others=True)).record(counted)

    def test_the_redactor_of_the_host_has_seen_it(self, app, counted):
        crewexec = app.extensions["crewexec_host"]
        crewexec.redactor(lambda text, goes: text.replace("THREE", f"[{goes}]"))
        assert service.record(counted)["calls"][-1]["answer"]["text"] == "[shown]"


def test_a_recording_is_replayed_from_another_process(tmp_path, counted):
    path = tmp_path / "run.json"
    path.write_text(json.dumps(service.record(counted)))
    with ScriptedModel() as other:
        recording = other.replay(path)
    assert [call["kind"] for call in recording.calls] == ["model", "tool", "model"]
