from __future__ import annotations

import itertools

from hypothesis import given
from hypothesis import strategies as st

from flask_crewexec.client.sse import Parser

STREAM = (
    b"retry: 2000\n\n"
    b'id: 1\nevent: queued\ndata: {"seq": 1,\ndata: "type": "queued"}\n\n'
    b":\n\n"
    b'event: token\r\ndata: {"text": "\xe2\x80\xa8\xc3\xa9: \\n"}\r\n\r\n'
    b'event: end\ndata: {"status": "completed"}\n\n'
    b'id: 2\nevent: cut\ndata: {"seq"'
)
MESSAGES = [
    {"type": "queued", "seq": 1},
    {"type": "token", "text": "\u2028é: \n"},
    {"type": "end", "status": "completed"},
]


def read(*parts: bytes) -> list[dict[str, object]]:
    parser = Parser()
    return [message for part in parts for message in parser.feed(part)]


def test_messages_are_read_and_what_is_incomplete_is_not():
    assert read(STREAM) == MESSAGES


@given(st.lists(st.integers(0, len(STREAM)), max_size=6).map(sorted))
def test_it_does_not_matter_where_a_stream_is_divided(cuts: list[int]):
    ends = [0, *cuts, len(STREAM)]
    parts = [STREAM[start:end] for start, end in itertools.pairwise(ends)]
    assert read(*parts) == MESSAGES
    assert read(*(bytes([byte]) for byte in STREAM)) == MESSAGES
