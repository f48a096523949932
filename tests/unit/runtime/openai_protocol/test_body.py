"""Bodies of responses -> answers, as servers send them."""

from __future__ import annotations

import json

import pytest

from flask_crewexec.runtime.openai_protocol.body import read_body
from flask_crewexec.runtime.openai_protocol.errors import AnswerCutOff
from flask_crewexec.runtime.openai_protocol.errors import MalformedAnswer
from flask_crewexec.runtime.openai_protocol.errors import UpstreamError


def read(*parts):
    return read_body(parts, lambda text: None)


def completion(message, finish_reason="stop", **more):
    choice = {"index": 0, "message": message, "finish_reason": finish_reason}
    return json.dumps({"id": "c1", "choices": [choice], **more}).encode()


def chunk(delta=None, finish_reason=None, **more):
    choice = {"index": 0, "delta": delta, "finish_reason": finish_reason}
    return {"id": "c1", "choices": [choice], **more}


def stream(*chunks, done=True):
    lines = [b"data: " + json.dumps(each).encode() for each in chunks]
    return b"\n\n".join([*lines, *([b"data: [DONE]"] if done else []), b""])


HELLO = [chunk({"content": "hel"}), chunk({"content": "lo"}), chunk({}, "stop")]


@pytest.mark.parametrize(
    ("message", "text"),
    [
        ({"content": "hello"}, "hello"),
        ({"content": [{"type": "text", "text": "hel"}, {"type": "text", "text": "lo"}]}, "hello"),
        ({"content": [{"text": {"value": "hel"}}, "lo", 7, {"image": 1}]}, "hello"),
        ({"content": None}, ""),
        ({}, ""),
        ({"content": "", "reasoning_content": "hm"}, ""),
        ({"content": "<think>\nhm</think>\n\nhello"}, "hello"),
        ({"content": "a \ud83d b"}, "a \ufffd b"),
    ],
)
def test_the_text_of_a_completion(message, text):
    assert read(completion(message)).text == text


def test_an_older_completion():
    assert read(b'{"choices": [{"text": "hello", "finish_reason": "stop"}]}').text == "hello"


@pytest.mark.parametrize(
    "body",
    [
        stream(*HELLO),
        stream(*HELLO, done=False),
        stream(*HELLO[:2]),
        b": processing\n\n" + stream(*HELLO),
        b"event: message\nid: 1\n" + stream(*HELLO).replace(b"\n", b"\r\n"),
        stream(chunk(None), *HELLO, {"id": "c1", "choices": []}),
        stream(chunk({"content": "hello"}, usage={"prompt_tokens": 1}), chunk({}, "stop")),
        completion({"content": "hello"}),
        b"\n  " + completion({"content": "hello"}),
        json.dumps(json.loads(completion({"content": "hello"})), indent=2).encode(),
    ],
)
def test_the_text_of_a_response_whatever_was_asked_for(body):
    assert read(body).text == "hello"
    assert read(*(body[at : at + 1] for at in range(len(body)))).text == "hello"


def test_the_pieces_of_a_stream_are_told():
    told: list[str] = []
    read_body([stream(*HELLO)], told.append)
    assert told == ["hel", "lo"]


def test_a_pair_of_surrogates_may_be_split():
    split = stream(chunk({"content": "\ud83d"}), chunk({"content": "\ude00"}, "stop"))
    assert read(split).text == "\U0001f600"


def test_other_line_ends_of_unicode_are_part_of_the_text():
    chunks = json.dumps(chunk({"content": "a\u2028b"}, "stop"), ensure_ascii=False)
    assert read(f"data: {chunks}\n\n".encode()).text == "a\u2028b"


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"null",
        b"[]",
        b'"hello"',
        b"<html><body>Bad gateway</body></html>",
        b'{"id": ',
        b'{"choices": []}',
        b'{"choices": null}',
        b'{"message": "Not found"}',
        b"[" * 100_000,
        stream(),
        b"data: {\n\n",
    ],
)
def test_what_is_no_answer(body):
    with pytest.raises(MalformedAnswer):
        read(body)


@pytest.mark.parametrize("chunks", [HELLO[:1], HELLO[:2]])
def test_a_stream_that_ends_early(chunks):
    with pytest.raises(AnswerCutOff):
        read(stream(*chunks, done=False))


@pytest.mark.parametrize(
    ("error", "status", "code"),
    [
        ({"message": "slow down", "code": 429}, 429, None),
        ({"message": "slow down", "code": "503"}, 503, "503"),
        ({"message": "away", "code": 502}, 502, None),
        ({"message": "no", "type": "rate_limit_error"}, 429, None),
        ({"message": "no", "code": "insufficient_quota"}, 429, "insufficient_quota"),
        ({"message": "no", "code": "context_length_exceeded"}, 400, "context_length_exceeded"),
        ({"message": "no", "code": 7}, 502, None),
        ({"message": "no", "code": "what?"}, 502, "what?"),
        ("it broke", 502, None),
    ],
)
@pytest.mark.parametrize("place", ["alone", "list", "choice", "first", "middle"])
def test_an_error_in_a_response(error, status, code, place):
    described = {"error": error, "choices": None}
    bodies = {
        "alone": json.dumps(described).encode(),
        "list": json.dumps([described]).encode(),
        "choice": json.dumps({"choices": [{"error": error}]}).encode(),
        "first": stream(described),
        "middle": stream(HELLO[0], described),
    }
    with pytest.raises(UpstreamError) as raised:
        read(bodies[place])
    assert (raised.value.status_code, raised.value.code) == (status, code)


def test_a_refusal():
    refused = read(completion({"content": None, "refusal": "I cannot help."}))
    assert (refused.text, refused.refusal) == ("", "I cannot help.")
    streamed = read(stream(chunk({"refusal": "I can"}), chunk({"refusal": "not."}, "stop")))
    assert streamed.refusal == "I cannot."


@pytest.mark.parametrize(
    ("usage", "tokens"),
    [
        ({"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15}, (10, 5, 15)),
        ({"input_tokens": 10, "output_tokens": 5}, (10, 5, 15)),
        ({"prompt_tokens": 10.0, "completion_tokens": 5.9}, (10, 5, 15)),
        ({"prompt_tokens": None, "completion_tokens": "5"}, (0, 0, 0)),
        ({"prompt_tokens": -1, "completion_tokens": True}, (0, 0, 0)),
        ({"prompt_tokens": 10**19, "completion_tokens": 1}, (10**8, 1, 10**8 + 1)),
        ({"prompt_tokens": float("nan"), "completion_tokens": float("inf")}, (0, 10**8, 10**8)),
    ],
)
def test_reported_tokens(usage, tokens):
    names = ("prompt_tokens", "completion_tokens", "total_tokens")
    expected = dict(zip(names, tokens, strict=True))
    assert read(completion({"content": "x"}, usage=usage)).usage == expected
    last = {"id": "c1", "choices": [], "usage": usage}
    assert read(stream(*HELLO, last)).usage == expected


@pytest.mark.parametrize("usage", [None, [], "many", 7])
def test_no_reported_tokens(usage):
    assert read(completion({"content": "x"}, usage=usage)).usage == {}
