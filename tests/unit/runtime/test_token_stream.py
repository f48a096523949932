"""Streaming the tokens of a model, without secrets and not too often."""

from __future__ import annotations

import time

import pytest

from flask_crewexec.observability.redaction import Redactor
from flask_crewexec.runtime.token_stream import TokenStream

KEY = 'sk-"top"/secret&key'


@pytest.fixture
def sent():
    return []


@pytest.fixture
def stream(sent, monkeypatch):
    monkeypatch.setattr("flask_crewexec.runtime.token_stream.MIN_INTERVAL", 0.0)
    return TokenStream(sent.append, Redactor([KEY]))


def test_a_secret_in_pieces_is_replaced(stream, sent):
    for letter in f"It is {KEY}, as you know.":
        stream.feed(letter)
    stream.flush()
    assert "".join(each["text"] for each in sent) == "It is [secret], as you know."


def test_text_that_cannot_be_a_secret_is_sent_at_once(stream, sent):
    stream.feed("Hello", step="a")
    assert sent == [{"step": "a", "text": "Hello"}]


def test_text_that_only_starts_like_a_secret_is_sent_at_the_end(stream, sent):
    stream.feed("It is sk-")
    stream.flush()
    assert [each["text"] for each in sent] == ["It is ", "sk-"]


def test_many_tokens_are_one_message(sent):
    stream = TokenStream(sent.append, Redactor([]))
    stream.feed("a")
    began = time.monotonic()
    while time.monotonic() < began + 0.01:
        stream.feed("b")
    assert len(sent) == 1
