"""Exceptions of Flask-CrewExec.

::

    CrewExecError
    ├── ConfigError                    a setting has a value that cannot be used
    ├── InvalidGraph                   a graph document cannot be run
    ├── ImportNotAccepted              an import leaves out more than its caller accepts
    ├── InvalidInputs                  the inputs do not fit the graph
    ├── InvalidPriority                the priority is not from 1 to 10
    │   └── PriorityTooUrgent          the user may not use a priority as urgent as that
    ├── InvalidRequest                 another value cannot be used
    ├── NotFound                       the graph or execution does not exist for this user
    ├── TooManyGraphs                  the user may have no more graphs
    ├── TooManyVersions                the graph may have no more versions
    ├── TooManyWebhooks                the user may have no more webhooks
    ├── WebhooksOff                    the host offers no webhooks
    ├── NotOwner                       only the owner of the execution may do that
    ├── NotAsked                       the input request asks other people
    ├── FourEyes                       the input request needs another person
    ├── InputAnswered                  the input request was answered otherwise
    ├── InputGone                      the input request can be answered no more
    ├── WrongState                     not possible in the current state
    ├── PreconditionFailed             the graph no longer matches ``If-Match``
    ├── IdempotencyKeyReused           the key belongs to a different submission
    ├── IdempotencyKeyInUse            the first submission with the key is in progress
    ├── QuotaExceeded                  the user has reached a limit
    │   ├── QueueQuotaExceeded         of queued executions
    │   ├── TokenQuotaExceeded         of tokens per day
    │   └── TooManyRequests            of requests per minute
    ├── BrokerUnavailable              the message could not be sent
    ├── Interrupted                    a request about several executions did not come to this one
    ├── StorageUnavailable             a file storage is unavailable; raised by hosts
    ├── LeaseLost                      another worker owns the attempt
    ├── SecretMissing                  a secret has no value
    ├── SecretProviderUnavailable      the host's secret provider failed
    ├── UserMissing                    the host has no such user any more
    ├── UserLoaderUnavailable          the host's user loader failed
    ├── NotRegistered                  the worker does not know a name that the graph uses
    ├── ToolUnavailable                the worker cannot use a tool
    ├── ModelMisconfigured             a model cannot be used as it is registered
    ├── WorkerMisconfigured            nothing can connect to models from the worker
    └── ToolServerUnavailable          an MCP server cannot be reached

Each class has a stable ``code``, the HTTP ``status`` and ``title`` of the problem document that
clients receive, and a ``remedy``. :data:`flask_crewexec.web.error_codes.ERROR_CODES` lists all
codes; :data:`flask_crewexec.schemas.FAILURE_CODES` lists those of failed executions.

All are in this one module, since it is part of the public API.
"""

from __future__ import annotations

import itertools
import typing as t
from collections.abc import Iterable

MAX_PROBLEMS: t.Final = 100
"""Number of problems that are listed, so that an answer is not much larger than its request."""


class Problem(t.NamedTuple):
    """One problem in the data that a caller has sent."""

    pointer: str
    """JSON pointer (RFC 6901) to the value."""
    code: str
    """Stable kind of the problem, in kebab-case."""
    detail: str
    """Sentence that says what is wrong and what to do."""
    hint: str = ""
    """Sentence that says what is allowed, where *detail* does not."""


Severity = t.Literal["info", "changed", "unguarded"]
"""How much a note matters: nothing changes; the crew behaves differently; a check is missing."""


class Note(t.NamedTuple):
    """Something that an import or export leaves out or replaces."""

    file: str
    """Name of the file; empty for the graph document, and for options."""
    pointer: str
    """JSON pointer to the place."""
    code: str
    """Stable code in kebab-case."""
    detail: str
    """What is left out, why, and what to do instead, as a sentence."""
    severity: Severity = "info"
    """How much it matters."""


class CrewExecError(Exception):
    """Base class of the errors that Flask-CrewExec reports."""

    code: t.ClassVar[str] = "error"
    status: t.ClassVar[int] = 500
    title: t.ClassVar[str] = "Request failed"
    remedy: t.ClassVar[str] = "Read 'detail'."

    def __init__(
        self, detail: str, problems: Iterable[Problem] = (), notes: Iterable[Note] = ()
    ) -> None:
        super().__init__(detail)
        self.detail = detail
        self.problems = _first_of(problems)
        self.notes = tuple(notes)


def _first_of(problems: Iterable[Problem]) -> tuple[Problem, ...]:
    first = tuple(itertools.islice(problems, MAX_PROBLEMS + 1))
    if len(first) <= MAX_PROBLEMS:
        return first
    detail = f"There are more than {MAX_PROBLEMS} problems. Correct these first."
    return (*first[:MAX_PROBLEMS], Problem("", "too-many-problems", detail))


class ConfigError(CrewExecError, RuntimeError):
    """A ``CREWEXEC_`` or ``CELERY_`` setting has a value that cannot be used."""

    code = "invalid-configuration"
    title = "Invalid configuration"
    remedy = "Correct the setting that the message names, and start the process again."


class InvalidGraph(CrewExecError):
    """The graph document cannot be run; ``problems`` lists the reasons."""

    code = "invalid-graph"
    status = 422
    title = "Invalid graph"
    remedy = "Correct the document at each pointer in 'errors'."


class ImportNotAccepted(CrewExecError):
    """An import leaves out more than its caller accepts; ``problems`` lists it."""

    code = "import-not-accepted"
    status = 422
    title = "Import not accepted"
    remedy = (
        "Do what each of 'errors' says, or send 'accept=unguarded' to import the crew without its"
        " checks; leave out 'strict' to accept changes."
    )


class InvalidInputs(CrewExecError):
    """The inputs do not fit the graph; ``problems`` lists them."""

    code = "invalid-inputs"
    status = 422
    title = "Invalid inputs"
    remedy = "Correct the inputs at each pointer in 'errors'."


class InvalidPriority(CrewExecError):
    """The priority is not a whole number from 1 (most urgent) to 10."""

    code = "invalid-priority"
    status = 422
    title = "Invalid priority"
    remedy = "Send a whole number from 1 to 10."


class PriorityTooUrgent(InvalidPriority):
    """The priority is more urgent than ``CREWEXEC_MOST_URGENT_PRIORITY`` allows the user."""

    code = "priority-too-urgent"
    title = "Priority too urgent"
    remedy = "Send the priority that the message names, or none."


class InvalidRequest(CrewExecError):
    """A value of the request cannot be used; ``problems`` names it."""

    code = "invalid-request"
    status = 422
    title = "Invalid request"
    remedy = "Correct the values at each pointer in 'errors'."


class NotFound(CrewExecError):
    """The graph, version or execution does not exist, or belongs to another user."""

    code = "not-found"
    status = 404
    title = "Not found"
    remedy = "Check the id, and sign in as the user to whom it belongs."


class TooManyGraphs(CrewExecError):
    """The user has as many graphs as ``CREWEXEC_MAX_GRAPHS_PER_USER`` allows."""

    code = "too-many-graphs"
    status = 409
    title = "Too many graphs"
    remedy = "Change one of the user's graphs instead of storing another."


class TooManyVersions(CrewExecError):
    """The graph has as many versions as ``CREWEXEC_MAX_VERSIONS_PER_GRAPH`` allows."""

    code = "too-many-versions"
    status = 409
    title = "Too many versions"
    remedy = "Copy the graph, which makes a graph with one version, and change the copy."


class TooManyWebhooks(CrewExecError):
    """The user has as many webhooks as ``CREWEXEC_MAX_WEBHOOKS_PER_USER`` allows."""

    code = "too-many-webhooks"
    status = 409
    title = "Too many webhooks"
    remedy = "Change or delete one of the user's webhooks instead of adding another."


class WebhooksOff(CrewExecError):
    """The application offers no webhooks: ``CREWEXEC_WEBHOOKS`` is off."""

    code = "webhooks-off"
    status = 409
    title = "No webhooks"
    remedy = "Leave the webhook out. Operators set 'CREWEXEC_WEBHOOKS' to offer webhooks."


class WrongState(CrewExecError):
    """The execution or graph is in a state that does not allow the operation."""

    code = "wrong-state"
    status = 409
    title = "Not possible in the current state"
    remedy = "Read the execution or graph again, and decide by its state."


class NotOwner(CrewExecError):
    """The user may see the execution, but only its owner may do this with it."""

    code = "not-owner"
    status = 403
    title = "Not the owner"
    remedy = "Let the owner of the execution do it."


class NotAsked(CrewExecError):
    """The user may see the input request, but it asks others."""

    code = "not-asked"
    status = 403
    title = "Not asked"
    remedy = "Let one of the request's 'assignees' answer it."


class FourEyes(CrewExecError):
    """The input request needs another person: not the owner, nor who has edited what it shows."""

    code = "four-eyes"
    status = 403
    title = "Another person is needed"
    remedy = (
        "Let somebody else answer than the owner of the execution, who edited what is asked about,"
        " and who issued the link."
    )


class InputAnswered(CrewExecError):
    """Somebody else has answered the input request, or the same user otherwise.

    ``input_request`` is the request with its first answer, which counts, as the caller may see it.
    """

    code = "input-answered"
    status = 409
    title = "Answered before"
    remedy = "Show the first answer, in 'input_request': it counts."

    def __init__(
        self, detail: str, problems: Iterable[Problem] = (), *, input_request: dict[str, t.Any]
    ) -> None:
        super().__init__(detail, problems)
        self.input_request = input_request


class InputGone(CrewExecError):
    """The input request or the link to it has expired, or it is not asked any more."""

    code = "input-gone"
    status = 410
    title = "Too late"
    remedy = "Read the input request and the execution: nothing waits for this answer."


class PreconditionFailed(CrewExecError):
    """The graph has changed since the caller read it: ``If-Match`` names another version."""

    code = "precondition-failed"
    status = 412
    title = "Precondition failed"
    remedy = "Read the graph again, apply your change to it, and send its new 'ETag'."


class IdempotencyKeyReused(CrewExecError):
    """The idempotency key belongs to a submission with different content."""

    code = "idempotency-key-reused"
    status = 422
    title = "Idempotency key reused"
    remedy = "Use a new key for each submission; repeat a key only with the same content."


class IdempotencyKeyInUse(CrewExecError):
    """The first submission with this idempotency key is still being queued."""

    code = "idempotency-key-in-use"
    status = 409
    title = "Idempotency key in use"
    remedy = "Send the same request again after a moment."


class QuotaExceeded(CrewExecError):
    """The user has reached a limit; the base class of the errors for each limit."""

    code = "quota-exceeded"
    status = 429
    title = "Quota exceeded"
    remedy = "Wait for as many seconds as 'Retry-After' says."

    def __init__(self, detail: str, retry_after: int) -> None:
        super().__init__(detail)
        self.retry_after = retry_after
        """Seconds after which a retry may succeed."""


class QueueQuotaExceeded(QuotaExceeded):
    """The user has as many queued executions as ``CREWEXEC_MAX_QUEUED_PER_USER`` allows."""

    code = "queue-quota-exceeded"
    title = "Queue quota exceeded"
    remedy = "Wait until some of the user's executions have started, or cancel some."


class TokenQuotaExceeded(QuotaExceeded):
    """The user has used as many tokens today as ``CREWEXEC_MAX_TOKENS_PER_DAY`` allows."""

    code = "token-quota-exceeded"
    title = "Token quota exceeded"
    remedy = "Wait until the next day (UTC)."


class TooManyRequests(QuotaExceeded):
    """The user has made as many requests as ``CREWEXEC_REQUESTS_PER_MINUTE`` allows."""

    code = "too-many-requests"
    title = "Too many requests"


class BrokerUnavailable(CrewExecError):
    """The message broker did not accept the message; nothing was queued."""

    code = "broker-unavailable"
    status = 503
    title = "Message broker unavailable"
    remedy = "Try again later. Operators check the server at 'CELERY_BROKER_URL'."


class Interrupted(CrewExecError):
    """A request about several executions has ended before it was done with this one."""

    code = "interrupted"
    status = 503
    title = "Interrupted"
    remedy = "Read the execution, and send its id again if that is still to be done."


class StorageUnavailable(CrewExecError):
    """A file storage is unavailable for now; hosts raise it, and the run is retried."""

    code = "file-storage-unavailable"
    status = 503
    title = "File storage unavailable"
    remedy = "Try again later. Operators check the storage that the input names."


class LeaseLost(CrewExecError):
    """Another worker owns this attempt, or the execution has ended."""

    code = "lease-lost"
    status = 409
    title = "Lease lost"
    remedy = "Nothing is to be done: the other worker continues the execution."


class SecretMissing(CrewExecError):
    """A run needs a secret for which neither the user nor the host has a value."""

    code = "secret-missing"
    title = "Secret missing"
    remedy = "Store the secret that the message names for the user, or give it a 'default'."


class SecretProviderUnavailable(CrewExecError):
    """The host's secret provider raised an exception or did not answer."""

    code = "secret-provider-unavailable"
    status = 503
    title = "Secret provider unavailable"
    remedy = "Operators look for the provider's exception in the worker's log."


class UserMissing(CrewExecError):
    """A function of the host asked for the user of a run, who does not exist any more."""

    code = "user-missing"
    title = "User missing"
    remedy = "Nothing is to be done if the user was removed; else correct the user loader."


class UserLoaderUnavailable(CrewExecError):
    """The host's user loader raised an exception."""

    code = "user-loader-unavailable"
    status = 503
    title = "User loader unavailable"
    remedy = "Operators look for the loader's exception in the worker's log."


class NotRegistered(CrewExecError):
    """The worker has not registered a tool, model, guardrail or predicate of the graph."""

    code = "not-registered"
    title = "Not registered in the worker"
    remedy = "Operators start all workers with the version of the application that has the name."


class ToolUnavailable(CrewExecError):
    """The worker cannot use a tool that the host has registered."""

    code = "tool-unavailable"
    title = "Tool unavailable"
    remedy = (
        "Operators install what the tool needs where the worker runs, or correct how it is"
        " registered."
    )


class ModelMisconfigured(CrewExecError):
    """The worker cannot use a model as the host has registered it."""

    code = "model-misconfigured"
    title = "Model misconfigured"
    remedy = "Operators correct the registration of the model that the message names."


class WorkerMisconfigured(CrewExecError):
    """The environment of the worker does not let it connect to models."""

    code = "worker-misconfigured"
    title = "Worker misconfigured"
    remedy = "Operators correct the environment variables that the message names."


class ToolServerUnavailable(CrewExecError):
    """A registered tool server (MCP) cannot be reached."""

    code = "tool-server-unavailable"
    status = 503
    title = "Tool server unavailable"
    remedy = "Operators check the server's command or URL, and its 'connect_timeout'."
