"""Configuration, read and checked once when an application is initialised.

Every key of ``app.config`` that begins with ``CREWEXEC_`` is a field of :class:`Settings`. Unknown
keys are rejected, because a misspelt limit would not be enforced.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import difflib
import math
import re
import typing as t

from flask import Config

from ..errors import ConfigError
from .call_log import DurationPerUser
from .call_log import KeptPerUser
from .call_log import validate_duration
from .call_log import validate_kept
from .networks import check_networks
from .per_user_limits import PerUserLimit
from .per_user_limits import validate_limit
from .per_user_limits import validate_priority
from .pricing import check_prices
from .pricing import Prices
from .security_schemes import check_security_schemes
from .security_schemes import SecuritySchemes

PREFIX = "CREWEXEC_"
LOG_FORMATS = ("text", "json", "plain")
MIN_TOKEN_LENGTH = 16


def _non_negative(default: int) -> t.Any:
    """Return a field that may be zero."""
    return dataclasses.field(default=default, metadata={"minimum": 0})


_PER_USER: t.Final = {"check": validate_limit}
"""Metadata of limits that are a number, or a function from a user's id to one."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Settings:
    """The values of ``app.config["CREWEXEC_..."]``, with their defaults, checked."""

    url_prefix: str = "/crewexec"
    """URL prefix of the HTTP routes."""
    allow_anonymous: bool = False
    """Whether requests without an identity may use the routes; all share one user."""
    public_openapi: bool = True
    """Whether the OpenAPI document is served without an identity."""
    security_schemes: SecuritySchemes = dataclasses.field(
        default_factory=lambda: {"bearer": {"type": "http", "scheme": "bearer"}},
        metadata={"check": check_security_schemes},
    )
    """How users sign in, as security schemes of OpenAPI by name: for the OpenAPI document, and for
    the header ``WWW-Authenticate``, which names those of the type ``http``."""
    max_body_bytes: int = 1024 * 1024
    """Maximum size of a request body, in bytes."""
    max_inputs_bytes: int = 256 * 1024
    """Maximum size of the inputs of one execution as JSON, in bytes."""
    max_file_bytes: int = 256 * 1024
    """Maximum size of a file that an input refers to, in bytes."""
    max_output_chars: int = 1_000_000
    """Maximum length of the stored output of a step, in characters; longer outputs are cut."""
    max_status_chars: int = 2_500_000
    """Maximum size of the contents of one response, in characters of JSON: the result and outputs
    in the status of an execution, the contents of a page of calls or input requests, and the
    messages of a call. The rest is left out, or follows on the next page."""
    max_tool_output_chars: int = 100_000
    """Maximum length of a tool's output, in characters, unless the tool sets its own."""
    max_event_chars: int = 2_000
    """Maximum length of a text in an event, in characters; longer texts are cut."""
    database_retry_seconds: float = 30.0
    """Seconds for which a run retries while the database is unavailable or locked."""
    llm_timeout: float = 600.0
    """Seconds that a model call may take before it fails, unless the model sets its own."""
    max_answer_bytes: int = 16 * 1024 * 1024
    """Maximum size of a model's response, in bytes, before and after decompression."""
    max_runtime: float | None = 14_400.0
    """Seconds that an execution may take from its first start; requests may only ask for less."""
    max_llm_calls: int | None = None
    """Maximum number of model calls of an execution; requests may only ask for fewer. If None,
    there is no maximum, and the default depends on the graph."""
    max_tool_calls: int | None = 2_000
    """Maximum number of tool calls of an execution; requests may only ask for fewer."""
    max_tokens: int | None = None
    """Tokens after which an execution makes no further call; requests may only ask for fewer."""
    max_queued_per_user: PerUserLimit = dataclasses.field(default=None, metadata=_PER_USER)
    """Maximum number of one user's executions that wait at the same time."""
    max_running_per_user: PerUserLimit = dataclasses.field(default=None, metadata=_PER_USER)
    """Maximum number of one user's executions that run at the same time; others wait."""
    max_tokens_per_day: PerUserLimit = dataclasses.field(default=None, metadata=_PER_USER)
    """Maximum number of tokens that one user's executions use per day (UTC)."""
    requests_per_minute: PerUserLimit = dataclasses.field(default=None, metadata=_PER_USER)
    """Maximum number of HTTP requests of one user per minute."""
    max_graphs_per_user: PerUserLimit = dataclasses.field(default=None, metadata=_PER_USER)
    """Maximum number of one user's graphs, archived ones included."""
    max_versions_per_graph: PerUserLimit = dataclasses.field(default=None, metadata=_PER_USER)
    """Maximum number of versions of each graph of one user."""
    most_urgent_priority: PerUserLimit = dataclasses.field(
        default=None, metadata={"check": validate_priority}
    )
    """Most urgent priority that one user may use; None for 1."""
    priority_aging: float | None = 300.0
    """Seconds of waiting after which an execution is treated as one priority more urgent, again and
    again; None if priorities are never to change."""
    max_retries: int = _non_negative(3)
    """Maximum number of automatic retries after transient errors."""
    retry_delay: float = 60.0
    """Seconds between a failed attempt and its retry."""
    max_worker_losses: int = _non_negative(3)
    """How often an execution is resumed after its worker was lost; after that it fails."""
    lease_seconds: float = 30.0
    """Seconds without renewal after which a worker loses the lease of an execution."""
    poll_interval: float = 0.5
    """Seconds between two checks whether a running execution was cancelled."""
    cancel_grace_seconds: float = 30.0
    """Seconds that a run may take to stop before it is stopped by force."""
    drain_timeout: float = 20.0
    """Seconds after SIGTERM in which runs may finish; then a worker releases them to others."""
    accept_without_broker: bool = False
    """Whether executions are accepted while the broker is unavailable, and published later."""
    reconcile_interval: dt.timedelta = dt.timedelta(seconds=10)
    """Interval (a timedelta) at which Celery beat starts the reconciler."""
    reconcile_batch_size: int = 200
    """Maximum number of executions of each kind that the reconciler handles in one round."""
    republish_after: float = 30.0
    """Seconds after which a message that no worker has taken may be published again."""
    keep_for: dt.timedelta = dt.timedelta(days=30)
    """How long finished executions are kept (a timedelta)."""
    keep_count: int | None = None
    """Maximum number of finished executions that are kept; the oldest are removed first."""
    purge_interval: dt.timedelta = dt.timedelta(minutes=10)
    """Interval (a timedelta) at which Celery beat starts a purge of old executions."""
    purge_batch_size: int = 500
    """Number of executions that a purge removes in one transaction."""
    call_log: KeptPerUser = dataclasses.field(default="content", metadata={"check": validate_kept})
    """What is kept of the calls of an execution after its end: ``"content"``, ``"shape"`` without
    what was said, or ``"off"``; or a function from a user's id to one of them."""
    keep_calls_for: DurationPerUser = dataclasses.field(
        default=dt.timedelta(days=7), metadata={"check": validate_duration}
    )
    """How long the calls of finished executions are kept (a timedelta), or a function from a user's
    id to it."""
    resume_in_step: bool = True
    """Whether calls are recorded while an execution has not ended, so that it can continue in the
    middle of a step."""
    max_call_chars: int = 1_000_000
    """Maximum size of the stored contents of a call, in characters; larger ones are cut."""
    max_calls_chars: int = 50_000_000
    """Maximum size of the stored contents of all calls of an execution, in characters."""
    managers_see_content: bool = True
    """Whether users who manage the executions of others see what was said in them, or only the
    shape of the calls."""
    trace_content: bool = False
    """Whether spans contain what was said, in the attributes of OpenTelemetry's GenAI conventions.
    OpenTelemetry's environment variable ``OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT`` also
    switches it on."""
    heartbeat_interval: float = 10.0
    """Seconds between two heartbeats of a worker."""
    stale_worker_after: float = 60.0
    """Seconds without a heartbeat after which a worker is considered gone."""
    execution_queue: str = "crew_execution"
    """Name of the queue from which workers take executions."""
    cleanup_queue: str = "cleanup"
    """Name of the queue from which workers take maintenance, such as the reconciler's rounds."""
    notification_queue: str | None = None
    """Name of the queue from which workers take notifications of handlers and webhooks; None for
    that of maintenance."""
    notification_threads: int = 4
    """Maximum number of notifications that one worker process delivers at the same time."""
    notification_timeout: float = 15.0
    """Seconds that a handler or the server of a webhook may take for one notification."""
    webhooks: bool = False
    """Whether users may have webhooks."""
    webhook_networks: t.Sequence[str] = dataclasses.field(
        default=(), metadata={"check": check_networks}
    )
    """Networks that webhooks may reach, also without TLS, although they are not public, such as
    ``["10.20.0.0/16"]``."""
    max_webhooks_per_user: PerUserLimit = dataclasses.field(default=20, metadata=_PER_USER)
    """Maximum number of one user's webhooks."""
    broker_timeout: float = 0.5
    """Seconds that connecting to the broker, or one of its replies, may take in a submission."""
    prices: Prices = dataclasses.field(default_factory=dict, metadata={"check": check_prices})
    """Price of a million input and output tokens of each model, in the host's currency."""
    currency: str = "USD"
    """Currency of the prices, as people are told it beside amounts."""
    max_streams: int = 500
    """Maximum number of event streams and waiting requests that one web process serves at once."""
    max_streams_per_user: int = 20
    """Maximum number of event streams and waiting requests of one user in one web process; half of
    what the process allows if that is less."""
    max_stream_seconds: float = 600.0
    """Seconds after which an event stream ends and its client has to reconnect."""
    stream_heartbeat_interval: float = 15.0
    """Seconds after which an event stream without events sends a heartbeat."""
    health_timeout: float = 2.0
    """Seconds that one check of the service's health, or one query for its metrics, may take."""
    metrics_token: str | None = dataclasses.field(default=None, repr=False)
    """Bearer token with which a scraper without an identity reads the metrics."""
    log_format: str = "text"
    """Format of the logs of workers and beat: ``"text"``, ``"json"``, or Celery's ``"plain"``."""
    result_expires: dt.timedelta = dt.timedelta(days=1)
    """How long Celery keeps its results in the result backend (a timedelta)."""

    @property
    def queues(self) -> tuple[str, ...]:
        """The names of all queues."""
        return tuple(
            dict.fromkeys((self.execution_queue, self.cleanup_queue, self.queue_of_notifications))
        )

    @property
    def queue_of_notifications(self) -> str:
        """The name of the queue of notifications."""
        return self.notification_queue or self.cleanup_queue

    @property
    def records_calls(self) -> bool:
        """Whether calls are recorded at all."""
        return self.resume_in_step or self.call_log != "off"

    @property
    def has_user_limits(self) -> bool:
        """Whether the executions of a user are limited."""
        limits = (self.max_queued_per_user, self.max_running_per_user, self.max_tokens_per_day)
        return any(limit is not None for limit in limits)

    def __post_init__(self) -> None:
        for field in dataclasses.fields(self):
            check = field.metadata.get("check")
            if check is not None:
                check(PREFIX + field.name.upper(), getattr(self, field.name))
            else:
                _check_type(field, getattr(self, field.name))
        self._check_texts()
        self._check_queues()
        self._check_lease()

    def _check_texts(self) -> None:
        if not self.url_prefix.startswith("/") or self.url_prefix.endswith("/"):
            raise ConfigError(
                f"'{PREFIX}URL_PREFIX' must begin with a slash and not end with one,"
                f" such as '/crewexec'; it is {self.url_prefix!r}."
            )
        if self.log_format not in LOG_FORMATS:
            raise ConfigError(
                f"'{PREFIX}LOG_FORMAT' must be one of {', '.join(LOG_FORMATS)};"
                f" it is {self.log_format!r}."
            )
        if self.metrics_token is not None and len(self.metrics_token) < MIN_TOKEN_LENGTH:
            raise ConfigError(
                f"'{PREFIX}METRICS_TOKEN' must have at least {MIN_TOKEN_LENGTH} characters:"
                " anyone who guesses it can read the metrics."
            )

    def _check_queues(self) -> None:
        for key, name in (
            ("EXECUTION_QUEUE", self.execution_queue),
            ("CLEANUP_QUEUE", self.cleanup_queue),
            ("NOTIFICATION_QUEUE", self.queue_of_notifications),
        ):
            # The database stores other characters of JSON escaped, and would not find them.
            if not re.fullmatch(r"[A-Za-z0-9_.-]+", name):
                raise ConfigError(
                    f"'{PREFIX}{key}' must consist of letters from A to Z, digits, '_', '-' and"
                    f" '.'; it is {name!r}."
                )
        if self.execution_queue in (self.cleanup_queue, self.notification_queue):
            raise ConfigError(
                f"'{PREFIX}EXECUTION_QUEUE' must be another queue than '{PREFIX}CLEANUP_QUEUE' and"
                f" '{PREFIX}NOTIFICATION_QUEUE', or maintenance would wait behind executions."
            )

    def _check_lease(self) -> None:
        if self.lease_seconds < 4 * self.poll_interval:
            raise ConfigError(
                f"'{PREFIX}LEASE_SECONDS' must be at least four times '{PREFIX}POLL_INTERVAL',"
                " or leases expire between two polls;"
                f" they are {self.lease_seconds!r} and {self.poll_interval!r}."
            )

    @classmethod
    def from_config(cls, config: Config) -> t.Self:
        """Read the settings, and write the defaults back so that ``app.config`` shows them all.

        :raises ConfigError: if a key is unknown or a value invalid.
        """
        given = config.get_namespace(PREFIX)
        known = [field.name for field in dataclasses.fields(cls)]
        if unknown := sorted(given.keys() - set(known)):
            names = ", ".join(PREFIX + name.upper() for name in unknown)
            raise ConfigError(f"Unknown settings: {names}. {_suggestion(unknown, known)}")
        settings = cls(**given)
        for name in known:
            config.setdefault(PREFIX + name.upper(), getattr(settings, name))
        return settings


def _check_type(field: dataclasses.Field[t.Any], value: object) -> None:
    key = PREFIX + field.name.upper()
    expected, optional = _type_of(field)
    if optional and value is None:
        return
    accepted = (int, float) if expected is float else (expected,)
    if type(value) not in accepted:
        none = " or None" if optional else ""
        shown = repr(value) if field.repr else "something else"  # a secret is not shown
        raise ConfigError(f"'{key}' must be of type '{expected.__name__}'{none}; it is {shown}.")
    if isinstance(value, int | float) and expected is not bool:
        _check_number(key, value, field.metadata.get("minimum"))
    if isinstance(value, dt.timedelta) and value <= dt.timedelta():
        raise ConfigError(f"'{key}' must be longer than zero; it is {value!r}.")


def _type_of(field: dataclasses.Field[t.Any]) -> tuple[type, bool]:
    """Return the type of a setting and whether it may be None."""
    kinds = t.get_args(_HINTS[field.name]) or (_HINTS[field.name],)
    return kinds[0], type(None) in kinds


def _check_number(key: str, value: float, minimum: int | None) -> None:
    if minimum is not None and not value >= minimum:
        raise ConfigError(f"'{key}' must be {minimum} or more; it is {value!r}.")
    if minimum is None and not 0 < value < math.inf:
        raise ConfigError(f"'{key}' must be greater than zero and finite; it is {value!r}.")


_HINTS: t.Final = t.get_type_hints(Settings)


def _suggestion(unknown: list[str], known: list[str]) -> str:
    close = [found for name in unknown for found in difflib.get_close_matches(name, known, 1)]
    meant = ", ".join(PREFIX + name.upper() for name in close)
    return f"Did you mean {meant}?" if meant else "Check the spelling."
