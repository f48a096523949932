"""Following executions: their events, in order and each once, however often the stream is cut."""

from __future__ import annotations

import typing as t
from collections.abc import Iterator
from collections.abc import Mapping

from . import documents as d
from .commands import Answer
from .commands import Failure
from .commands import Item
from .commands import Open
from .commands import Read
from .commands import Request
from .commands import Send
from .commands import Stream
from .errors import ApiError
from .errors import UNREACHABLE
from .operations import Id
from .operations import SECONDS_OF_PATIENCE
from .pauses import Patience
from .requests import document_of
from .requests import Json
from .sse import Parser

SILENCE: t.Final = 60.0
"""Seconds without a sign of life, after which a stream is opened again."""
_TOO_MANY: t.Final = "too-many-streams"


def follow(*execution_ids: Id, after: int | Mapping[str, int] = 0) -> Stream[d.Message]:
    """Yield the events, tokens and the end of executions, over one connection.

    A connection that is cut is opened again, for up to five minutes, and continues after the last
    event. Tokens are not sent again. While the server allows no further stream, pages are read.

    :param execution_ids: at most 50.
    :param after: number of the last event that the caller has; of several executions, by their ids.
    :raises ApiError: if there is no such execution, or not for the user; or while the server is
        unavailable.
    """
    known = after if isinstance(after, Mapping) else dict.fromkeys(map(str, execution_ids), after)
    return _Follower({str(id): known.get(str(id), 0) for id in execution_ids}).messages()


class _Follower:
    def __init__(self, positions: dict[str, int]) -> None:
        self._positions = positions
        """Numbers of the last events of the executions that have not ended."""
        self._was_open = False
        self._patience = Patience(SECONDS_OF_PATIENCE)

    def messages(self) -> Stream[d.Message]:
        while self._positions:
            error = yield from self._read_stream()
            if error is not None:
                yield from self._recover(error)

    def _read_stream(self) -> t.Generator[t.Any, t.Any, ApiError | None]:
        """Yield what comes; return why the stream has ended too early."""
        failure: Failure | None = yield Open(self._request(), SILENCE)
        if failure is not None:
            return failure.error
        self._was_open, is_first, parser = True, True, Parser()
        while self._positions:
            part: bytes | Failure = yield Read()
            if isinstance(part, Failure):
                return part.error
            if not part:
                return ApiError("The stream has ended early.", code=UNREACHABLE)
            messages = [*self._new(parser.feed(part))]
            if messages or not is_first:  # each stream begins with a sign of life
                self._patience.reset()
            is_first = False
            yield from map(Item, messages)
        return None

    def _request(self) -> Request:
        after = ",".join(map(str, self._positions.values()))
        return Request("GET", "/events", {"executions": ",".join(self._positions), "after": after})

    def _new(self, messages: Iterator[Json]) -> Iterator[d.Message]:
        """Yield the messages that the caller does not have."""
        for message in messages:
            id, seq = message["execution_id"], message.get("seq")
            if seq is not None and seq <= self._positions.get(id, seq):
                continue
            if message["type"] == "end":
                del self._positions[id]
            elif seq is not None:
                self._positions[id] = seq
            yield t.cast("d.Message", message)

    def _recover(self, error: ApiError) -> Stream[d.Message]:
        if error.status == 404 and self._was_open and error.problems:
            yield from map(Item, [*self._new(self._removed(error))])
            return
        if error.code == _TOO_MANY:
            yield from self._read_pages()
        if self._positions:
            yield self._patience.pause(error)

    def _removed(self, error: ApiError) -> Iterator[Json]:
        """Yield the ends of executions that were removed since the stream was cut."""
        asked = [*self._positions]
        for pointer in error.pointers:
            id = asked[int(pointer.rpartition("/")[2])]
            yield {"type": "end", "execution_id": id, "status": "removed"}

    def _read_pages(self) -> Stream[d.Message]:
        """Yield what has happened so far, without a stream."""
        outcome: Answer | Failure = yield Send(self._request())
        if isinstance(outcome, Answer):
            self._patience.reset()
            yield from map(Item, [*self._new(_messages_of(document_of(outcome)))])


def _messages_of(pages: Json) -> Iterator[Json]:
    for page in pages["executions"]:
        id, status = page["execution_id"], page["final_status"]
        yield from ({**event, "execution_id": id} for event in page["events"])
        if status is not None:
            yield {"type": "end", "execution_id": id, "status": status}
