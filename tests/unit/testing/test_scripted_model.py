"""The scripted model, as tests drive it: over HTTP and with the real OpenAI client."""

from __future__ import annotations

import re
import threading
import typing as t
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import httpx
import openai
import pytest

from flask_crewexec.testing import Rule
from flask_crewexec.testing import ScriptedModel

TOOLS: t.Any = [{"type": "function", "function": {"name": "search", "parameters": {}}}]


@pytest.fixture
def model() -> Iterator[ScriptedModel]:
    with ScriptedModel() as model:
        yield model


@pytest.fixture
def http(model: ScriptedModel) -> Iterator[httpx.Client]:
    headers = {"authorization": f"Bearer {model.key}"}
    with httpx.Client(base_url=model.base_url, headers=headers, trust_env=False) as http:
        yield http


@pytest.fixture
def client(model: ScriptedModel) -> Iterator[openai.OpenAI]:
    with connect(model) as client:
        yield client


def connect(model: ScriptedModel, key: str | None = None) -> openai.OpenAI:
    return openai.OpenAI(base_url=model.base_url, api_key=key or model.key, max_retries=0)


def user(text: str) -> t.Any:
    return [{"role": "user", "content": text}]


def body(text: str, **fields: object) -> dict[str, object]:
    return {"model": "any", "messages": user(text), **fields}


def ask(client: openai.OpenAI, text: str, **fields: t.Any) -> str | None:
    answer = client.chat.completions.create(model="any", messages=user(text), **fields)
    return answer.choices[0].message.content


def stream(client: openai.OpenAI, text: str, **fields: t.Any) -> t.Any:
    return client.chat.completions.create(model="any", messages=user(text), stream=True, **fields)


class TestRules:
    def test_reply_is_given_with_usage(self, model: ScriptedModel, client: openai.OpenAI) -> None:
        model.on("France", "Paris and Lyon")
        answer = client.chat.completions.create(model="gpt", messages=user("of France?"))
        assert answer.model == "gpt"
        assert answer.choices[0].message.content == "Paris and Lyon"
        assert answer.choices[0].finish_reason == "stop"
        assert answer.usage is not None
        assert answer.usage.prompt_tokens == len("of France?") // 4
        assert answer.usage.completion_tokens == len("Paris and Lyon") // 4
        assert answer.usage.total_tokens == 2 + 3

    def test_reply_may_be_a_function_of_the_body(
        self, model: ScriptedModel, client: openai.OpenAI
    ) -> None:
        model.on(reply=lambda body: body["model"].upper())
        assert ask(client, "hello") == "ANY"

    def test_reply_that_raises_is_reported_to_the_client(
        self, model: ScriptedModel, client: openai.OpenAI
    ) -> None:
        model.on(reply=lambda body: body["nothing"])
        with pytest.raises(openai.InternalServerError, match=r"KeyError\('nothing'\)"):
            ask(client, "hello")

    def test_first_fitting_rule_wins(self, model: ScriptedModel, client: openai.OpenAI) -> None:
        model.on("b", "first").on("a", "second").on(reply="third")
        assert [ask(client, text) for text in ("ab", "a", "c")] == ["first", "second", "third"]

    def test_rule_is_used_up(self, model: ScriptedModel, client: openai.OpenAI) -> None:
        model.add(Rule(reply="early", times=2), Rule(reply="late"))
        assert [ask(client, "hello") for _ in range(3)] == ["early", "early", "late"]

    def test_equal_rules_are_used_up_one_after_the_other(
        self, model: ScriptedModel, client: openai.OpenAI
    ) -> None:
        model.add(*[Rule(reply="once", times=1)] * 2).on(reply="late")
        assert [ask(client, "hello") for _ in range(3)] == ["once", "once", "late"]

    def test_last_user_message_decides(self, model: ScriptedModel, http: httpx.Client) -> None:
        model.on("old", "wrong").on("new", "right")
        parts = [{"type": "text", "text": "new"}, {"type": "image_url", "image_url": {}}]
        messages = [
            {"role": "user", "content": "old"},
            {"role": "user", "content": parts},
            {"role": "assistant", "content": "old"},
        ]
        answer = http.post("/chat/completions", json={"messages": messages}).json()
        assert answer["choices"][0]["message"]["content"] == "right"

    def test_model_and_stream_are_matched(
        self, model: ScriptedModel, client: openai.OpenAI
    ) -> None:
        model.on(model="other", reply="wrong").on(stream=True, reply="streamed")
        model.on(model="any", stream=False, reply="plain")
        assert ask(client, "hello") == "plain"
        assert [chunk.choices[0].delta.content for chunk in stream(client, "hello")] == [
            "streamed",
            None,
        ]

    def test_without_a_rule_the_messages_are_echoed(self, client: openai.OpenAI) -> None:
        echo = ask(client, "hello")
        assert re.fullmatch("echo [0-9a-f]{8}", echo or "")
        assert ask(client, "hello") == echo
        assert ask(client, "other") != echo

    def test_broken_pattern_fails_where_it_is_written(self, model: ScriptedModel) -> None:
        with pytest.raises(re.error):
            model.on("(")


class TestTools:
    def test_tool_is_called_and_its_result_answered(
        self, model: ScriptedModel, client: openai.OpenAI
    ) -> None:
        model.on(tool=("search", {"q": "flask"}), after_tool=False).on(reply="found")
        create = client.chat.completions.create
        choice = create(model="any", messages=user("go"), tools=TOOLS).choices[0]
        assert choice.finish_reason == "tool_calls"
        assert choice.message.content is None
        assert choice.message.tool_calls is not None
        call = choice.message.tool_calls[0]
        assert call.type == "function"
        assert (call.function.name, call.function.arguments) == ("search", '{"q": "flask"}')

        result = {"role": "tool", "tool_call_id": call.id, "content": "a page"}
        messages = [*user("go"), choice.message.model_dump(), result]
        answer = create(model="any", messages=messages, tools=TOOLS)
        assert answer.choices[0].message.content == "found"

    def test_tool_call_is_streamed(self, model: ScriptedModel, client: openai.OpenAI) -> None:
        model.on(reply="let me look", tool=("search", "{broken"))
        create = client.chat.completions.stream
        with create(model="any", messages=user("go"), tools=TOOLS) as events:
            choice = events.get_final_completion().choices[0]
        assert choice.finish_reason == "tool_calls"
        assert choice.message.content == "let me look"
        assert choice.message.tool_calls is not None
        function = choice.message.tool_calls[0].function
        assert (function.name, function.arguments) == ("search", "{broken")

    def test_tool_is_not_called_if_none_is_offered(
        self, model: ScriptedModel, client: openai.OpenAI
    ) -> None:
        model.on(tool=("search", {})).on(reply="plain")
        assert ask(client, "go") == "plain"


class TestStreams:
    def test_text_comes_in_words(self, model: ScriptedModel, client: openai.OpenAI) -> None:
        model.on(reply=" one  two\nthree ", chunk_delay=0.001)
        chunks = list(stream(client, "hello"))
        assert chunks[0].choices[0].delta.role == "assistant"
        words = [chunk.choices[0].delta.content for chunk in chunks]
        assert words == [" one  ", "two\n", "three ", None]
        assert chunks[-1].choices[0].finish_reason == "stop"

    def test_usage_is_sent_on_demand(self, model: ScriptedModel, client: openai.OpenAI) -> None:
        model.on(reply="some words")
        assert not any(chunk.usage for chunk in stream(client, "hello"))
        *others, last = stream(client, "hello", stream_options={"include_usage": True})
        assert not any(chunk.usage for chunk in others)
        assert last.choices == []
        assert (last.usage.prompt_tokens, last.usage.completion_tokens) == (1, 2)

    def test_cut_stream_is_an_incomplete_response(
        self, model: ScriptedModel, client: openai.OpenAI
    ) -> None:
        model.on(reply="one two three", cut_after=2)
        chunks = iter(stream(client, "hello"))
        assert [next(chunks).choices[0].delta.content for _ in range(2)] == ["one ", "two "]
        with pytest.raises(httpx.RemoteProtocolError, match="incomplete chunked read"):
            next(chunks)
        assert model.calls[0].outcome == "cut"

    def test_truncated_stream_lacks_only_its_finish_reason(
        self, model: ScriptedModel, client: openai.OpenAI
    ) -> None:
        model.on(reply="one two three", truncate_after=2)
        choices = [chunk.choices[0] for chunk in stream(client, "hello")]
        assert [choice.delta.content for choice in choices] == ["one ", "two "]
        assert not any(choice.finish_reason for choice in choices)
        assert model.calls[0].outcome == "cut"

    def test_connection_is_kept(self, model: ScriptedModel, http: httpx.Client) -> None:
        ports = set()
        for fields in ({"stream": True}, {}, {"stream": True}):
            with http.stream("POST", "/chat/completions", json=body("hi", **fields)) as response:
                network: t.Any = response.extensions["network_stream"]
                ports.add(network.get_extra_info("client_addr"))
                response.read()
        assert len(ports) == 1


class TestFaults:
    def test_status_and_headers_are_sent(self, model: ScriptedModel, client: openai.OpenAI) -> None:
        model.on(status=429, headers={"retry-after": "7"}, reply="slow down", times=1)
        model.on(status=500)
        with pytest.raises(openai.RateLimitError, match="slow down") as limited:
            ask(client, "hello")
        assert limited.value.response.headers["retry-after"] == "7"
        with pytest.raises(openai.InternalServerError, match="Scripted status 500"):
            list(stream(client, "hello"))

    def test_client_gets_through_by_retrying(self, model: ScriptedModel) -> None:
        model.on(status=429, headers={"retry-after-ms": "1"}, times=1).on(reply="at last")
        with connect(model).with_options(max_retries=1) as client:
            assert ask(client, "hello") == "at last"
        assert len(model.calls) == 2

    def test_malformed_answer_cannot_be_parsed(
        self, model: ScriptedModel, client: openai.OpenAI, http: httpx.Client
    ) -> None:
        model.on(malformed=True)
        response = http.post("/chat/completions", json=body("hello"))
        assert response.status_code == 200
        with pytest.raises(ValueError, match="Unterminated string"):
            response.json()
        with pytest.raises(ValueError, match="Unterminated string"):
            list(stream(client, "hello"))

    def test_cut_answer_never_comes(self, model: ScriptedModel, client: openai.OpenAI) -> None:
        model.on(cut_after=0)
        with pytest.raises(openai.APIConnectionError):
            ask(client, "hello")
        assert model.calls[0].outcome == "cut"


class TestProtocol:
    def test_wrong_key_is_refused(self, model: ScriptedModel) -> None:
        with connect(model, key="sk-other") as client:
            with pytest.raises(openai.AuthenticationError) as refused:
                ask(client, "hello")
            with pytest.raises(openai.AuthenticationError):
                client.models.list()
        assert refused.value.code == "invalid_api_key"
        assert model.calls == ()

    def test_models_are_listed(self, client: openai.OpenAI) -> None:
        assert [entry.id for entry in client.models.list()] == ["scripted"]

    def test_unknown_path_is_not_found(self, http: httpx.Client) -> None:
        response = http.post("/responses", json=body("hello"))
        assert response.status_code == 404
        assert "POST /v1/responses" in response.json()["error"]["message"]
        assert http.get("/chat/completions").status_code == 404

    @pytest.mark.parametrize(
        "content",
        [b"{", b"\xff", b"[]", b"{}", b'{"messages": []}', b'{"messages": ["hello"]}'],
    )
    def test_body_without_messages_is_refused(
        self, model: ScriptedModel, http: httpx.Client, content: bytes
    ) -> None:
        response = http.post("/chat/completions", content=content)
        assert response.status_code == 400
        assert response.json()["error"]["type"] == "invalid_request_error"
        assert model.calls == ()

    def test_body_of_unknown_length_ends_the_connection(self, http: httpx.Client) -> None:
        response = http.post("/chat/completions", content=iter([b"{}"]))
        assert response.status_code == 400
        assert response.headers["connection"] == "close"


class TestJournal:
    def test_calls_are_kept_in_order(self, model: ScriptedModel, client: openai.OpenAI) -> None:
        ask(client, "about cats", temperature=0.5)
        ask(client, "about dogs")
        first, second = model.calls
        assert (first.number, first.prompt, first.outcome) == (1, "about cats", "answered")
        assert first.body["temperature"] == 0.5
        assert first.arrived_at <= second.arrived_at
        assert model.calls_matching("d.gs") == (second,)

    def test_waiting_ends_when_the_calls_arrive(self, model: ScriptedModel) -> None:
        release = threading.Event()
        model.on(hold=release, reply="done")
        with connect(model) as client, ThreadPoolExecutor() as pool:
            answer = pool.submit(ask, client, "hello")
            (call,) = model.wait_for_calls(1, matching="hello")
            assert call.outcome == "open"
            assert not answer.done()
            release.set()
            assert answer.result() == "done"
        assert model.calls[0].outcome == "answered"

    def test_a_stream_can_be_held_in_the_middle(self, model: ScriptedModel) -> None:
        release = threading.Event()
        model.on(reply="one two three", hold=release, hold_after=2)
        with connect(model) as client:
            chunks = stream(client, "hello")
            assert [next(chunks).choices[0].delta.content for _ in range(2)] == ["one ", "two "]
            assert model.calls[0].outcome == "open"
            release.set()
            assert next(chunks).choices[0].delta.content == "three"

    def test_an_answer_that_is_no_stream_is_held_as_a_whole(self, model: ScriptedModel) -> None:
        release = threading.Event()
        model.on(reply="done", hold=release, hold_after=2)
        with connect(model) as client, ThreadPoolExecutor() as pool:
            answer = pool.submit(ask, client, "hello")
            model.wait_for_calls(1)
            assert not answer.done()
            release.set()
            assert answer.result() == "done"

    def test_waiting_in_vain_tells_what_arrived(
        self, model: ScriptedModel, client: openai.OpenAI
    ) -> None:
        with pytest.raises(TimeoutError, match=r"0 of 1 calls within 0 s .* journal is empty"):
            model.wait_for_calls(1, timeout=0)
        ask(client, "about cats")
        with pytest.raises(TimeoutError, match=r"(?s)1 of 2 calls.*1\. answered: 'about cats'"):
            model.wait_for_calls(2, timeout=0.001)
        with pytest.raises(TimeoutError, match=r"0 of 1 calls .*matching='dogs'"):
            model.wait_for_calls(1, timeout=0, matching="dogs")

    @pytest.mark.parametrize("rule", [Rule(hold=threading.Event()), Rule(delay=3600)])
    def test_client_that_leaves_is_counted(
        self, model: ScriptedModel, http: httpx.Client, rule: Rule
    ) -> None:
        model.add(rule)
        impatient = httpx.Timeout(10, read=0.05)
        with pytest.raises(httpx.ReadTimeout):
            http.post("/chat/completions", json=body("hello"), timeout=impatient)
        model.wait_for_calls(1, outcome="disconnected")
        assert model.disconnects == 1

    def test_a_slow_model_delays_rules_without_a_delay_of_their_own(self) -> None:
        impatient = httpx.Timeout(10, read=0.05)
        with ScriptedModel(delay=3600) as model, connect(model) as client:
            model.on("quick", "Here", delay=0.001)
            assert ask(client, "quick") == "Here"
            with pytest.raises(openai.APITimeoutError):
                ask(client.with_options(timeout=impatient, max_retries=0), "slow")

    def test_client_that_leaves_a_stream_is_counted(
        self, model: ScriptedModel, http: httpx.Client
    ) -> None:
        model.on(reply="word " * 1000, chunk_delay=0.01)
        with http.stream("POST", "/chat/completions", json=body("hi", stream=True)) as response:
            next(response.iter_lines())
        model.wait_for_calls(1, outcome="disconnected")
        assert model.disconnects == 1

    def test_satisfied_clients_are_not_counted(
        self, model: ScriptedModel, client: openai.OpenAI
    ) -> None:
        ask(client, "hello")
        list(stream(client, "hello"))
        client.close()
        assert model.disconnects == 0

    def test_parallel_clients_get_their_own_answers(self, model: ScriptedModel) -> None:
        release = threading.Event()
        texts = [f"client {number}" for number in range(16)]
        model.on(hold=release, reply=lambda body: f"to {body['messages'][0]['content']}")

        def call(text: str) -> str | None:
            with connect(model) as client:
                return ask(client, text)

        with ThreadPoolExecutor(len(texts)) as pool:
            answers = pool.map(call, texts)
            model.wait_for_calls(len(texts), outcome="open")
            release.set()
            assert list(answers) == [f"to {text}" for text in texts]


class TestLifecycle:
    def test_closing_drops_calls_that_wait(self) -> None:
        with ThreadPoolExecutor() as pool, ScriptedModel() as model, connect(model) as client:
            model.on("on_hold", hold=threading.Event()).on("slow", delay=3600)
            answers = [pool.submit(ask, client, text) for text in ("on_hold", "slow")]
            model.wait_for_calls(2)
            model.close()
            assert [call.outcome for call in model.calls] == ["closed", "closed"]
            for answer in answers:
                assert isinstance(answer.exception(), openai.APIConnectionError)

    def test_closing_ends_idle_connections(self) -> None:
        before = set(threading.enumerate())
        with ScriptedModel() as model, connect(model) as client:
            ask(client, "hello")
            listener_and_connection = set(threading.enumerate()) - before
            assert len(listener_and_connection) == 2
            model.close()
            assert not any(thread.is_alive() for thread in listener_and_connection)

    def test_closing_twice_is_harmless(self, model: ScriptedModel) -> None:
        model.close()
        model.close()

    def test_closed_model_starts_again_at_its_address(self, model: ScriptedModel) -> None:
        address = model.base_url
        model.close()
        model.start()
        assert model.base_url == address
        with connect(model) as client:
            assert ask(client, "hello")

    def test_starting_twice_is_a_mistake(self, model: ScriptedModel) -> None:
        with pytest.raises(RuntimeError, match="only once"):
            model.start()

    def test_address_is_unknown_before_the_start(self) -> None:
        with pytest.raises(RuntimeError, match=r"call start\(\)"):
            _ = ScriptedModel().base_url

    def test_only_the_loopback_interface_is_used(self, model: ScriptedModel) -> None:
        assert re.fullmatch(r"http://127\.0\.0\.1:\d+/v1", model.base_url)
