"""Recordings: which calls are the same, what is answered, and what is said of other calls."""

from __future__ import annotations

import json
import threading
import typing as t
from collections.abc import Callable
from collections.abc import Iterator

import httpx
import pytest

from flask_crewexec.testing import Recording
from flask_crewexec.testing import ScriptedModel
from flask_crewexec.testing import UnrecordedCall

Json = dict[str, t.Any]
Ask = Callable[..., httpx.Response]


def messages(*texts: str) -> list[Json]:
    return [{"role": "user", "content": text} for text in texts]


def call(
    number: int, sent: list[Json], answer: str | Json | None = "Yes.", **fields: t.Any
) -> Json:
    given = {"text": answer} if isinstance(answer, str) else answer
    return {
        "step": "tell",
        "number": number,
        "kind": "model",
        "agent": "Writer",
        "name": "gpt",
        "status": "done",
        "error": None,
        "messages": sent,
        "answer": given and {"finish_reason": "stop", **given},
        "usage": {"prompt_tokens": 10 + number, "completion_tokens": number},
        **fields,
    }


def recorded(*calls: Json) -> Json:
    head = {"format": "flask-crewexec-recording", "version": 1, "user_id": "ada"}
    rest: Json = {"graph": {}, "inputs": {}, "answers": [], "incomplete": []}
    return {**head, **rest, "calls": list(calls)}


@pytest.fixture
def model() -> Iterator[ScriptedModel]:
    with ScriptedModel() as model:
        yield model


@pytest.fixture
def ask(model: ScriptedModel) -> Iterator[Ask]:
    headers = {"authorization": f"Bearer {model.key}"}
    with httpx.Client(base_url=model.base_url, headers=headers, trust_env=False) as client:
        yield lambda sent, **fields: client.post(
            "/chat/completions", json={"model": "any", "messages": sent, **fields}
        )


def text(response: httpx.Response) -> str:
    assert response.status_code == 200, response.text
    return t.cast(str, response.json()["choices"][0]["message"]["content"])


class TestAnswers:
    def test_calls_are_answered_in_any_order(self, model, ask):
        model.replay(recorded(call(1, messages("a"), "A"), call(2, messages("b"), "B")))
        assert [text(ask(messages(each))) for each in "ba"] == ["B", "A"]

    def test_the_same_call_is_answered_as_often_as_recorded(self, model, ask):
        same = messages("a")
        model.replay(recorded(call(1, same, "first"), call(2, same, "second")))
        assert [text(ask(same)) for _ in range(2)] == ["first", "second"]
        assert ask(same).status_code == 400
        with pytest.raises(UnrecordedCall, match=r"more often than recorded.* in call 1, 2"):
            model.check()

    def test_tool_calls_are_made_again(self, model, ask):
        tools = [{"name": "count", "arguments": {"n": n}} for n in (1, 2)]
        answer = {"tool_calls": tools, "finish_reason": "tool_calls"}
        model.replay(recorded(call(1, messages("a"), answer)))
        choice = ask(messages("a")).json()["choices"][0]
        made = [each["function"] for each in choice["message"]["tool_calls"]]
        assert [json.loads(each["arguments"]) for each in made] == [{"n": 1}, {"n": 2}]
        assert len({each["id"] for each in choice["message"]["tool_calls"]}) == 2
        assert choice["finish_reason"] == "tool_calls"

    def test_usage_and_finish_reason_are_as_recorded(self, model, ask):
        model.replay(recorded(call(1, messages("a"), {"text": "A", "finish_reason": "length"})))
        answer = ask(messages("a")).json()
        assert answer["usage"] == {
            "prompt_tokens": 11,
            "completion_tokens": 1,
            "total_tokens": 12,
        }
        assert answer["choices"][0]["finish_reason"] == "length"

    def test_an_answer_is_preferred_to_a_failure(self, model, ask):
        failed = {"answer": None, "error": {"code": "model-rate-limited", "status": 429}}
        model.replay(recorded(call(1, messages("a"), **failed), call(2, messages("a"), "A")))
        assert text(ask(messages("a"))) == "A"
        assert ask(messages("a")).status_code == 429

    def test_the_second_recording_is_asked_too(self, model, ask):
        model.replay(recorded(call(1, messages("a"), "A")))
        model.replay(recorded(call(1, messages("b"), "B")))
        assert [text(ask(messages(each))) for each in "ab"] == ["A", "B"]
        assert model.unused_answers == []

    def test_it_is_streamed_if_the_client_wants_that(self, model, ask):
        model.replay(recorded(call(1, messages("a"), "One two")))
        body = ask(messages("a"), stream=True).text
        assert '"content": "One "' in body
        assert body.endswith("data: [DONE]\n\n")


@pytest.mark.parametrize(
    ("before", "now"),
    [
        ("Hello\n\nCurrent Date: 2026-11-29", "Hello\n\nCurrent Date: 2027-01-02"),
        ("Id 01a22752-aaaa-7000-8000-00000000000a", "Id 01A22752-BBBB-7000-8000-00000000000B"),
        ("At 2026-11-29T10:00:00.5Z it", "At 2027-01-01 23:59+01:00 it"),
        ('{"a": 1, "b": [2]}', '{"b": [2],\n "a": 1}'),
        ("Key [secret].", "Key sk-123456."),
    ],
)
def test_what_differs_each_time_is_not_compared(model, ask, before, now):
    model.replay(recorded(call(1, messages(before))))
    assert text(ask(messages(now))) == "Yes."


@pytest.mark.parametrize(
    ("before", "now"),
    [
        ("Orders of 2026-11-29", "Orders of 2026-11-30"),
        ('{"a": 1}', '{"a": 2}'),
        ("Key [secret].", "Keys sk-123456."),
        ("Hello", "Hello "),
    ],
)
def test_what_has_a_meaning_is_compared(model, ask, before, now):
    model.replay(recorded(call(1, messages(before))))
    assert ask(messages(now)).status_code == 400
    with pytest.raises(UnrecordedCall):
        model.check()


def test_ids_of_tool_calls_and_the_order_of_arguments_are_not_compared(model, ask):
    def asked(id: str, arguments: str) -> list[Json]:
        function = {"name": "count", "arguments": arguments}
        made = {"id": id, "type": "function", "function": function}
        result = {"role": "tool", "tool_call_id": id, "content": "3"}
        return [{"role": "assistant", "content": None, "tool_calls": [made]}, result]

    model.replay(recorded(call(1, asked("call_1", '{"a": 1, "b": 2}'))))
    assert text(ask(asked("call_xyz", '{"b":2,"a":1}'))) == "Yes."


def test_the_host_says_what_else_differs_each_time(model, ask):
    model.replay(
        recorded(call(1, messages("Order 12"))), normalize=lambda text: text.rstrip("0123456789")
    )
    assert text(ask(messages("Order 345"))) == "Yes."


class TestUnrecorded:
    def test_the_most_similar_call_is_shown(self, model, ask):
        calls = [call(1, messages("You are Ann.", "Cook.")), call(2, messages("Bob.", "Dine."))]
        model.replay(recorded(*calls))
        ask(messages("You are Ann.", "Bake."))
        with pytest.raises(UnrecordedCall) as raised:
            model.check()
        assert "The most similar is call 1 of step 'tell', agent 'Writer'" in str(raised.value)
        assert "\n-Cook.\n+Bake.\n" in str(raised.value)
        assert "flask crewexec record" in str(raised.value)

    def test_it_is_told_once(self, model, ask):
        model.replay(recorded(call(1, messages("a"))))
        ask(messages("b"))
        with pytest.raises(UnrecordedCall):
            model.check()
        model.check()

    def test_the_end_of_the_block_tells_it(self):
        def make_a_call() -> None:
            with ScriptedModel() as model:
                model.replay(recorded())
                headers = {"authorization": f"Bearer {model.key}"}
                url = f"{model.base_url}/chat/completions"
                body = {"messages": messages("a")}
                httpx.post(url, json=body, headers=headers, trust_env=False)

        with pytest.raises(UnrecordedCall, match="no call of a model is recorded"):
            make_a_call()

    def test_a_long_difference_is_shortened(self, model, ask):
        model.replay(recorded(call(1, messages("a\n" * 500))))
        ask(messages("b" * 1_000 + "\n" + "c\n" * 500))
        with pytest.raises(UnrecordedCall) as raised:
            model.check()
        assert len(str(raised.value).splitlines()) < 70
        assert "b" * 400 not in str(raised.value)


class TestFiles:
    def test_a_recording_is_read(self, tmp_path):
        path = tmp_path / "run.json"
        path.write_text(json.dumps({**recorded(call(1, messages("a"))), "later": 1}))
        assert Recording.load(path).user_id == Recording.load(str(path)).user_id == "ada"

    @pytest.mark.parametrize("content", ["", "[]", "{}", '{"format": "har"}'])
    def test_another_file_is_refused(self, tmp_path, content):
        path = tmp_path / "run.json"
        path.write_text(content)
        with pytest.raises(ValueError, match=r"run\.json' is no recording"):
            Recording.load(path)

    def test_a_newer_version_is_refused(self):
        with pytest.raises(ValueError, match=r"version 2.*Record the execution again"):
            Recording.load({**recorded(), "version": 2})

    def test_calls_that_cannot_be_replayed_are_left_out(self, model):
        empty = {"answer": None, "error": {"code": "model-empty-answer"}}
        unknown = {"answer": None, "status": "unknown"}
        recording = Recording.load(
            recorded(
                call(1, messages("a"), **empty),
                call(2, messages("a"), messages=None),
                call(3, messages("a"), **unknown),
                call(4, messages("b")),
            )
        )
        assert [each.number for each in recording.model_calls] == [4]


def test_a_reset_drops_calls_in_progress_and_forgets_everything(model, ask):
    def waits() -> None:
        with pytest.raises(httpx.RemoteProtocolError):
            ask(messages("slow"))

    model.replay(recorded(call(1, messages("a"))))
    model.on("slow", hold=threading.Event())
    thread = threading.Thread(target=waits)
    thread.start()
    model.wait_for_calls(1)
    url = model.base_url
    model.reset()
    thread.join(30)
    assert not thread.is_alive()
    assert (model.calls, model.base_url, model.unused_answers) == ((), url, [])
    assert text(ask(messages("a"))).startswith("echo ")
    assert [each.prompt for each in model.calls] == ["a"]
