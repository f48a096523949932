"""The exception of the client."""

from __future__ import annotations

import json
import typing as t
from collections.abc import Mapping
from collections.abc import Sequence

from .documents import ProblemItem

UNREACHABLE: t.Final = "unreachable"
TIMEOUT: t.Final = "timeout"
UNEXPECTED: t.Final = "unexpected-response"


class ApiError(Exception):
    """A request was refused, or there was no answer."""

    def __init__(
        self,
        detail: str,
        *,
        code: str = UNEXPECTED,
        status: int | None = None,
        problems: Sequence[ProblemItem] = (),
        correlation_id: str | None = None,
        request_id: str | None = None,
        retry_after: float | None = None,
    ) -> None:
        super().__init__(detail)
        self.detail = detail
        """What is wrong and what to do."""
        self.code = code
        """Stable kind of error, such as ``not-found``; without an answer, ``unreachable`` or
        ``timeout``; ``unexpected-response`` if the answer is not one of the API."""
        self.status = status
        """Status of the response; None without an answer."""
        self.problems = tuple(problems)
        """Every problem of the request."""
        self.correlation_id = correlation_id
        """Id of the error in the server's log."""
        self.request_id = request_id
        """Id of the request in the server's log."""
        self.retry_after = retry_after
        """Seconds after which to try again, if the server has said so."""

    @property
    def pointers(self) -> list[str]:
        """JSON pointers to the values that have problems."""
        return [problem["pointer"] for problem in self.problems]

    @property
    def is_transient(self) -> bool:
        """Whether the same request may succeed later."""
        return self.status is None or self.status in (408, 429) or self.status >= 500

    def __str__(self) -> str:
        problems = (f"{each['pointer']}: {each['detail']}" for each in self.problems)
        return "\n".join([f"{self.detail} ({self.code})", *problems])


def refusal(status: int, headers: Mapping[str, str], body: bytes) -> ApiError:
    """Return the error of a response; a proxy may have sent a page instead of a problem."""
    problem = _object(body)
    return ApiError(
        problem.get("detail") or f"The server answered with {status}.",
        code=problem.get("code") or UNEXPECTED,
        status=status,
        problems=problem.get("errors") or (),
        correlation_id=problem.get("correlation_id"),
        request_id=headers.get("X-Request-ID"),
        retry_after=retry_after(headers),
    )


def _object(body: bytes) -> dict[str, t.Any]:
    try:
        found = json.loads(body)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Return the seconds of ``Retry-After``; None if it is missing or a date."""
    given = headers.get("Retry-After", "")
    return float(given) if given.isdecimal() else None
