"""What models answer, when it is not what one expects; with the real engine."""

from __future__ import annotations

import contextlib
import json
import signal

import pytest

from flask_crewexec import Secret
from flask_crewexec.app_state import current_app_state
from flask_crewexec.registry.secrets import SecretResolver
from flask_crewexec.runtime.crewai_shims.openai_llm import OpenAILLM
from flask_crewexec.runtime.llm_builder import build_llm
from flask_crewexec.runtime.model_connections import ModelConnections
from flask_crewexec.testing import Rule
from support.graphs import documents

from .test_runner import run

pytestmark = [pytest.mark.libraries, pytest.mark.sqlite_enough, pytest.mark.settings(MAX_RETRIES=0)]

HTML = {"content-type": "text/html"}


def completion(message, finish_reason="stop", **more):
    choice = {"index": 0, "message": message, "finish_reason": finish_reason}
    usage = {"prompt_tokens": 10, "completion_tokens": 5}
    return json.dumps({"id": "c1", "choices": [choice], "usage": usage, **more}).encode()


def chunks(*deltas, finish_reason="stop"):
    each = [{"choices": [{"index": 0, "delta": delta}]} for delta in deltas]
    each.append({"choices": [{"index": 0, "delta": {}, "finish_reason": finish_reason}]})
    return b"".join(b"data: " + json.dumps(chunk).encode() + b"\n\n" for chunk in each)


def error(**fields):
    return json.dumps({"choices": None, "error": {"message": "no", **fields}}).encode()


def on(model, *, name="default", tools=()):
    """Return a chain of one task with a model."""
    document = documents.chain("a", tools=tools)
    document["nodes"].append({"id": "m", "type": "llm", "data": {"name": name}})
    document["edges"].append({"source": "m", "target": document["nodes"][0]["id"]})
    return document


@pytest.mark.parametrize("name", ["default", "streaming"])
class TestAnswers:
    @pytest.mark.parametrize(
        ("raw", "result"),
        [
            (completion({"content": "hello"}), "hello"),
            (chunks({"content": "hel"}, {"content": "lo"}), "hello"),
            (completion({"content": [{"type": "text", "text": "hello"}]}), "hello"),
            (completion({"content": "<think>hm</think>hello"}), "hello"),
            (completion({"content": "cut \ud83d"}), "cut \ufffd"),
            (completion({"content": "hello"}, usage={"prompt_tokens": None}), "hello"),
            (completion({"content": "hello"}, usage={"prompt_tokens": 10**19}), "hello"),
            (completion({"content": "hello"}, usage={"prompt_tokens": -7}), "hello"),
        ],
    )
    def test_what_can_be_read_is_the_result(self, api, model, name, raw, result):
        model.add(Rule(raw=raw))
        id = api.queue(on(model, name=name))
        assert run(id) == "completed"
        status = api.status(id)
        assert status["result"]["raw"] == result
        assert status["usage"]["total_tokens"] >= 0
        assert len(model.calls) == 1

    @pytest.mark.parametrize(
        ("rule", "code", "transient"),
        [
            (Rule(raw=error(code=429)), "model-rate-limited", True),
            (Rule(raw=error(code=502)), "model-unavailable", True),
            (Rule(raw=error(code="insufficient_quota")), "model-quota-exhausted", False),
            (Rule(raw=b"data: " + error(code=429) + b"\n\n"), "model-rate-limited", True),
            (Rule(raw=b'{"choices": []}'), "model-malformed-answer", True),
            (Rule(raw=b"<html>Bad gateway</html>", headers=HTML), "model-malformed-answer", True),
            (Rule(raw=completion({"content": ""})), "model-empty-answer", True),
            (Rule(raw=completion({"content": None})), "model-empty-answer", True),
            (Rule(raw=completion({"content": " \n"})), "model-empty-answer", True),
            (Rule(raw=completion({"reasoning_content": "hm"})), "model-empty-answer", True),
            (Rule(raw=completion({"refusal": "I cannot."})), "model-refused-answer", False),
            (Rule(raw=completion({}, "content_filter")), "model-content-filtered", False),
            (Rule(status=402), "model-quota-exhausted", False),
            (Rule(status=429, code="insufficient_quota"), "model-quota-exhausted", False),
            (Rule(status=400, code="context_length_exceeded"), "model-context-exceeded", False),
            (Rule(status=413), "model-context-exceeded", False),
        ],
    )
    @pytest.mark.settings(MAX_RETRIES=1)
    def test_what_cannot_be_used_has_a_code_of_its_own(
        self, api, model, name, rule, code, transient
    ):
        model.add(rule)
        id = api.queue(on(model, name=name))
        assert run(id) == ("retrying" if transient else "failed")
        assert api.status(id)["error"]["code"] == code
        assert len(model.calls) == 1

    def test_the_tokens_of_an_answer_that_cannot_be_used_count(self, api, model, name):
        model.add(Rule(raw=completion({"refusal": "I cannot."})))
        id = api.queue(on(model, name=name))
        run(id)
        status = api.status(id)
        assert status["error"]["message"] == "The model refused to answer: I cannot."
        assert status["usage"]["total_tokens"] == 15


class TestTruncated:
    RAW = completion({"content": "half of"}, "length")

    def test_the_step_and_the_history_say_so(self, api, model):
        model.add(Rule(raw=self.RAW))
        id = api.queue(documents.chain("a"))
        assert run(id) == "completed"
        (step,) = api.status(id)["steps"]
        assert (step["output"], step["truncated"]) == ("half of", True)
        (event,) = api.events_of(id, "answer_truncated")
        assert (event["step"], event["model"]) == ("a", "gpt-4o-mini")

    def test_a_later_answer_may_be_whole(self, api, model):
        call = {"id": "1", "function": {"name": "no_such_tool", "arguments": "{}"}}
        model.add(Rule(raw=completion({"tool_calls": [call]}, "length"), times=1))
        model.add(Rule(reply="whole"))
        id = api.queue(documents.chain("a", tools=("say",)))
        assert run(id) == "completed"
        (step,) = api.status(id)["steps"]
        assert (step["output"], step["truncated"]) == ("whole", False)

    def test_a_model_may_fail_instead(self, app, api, model):
        register(app, "strict", on_truncated="fail")
        model.add(Rule(raw=self.RAW))
        id = api.queue(on(model, name="strict"))
        assert run(id) == "failed"
        assert api.status(id)["error"]["code"] == "model-answer-truncated"


def register(app, name, model="gpt-4o-mini", **options):
    given = {"base_url": app.config["MODEL_URL"], "api_key": "sk-scripted", **options}
    app.extensions["crewexec_host"].llm(name, model, **given)


class TestFallbacks:
    @pytest.mark.parametrize(
        "rule",
        [
            Rule(raw=error(code=429)),
            Rule(raw=completion({"content": ""})),
            Rule(raw=completion({"refusal": "I cannot."})),
            Rule(raw=completion({}, "content_filter")),
            Rule(raw=b"<html>Bad gateway</html>"),
            Rule(status=400, code="context_length_exceeded"),
            Rule(status=402),
        ],
    )
    def test_are_asked(self, app, api, model, rule):
        register(app, "spare", "spare")
        register(app, "first", "first", fallbacks=["spare"])
        model.on(model="spare", reply="spare answers").add(rule)
        id = api.queue(on(model, name="first"))
        assert run(id) == "completed"
        assert api.status(id)["result"]["raw"] == "spare answers"
        assert [call.body["model"] for call in model.calls] == ["first", "spare"]


class TestToolCalls:
    TOOL = "say"

    @pytest.mark.parametrize(
        ("name", "arguments", "told"),
        [
            (TOOL, '["x"]', "not a JSON object"),
            (TOOL, '{"text": ', "not a JSON object"),
            (TOOL, '"x"', "not a JSON object"),
            (TOOL, "7", "not a JSON object"),
            (TOOL, f'{{"text": {"[" * 100_000}{"]" * 100_000}}}', "not a JSON object"),
            ("search_web", "{}", "There is no tool 'search_web'. The tools are: 'say'."),
            ("", "{}", "There is no tool ''."),
            ("a\ud83d", "{}", "There is no tool"),
        ],
    )
    def test_the_model_is_told_what_is_wrong(self, api, model, name, arguments, told):
        call = {"id": "1", "function": {"name": name, "arguments": arguments}}
        model.add(Rule(raw=completion({"tool_calls": [call]}), times=1), Rule(reply="done"))
        id = api.queue(documents.chain("a", tools=(self.TOOL,)))
        assert run(id) == "completed"
        assert told in model.calls[1].body["messages"][-1]["content"]
        (event,) = api.events_of(id, "tool_failed")
        assert told in event["reason"]
        assert api.events_of(id, "tool_started") == []

    @pytest.mark.parametrize(
        ("arguments", "text"),
        [
            ('{"text": "a \\ud83d b"}', "a \ufffd b"),
            ('{"text": "a \ud83d b"}', "a \ufffd b"),
        ],
    )
    def test_arguments_are_cleaned(self, api, model, caplog, arguments, text):
        call = {"id": None, "function": {"name": self.TOOL, "arguments": arguments}}
        model.add(Rule(raw=completion({"tool_calls": [call]}), times=1), Rule(reply="done"))
        id = api.queue(documents.chain("a", tools=(self.TOOL,)))
        assert run(id) == "completed"
        assert f"A tool says: {text}" in caplog.text

    @pytest.mark.parametrize("raised", [SystemExit(3), KeyboardInterrupt(), ValueError("\ud83d")])
    def test_whatever_a_tool_raises(self, app, api, model, raised):
        @app.extensions["crewexec_host"].tool("fails")
        def fails() -> str:
            """Fail."""
            raise raised

        model.add(Rule(tool=("fails", {}), after_tool=False), Rule(reply="done"))
        id = api.queue(documents.chain("a", tools=("fails",)))
        with as_in_a_worker():
            assert run(id) == "completed"
        assert len(api.events_of(id, "tool_failed")) == 1

    def test_an_agent_that_only_calls_tools_comes_to_an_end(self, api, model):
        document = documents.chain("a", tools=(self.TOOL,))
        document["nodes"][0]["data"]["max_iter"] = 3
        call = {"id": "1", "function": {"name": "no_such_tool", "arguments": "{}"}}
        model.add(Rule(raw=completion({"tool_calls": [call]})))
        id = api.queue(document)
        assert run(id) == "failed"
        assert api.status(id)["error"]["code"] == "iterations-exhausted"
        assert len(model.calls) == 4  # the last one asks for the answer

    def test_an_agent_that_repeats_itself_comes_to_an_end(self, api, model):
        call = {"id": "1", "function": {"name": self.TOOL, "arguments": '{"text": "hm"}'}}
        model.add(Rule(raw=completion({"tool_calls": [call]})))
        id = api.queue(documents.chain("a", tools=(self.TOOL,)))
        assert run(id) == "failed"
        assert api.status(id)["error"]["code"] == "tool-call-repeated"


@contextlib.contextmanager
def as_in_a_worker():
    """Let another handler take Ctrl+C, as in workers."""
    before = signal.signal(signal.SIGINT, lambda *_: None)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


class TestOptions:
    @pytest.mark.parametrize(
        ("model_name", "options", "sent"),
        [
            ("gpt-4o", {}, {"max_tokens": 50, "temperature": 0.2}),
            ("gpt-5-mini", {}, {"max_completion_tokens": 50}),
            ("o3", {}, {"max_completion_tokens": 50}),
            ("openai/o4-mini", {}, {"max_completion_tokens": 50}),
            ("gpt-5-chat-latest", {}, {"max_tokens": 50, "temperature": 0.2}),
            ("gpt-5", {"reasoning": False}, {"max_tokens": 50, "temperature": 0.2}),
            ("mine", {"reasoning": True}, {"max_completion_tokens": 50}),
            ("gpt-5", {"temperature": 1}, {"max_completion_tokens": 50, "temperature": 1}),
            ("gpt-5", {"max_completion_tokens": 9}, {"max_completion_tokens": 9}),
            (
                "gpt-4o",
                {"max_completion_tokens": 99},
                {"max_completion_tokens": 50, "temperature": 0.2},
            ),
        ],
    )
    def test_what_a_model_is_sent(self, app, api, model, model_name, options, sent):
        register(app, "chosen", model_name, **options)
        document = on(model, name="chosen")
        document["nodes"][-1]["data"] |= {"temperature": 0.2, "max_tokens": 50}
        assert run(api.queue(document)) == "completed"
        names = ("max_tokens", "max_completion_tokens", "temperature")
        body = model.calls[0].body
        assert {name: body[name] for name in names if name in body} == sent

    @pytest.mark.parametrize(
        "options",
        [{"temprature": 0.2}, {"provider": "no-such"}, {"provider": "gemini"}, {"top_p": "much"}],
    )
    def test_a_mistake_in_the_registration_costs_nothing(self, app, api, model, options):
        register(app, "chosen", **options)
        id = api.queue(on(model, name="chosen"))
        assert run(id) == "failed"
        error = api.status(id)["error"]
        assert error["code"] == "model-misconfigured"
        assert "'chosen'" in error["message"]
        assert model.calls == ()


class TestAccount:
    @pytest.fixture(autouse=True)
    def _of_the_host(self, monkeypatch):
        monkeypatch.setenv("OPENAI_ORG_ID", "org-host")
        monkeypatch.setenv("OPENAI_PROJECT_ID", "proj-host")
        monkeypatch.setenv("OPENAI_CUSTOM_HEADERS", "X-Host: host")

    def headers(self, spec):
        secrets = SecretResolver((), "ada", lambda revealed: None)
        with ModelConnections(1) as connections:
            llm = build_llm(spec, None, secrets, connections, 1.0)
            assert isinstance(llm, OpenAILLM)
            sent = llm._get_sync_client().default_headers
        return {name.lower(): value for name, value in sent.items() if isinstance(value, str)}

    def test_is_sent_to_openai_with_the_key_of_the_host(self, app):
        register(app, "chosen", base_url=None)
        headers = self.headers(current_app_state().registry.llms["chosen"])
        assert headers["openai-organization"] == "org-host"
        assert headers["openai-project"] == "proj-host"

    @pytest.mark.parametrize(
        "options", [{}, {"base_url": None, "api_key": Secret("x", default="sk-of-somebody")}]
    )
    def test_is_not_sent_to_others_or_with_the_key_of_a_user(self, app, options):
        register(app, "chosen", **options)
        headers = self.headers(current_app_state().registry.llms["chosen"])
        assert not headers.keys() & {"openai-organization", "openai-project", "x-host"}

    def test_the_registration_may_name_another(self, app):
        register(app, "chosen", organization="org-other")
        headers = self.headers(current_app_state().registry.llms["chosen"])
        assert headers["openai-organization"] == "org-other"
