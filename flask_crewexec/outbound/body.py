"""Bodies of answers, bounded also once they are decompressed."""

from __future__ import annotations

import contextlib
import typing as t
import zlib
from collections.abc import Callable
from collections.abc import Iterable
from collections.abc import Iterator

import httpcore
import httpx

from .errors import AnswerTooLarge
from .errors import EncodingRefused

_PIECE: t.Final = 65_536
"""Bytes that are decompressed at once."""


def decoder_of(headers: httpx.Headers) -> t.Any:
    """Return what decompresses the body piece by piece, and hide from httpx that it is needed."""
    encoding = headers.pop("Content-Encoding", "identity").strip().lower()
    if encoding in ("identity", ""):
        return None
    if encoding not in ("gzip", "x-gzip", "deflate"):
        raise EncodingRefused(f"The answer is encoded as '{encoding}', not as gzip or deflate.")
    headers.pop("Content-Length", None)
    return zlib.decompressobj(wbits=47)  # gzip or zlib, as the first bytes say


class Body(httpx.SyncByteStream):
    """What an answer holds, up to *max_bytes*; closing it closes the connection."""

    def __init__(
        self,
        request: httpx.Request,
        answer: httpcore.Response,
        decoder: t.Any,
        max_bytes: int,
        close: Callable[[], object],
    ) -> None:
        self._request = request
        self._parts = t.cast("Iterable[bytes]", answer.stream)
        self._decoder = decoder
        self._max_bytes = max_bytes
        self._close = close

    def __iter__(self) -> Iterator[bytes]:
        with as_httpx(self._request):
            yield from _bounded(self._pieces(), self._max_bytes)

    def _pieces(self) -> Iterator[bytes]:
        # What comes compressed is bounded, too: an archive may hold nothing for megabytes.
        for part in _bounded(self._parts, self._max_bytes):
            yield from [part] if self._decoder is None else _decompressed(self._decoder, part)
        if self._decoder is not None:
            yield self._decoder.flush()

    def close(self) -> None:
        self._close()


def _bounded(parts: Iterable[bytes], most: int) -> Iterator[bytes]:
    size = 0
    for part in parts:
        size += len(part)
        if size > most:
            raise AnswerTooLarge(f"The answer has more than {most} bytes.")
        yield part


def _decompressed(decoder: t.Any, part: bytes) -> Iterator[bytes]:
    while part:
        yield decoder.decompress(part, _PIECE)
        part = decoder.unconsumed_tail


@contextlib.contextmanager
def as_httpx(request: httpx.Request) -> Iterator[None]:
    """Raise httpcore's errors as those of the same name that httpx has."""
    try:
        yield
    except (httpcore.TimeoutException, httpcore.NetworkError, httpcore.ProtocolError) as error:
        raised = getattr(httpx, type(error).__name__, httpx.TransportError)
        raise raised(str(error), request=request) from error
    except zlib.error as error:
        raise httpx.DecodingError(str(error), request=request) from error
