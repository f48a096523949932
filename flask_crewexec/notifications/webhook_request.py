"""One request to the server of a webhook, and what its answer means."""

from __future__ import annotations

import contextlib
import functools
import math
import time
import typing as t
from collections.abc import Mapping
from importlib.metadata import version

import httpx

from ..config.settings import Settings
from ..outbound import AnswerTooSlow
from ..outbound import outbound_client
from ..outbound import OutboundError
from ..outbound.retry_after import parse_retry_after
from ..outbound.stored_urls import resolver_for
from .result import GONE
from .result import Result

MAX_ANSWER_BYTES: t.Final = 65_536
_ASKS_TO_WAIT: t.Final = (429, 503)
_HEADERS: t.Final = {
    "User-Agent": f"Flask-CrewExec/{version('Flask-CrewExec')}",
    "Content-Type": "application/json",
}
_trusted: t.Final = functools.cache(httpx.create_ssl_context)
"""Reading the certificates takes longer than most requests."""


def post(settings: Settings, url: str, headers: Mapping[str, str], body: str) -> Result:
    """Send a message, for a limited time, and return how that went."""
    started = time.monotonic()
    try:
        result = _send(settings, url, headers, body)
    except Exception as error:  # noqa: BLE001  # nothing that a server or URL causes ends the thread
        result = _failed(*_reason(error))
    result.answer["seconds"] = round(time.monotonic() - started, 3)
    return result


def _send(settings: Settings, url: str, headers: Mapping[str, str], body: str) -> Result:
    networks, scheme = settings.webhook_networks, httpx.URL(url).scheme
    client = outbound_client(
        allow=networks,
        max_bytes=MAX_ANSWER_BYTES,
        seconds=settings.notification_timeout,
        max_redirects=0,
        headers=_HEADERS,
        verify=_trusted(),
        resolve=resolver_for(scheme, networks),
    )
    # The status says everything, so the body of the answer is not read.
    request = client.build_request("POST", url, headers=headers, content=body.encode())
    with (
        client,
        contextlib.closing(client.send(request, stream=True, follow_redirects=False)) as answer,
    ):
        return _result_of(answer)


def _result_of(response: httpx.Response) -> Result:
    status = response.status_code
    if response.is_success:
        return Result(delivered=True, answer={"status": status})
    if status == httpx.codes.GONE:
        return Result(delivered=False, answer={"code": GONE, "status": status}, is_final=True)
    wait = parse_retry_after(response.headers.get("Retry-After", ""))
    asks_to_wait = status in _ASKS_TO_WAIT and not math.isnan(wait)
    code = "redirect" if response.is_redirect else "refused"
    return Result(
        delivered=False,
        answer={"code": code, "status": status},
        retry_after=max(0.0, wait) if asks_to_wait else None,
    )


def _reason(error: Exception) -> tuple[str, str]:
    """Return the code and text for an error; messages of libraries may repeat the URL."""
    if isinstance(error, AnswerTooSlow | httpx.TimeoutException):
        return "timeout", "The server did not answer in time."
    if isinstance(error, OutboundError):
        return error.code, error.detail
    return "unreachable", type(error).__name__


def _failed(code: str, text: str) -> Result:
    return Result(delivered=False, answer={"code": code, "text": text})
