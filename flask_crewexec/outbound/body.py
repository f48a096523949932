"""Bodies of responses, limited in size before and after decompression."""

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

_CHUNK_BYTES: t.Final = 65_536
"""Maximum number of bytes that one call decompresses."""


def decoder_of(headers: httpx.Headers) -> t.Any:
    """Return a decoder for the body, and remove the headers by which httpx would decode it."""
    encoding = headers.pop("Content-Encoding", "identity").strip().lower()
    if encoding in ("identity", ""):
        return None
    if encoding not in ("gzip", "x-gzip", "deflate"):
        raise EncodingRefused(
            f"The response is encoded as '{encoding}'. Only gzip and deflate are supported."
        )
    headers.pop("Content-Length", None)
    return zlib.decompressobj(wbits=47)  # detects gzip or zlib by the first bytes


class Body(httpx.SyncByteStream):
    """The body of a response, up to *max_bytes*; closing it closes the connection."""

    def __init__(
        self,
        request: httpx.Request,
        response: httpcore.Response,
        decoder: t.Any,
        max_bytes: int,
        close: Callable[[], object],
    ) -> None:
        self._request = request
        self._parts = t.cast("Iterable[bytes]", response.stream)
        self._decoder = decoder
        self._max_bytes = max_bytes
        self._close = close

    def __iter__(self) -> Iterator[bytes]:
        with as_httpx(self._request):
            yield from bounded_body(self._parts, self._decoder, self._max_bytes)

    def close(self) -> None:
        self._close()


def bounded_body(parts: Iterable[bytes], decoder: t.Any, max_bytes: int) -> Iterator[bytes]:
    """Yield the body that *parts* make up.

    :param decoder: decompresses it, see :func:`decoder_of`.
    :raises AnswerTooLarge: if it has more than *max_bytes*, before or after decompression.
    """
    return _bounded(_decoded(_bounded(parts, max_bytes), decoder), max_bytes)


def _decoded(parts: Iterable[bytes], decoder: t.Any) -> Iterator[bytes]:
    for part in parts:
        yield from [part] if decoder is None else _decompressed(decoder, part)
    if decoder is not None:
        yield decoder.flush()


def _bounded(parts: Iterable[bytes], max_bytes: int) -> Iterator[bytes]:
    size = 0
    for part in parts:
        size += len(part)
        if size > max_bytes:
            raise AnswerTooLarge(f"The response has more than {max_bytes} bytes.")
        yield part


def _decompressed(decoder: t.Any, part: bytes) -> Iterator[bytes]:
    while part:
        yield decoder.decompress(part, _CHUNK_BYTES)
        part = decoder.unconsumed_tail


@contextlib.contextmanager
def as_httpx(request: httpx.Request) -> Iterator[None]:
    """Raise errors of httpcore as the errors of the same name of httpx."""
    try:
        yield
    except (httpcore.TimeoutException, httpcore.NetworkError, httpcore.ProtocolError) as error:
        raised = getattr(httpx, type(error).__name__, httpx.TransportError)
        raise raised(str(error), request=request) from error
    except zlib.error as error:
        raise httpx.DecodingError(str(error), request=request) from error
