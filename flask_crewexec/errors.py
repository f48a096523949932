"""What can go wrong, as exceptions.

::

    CrewExecError
    ├── ConfigError            a setting that cannot be used
    ├── InvalidGraph           a graph document with problems
    ├── InvalidInputs          inputs that do not fit the graph
    ├── InvalidPriority        a priority outside 1..10
    ├── InvalidRequest         any other value that cannot be used
    ├── NotFound               no such graph or execution, or somebody else's
    ├── WrongState             the state of an execution or graph does not allow it
    ├── PreconditionFailed     the graph is no longer as ``If-Match`` says
    ├── KeyReused              an idempotency key that belongs to a different order
    ├── KeyInUse               an idempotency key whose first order is under way
    ├── LimitReached           the user may have no more of something for the moment
    │   ├── TooManyQueued      executions that wait
    │   ├── TokensSpent        tokens on this day
    │   └── TooManyRequests    requests within a minute
    ├── BrokerUnavailable      the message could not be sent
    ├── StorageUnavailable     files cannot be read at the moment; for hosts to raise
    ├── ClaimLost              another worker owns the attempt by now
    ├── MissingKey             a run needs a secret that nobody has
    ├── KeysUnavailable        the host's provider of secrets fails
    ├── ToolUnavailable        the worker cannot load a tool
    └── ToolServerUnavailable  a tool server (MCP) cannot be reached

Each class carries the stable ``code`` and the HTTP ``status`` that clients see.
"""

from __future__ import annotations

import itertools
import typing as t
from collections.abc import Iterable

MAX_PROBLEMS: t.Final = 100
"""How many problems are listed at most, so that an answer does not dwarf what was sent."""


class Problem(t.NamedTuple):
    """One thing that is wrong with what a caller sent."""

    pointer: str
    """Where: a JSON pointer (RFC 6901) into what was sent."""
    code: str
    """What kind: a stable word in kebab-case."""
    detail: str
    """What is wrong and what to do, as a sentence."""
    hint: str = ""
    """What is allowed instead, as a sentence, where it is not told elsewhere."""


class CrewExecError(Exception):
    """Something that Flask-CrewExec reports; never a programming error of the host."""

    code: t.ClassVar[str] = "error"
    status: t.ClassVar[int] = 500
    title: t.ClassVar[str] = "The request failed"

    def __init__(self, detail: str, problems: Iterable[Problem] = ()) -> None:
        super().__init__(detail)
        self.detail = detail
        self.problems = _first_of(problems)


def _first_of(problems: Iterable[Problem]) -> tuple[Problem, ...]:
    first = tuple(itertools.islice(problems, MAX_PROBLEMS + 1))
    if len(first) <= MAX_PROBLEMS:
        return first
    detail = f"There are more than these {MAX_PROBLEMS} problems. Correct these first."
    return (*first[:MAX_PROBLEMS], Problem("", "too-many-problems", detail))


class ConfigError(CrewExecError, RuntimeError):
    """A ``CREWEXEC_`` or ``CELERY_`` setting has a value that cannot be used."""

    code = "invalid-configuration"
    title = "The application is configured wrongly"


class InvalidGraph(CrewExecError):
    """The graph document cannot be run as it is; ``problems`` says why."""

    code = "invalid-graph"
    status = 422
    title = "The graph is not valid"


class InvalidInputs(CrewExecError):
    """The inputs do not fit the graph; ``problems`` names them."""

    code = "invalid-inputs"
    status = 422
    title = "The inputs do not fit the graph"


class InvalidPriority(CrewExecError):
    """The priority is not a whole number from 1 (most urgent) to 10."""

    code = "invalid-priority"
    status = 422
    title = "The priority is not valid"


class InvalidRequest(CrewExecError):
    """A value cannot be used as it is; ``problems`` names it."""

    code = "invalid-request"
    status = 422
    title = "The request is not valid"


class NotFound(CrewExecError):
    """There is no such thing, or it belongs to somebody else."""

    code = "not-found"
    status = 404
    title = "Not found"


class WrongState(CrewExecError):
    """The execution or graph is in a state that does not allow this."""

    code = "wrong-state"
    status = 409
    title = "The state does not allow this"


class PreconditionFailed(CrewExecError):
    """The graph is no longer as it was when the caller read it."""

    code = "precondition-failed"
    status = 412
    title = "The graph has changed"


class IdempotencyKeyReused(CrewExecError):
    """The idempotency key was used for a different order."""

    code = "idempotency-key-reused"
    status = 422
    title = "The idempotency key belongs to a different order"


class IdempotencyKeyInUse(CrewExecError):
    """The first order with the same idempotency key is still being queued."""

    code = "idempotency-key-in-use"
    status = 409
    title = "The first order with this key is under way"


class QuotaExceeded(CrewExecError):
    """The user may have no more of something for the moment."""

    code = "limit-reached"
    status = 429
    title = "A limit is reached"

    def __init__(self, detail: str, retry_after: int) -> None:
        super().__init__(detail)
        self.retry_after = retry_after
        """Seconds after which it is worth to ask again."""


class QueueQuotaExceeded(QuotaExceeded):
    """As many executions of the user wait as may."""

    code = "too-many-queued"
    title = "Too many executions wait"


class TokenQuotaExceeded(QuotaExceeded):
    """The user's executions have used the tokens of the day."""

    code = "tokens-spent"
    title = "The tokens of the day are spent"


class TooManyRequests(QuotaExceeded):
    """The user has made as many requests as a minute allows."""

    code = "too-many-requests"
    title = "Too many requests"


class BrokerUnavailable(CrewExecError):
    """The message broker did not take the message; nothing was queued."""

    code = "broker-unavailable"
    status = 503
    title = "The queue cannot be reached"


class StorageUnavailable(CrewExecError):
    """A storage cannot open files at the moment, so the run is to be tried again later."""

    code = "file-storage-unavailable"
    status = 503
    title = "The storage cannot be reached"


class LeaseLost(CrewExecError):
    """Another worker owns this attempt by now, or the execution has ended."""

    code = "lease-lost"
    status = 409
    title = "The execution belongs to another worker"


class SecretMissing(CrewExecError):
    """A run needs a key that neither its user nor the host has."""

    code = "missing-key"
    title = "A key is missing"


class SecretProviderUnavailable(CrewExecError):
    """The host's provider of secrets does not answer."""

    code = "keys-unavailable"
    status = 503
    title = "The keys cannot be asked for"


class ToolUnavailable(CrewExecError):
    """The worker cannot load a tool that the host has registered."""

    code = "tool-unavailable"
    title = "The tool cannot be loaded"


class ToolServerUnavailable(CrewExecError):
    """A tool server that the host has registered cannot be reached."""

    code = "tool-server-unavailable"
    status = 503
    title = "The tool server cannot be reached"
