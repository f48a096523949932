"""Configuration, read and checked once when an application is initialised.

Every key of ``app.config`` that begins with ``CREWEXEC_`` is listed here; a key that is not
is refused by name, because a misspelt limit is a limit that does not hold.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import difflib
import math
import os
import typing as t

from flask import Config

from ..errors import ConfigError
from .per_user_limits import PerUserLimit
from .per_user_limits import validate_limit
from .pricing import check_prices
from .pricing import Prices

PREFIX = "CREWEXEC_"
BROKER_SCHEMES = ("redis", "rediss", "redis+socket", "sentinel")
LOG_FORMATS = ("text", "json", "plain")
MIN_TOKEN_LENGTH = 16
DEFAULT_REDIS_URL = "redis://localhost:6379/0"


def _non_negative(default: int) -> t.Any:
    """Return a field that may be zero."""
    return dataclasses.field(default=default, metadata={"least": 0})


_PER_USER: t.Final = {"check": validate_limit}
"""Limits that are a number, or a function from a user's id to one."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Settings:
    """What ``app.config["CREWEXEC_..."]`` says, with defaults and checks."""

    url_prefix: str = "/crewexec"
    """Where the HTTP routes are mounted."""
    allow_anonymous: bool = False
    """Whether requests without an identity may use the routes, all as one shared user."""
    max_body_bytes: int = 1024 * 1024
    """Largest request body that the routes read."""
    max_inputs_bytes: int = 256 * 1024
    """Largest JSON that the inputs of one execution may have."""
    max_file_bytes: int = 256 * 1024
    """Largest file that an input may name."""
    max_output_chars: int = 1_000_000
    """Longest text that is kept of one step's output."""
    max_tool_output_chars: int = 100_000
    """Longest text that a model gets from a tool, unless the tool is registered otherwise."""
    max_event_chars: int = 2_000
    """Longest text that is kept in one event."""
    database_retry_seconds: float = 30.0
    """Seconds that a run waits for a database that is away or locked before it gives up."""
    llm_timeout: float = 600.0
    """Seconds for which a model may be silent unless it is registered with another value."""
    max_runtime: float | None = 14_400.0
    """Seconds that an execution may take from its first start on, and the most to ask for."""
    max_llm_calls: int | None = None
    """Model calls that an execution may make, and the most to ask for."""
    max_tokens: int | None = None
    """Tokens after which an execution makes no more calls, and the most to ask for."""
    max_queued_per_user: PerUserLimit = dataclasses.field(default=None, metadata=_PER_USER)
    """How many executions of one user may wait at once."""
    max_running_per_user: PerUserLimit = dataclasses.field(default=None, metadata=_PER_USER)
    """How many executions of one user run at once; others wait for one of them to end."""
    max_tokens_per_day: PerUserLimit = dataclasses.field(default=None, metadata=_PER_USER)
    """Tokens that one user's executions may use on a day (UTC)."""
    requests_per_minute: PerUserLimit = dataclasses.field(default=None, metadata=_PER_USER)
    """How many requests one user may make within a minute."""
    max_retries: int = _non_negative(3)
    """How often an execution is tried again by itself after an error that may pass."""
    retry_delay: float = 60.0
    """Seconds between an attempt that failed and the next one."""
    max_worker_losses: int = _non_negative(3)
    """How often an execution begins again after it lost its worker."""
    lease_seconds: float = 30.0
    """Seconds without a sign of life after which a worker has lost its executions."""
    poll_interval: float = 0.5
    """Seconds between two looks whether a running execution was cancelled."""
    cancel_grace_seconds: float = 30.0
    """Seconds that a run which must stop may go on, within a tool, before force is used."""
    drain_timeout: float = 20.0
    """Seconds after SIGTERM from which a worker hands its runs back instead of ending them."""
    accept_without_broker: bool = False
    """Whether to queue in the database alone while the broker does not answer."""
    reconcile_interval: dt.timedelta = dt.timedelta(seconds=10)
    """How often beat asks to look for lost messages, dead workers, due retries and deadlines."""
    reconcile_batch_size: int = 200
    """How many executions one such look takes care of, of each kind."""
    republish_after: float = 30.0
    """Seconds after which a message that nobody took may count as lost."""
    keep_for: dt.timedelta = dt.timedelta(days=30)
    """How long finished executions are kept before the cleanup task removes them."""
    keep_count: int | None = None
    """How many finished executions are kept; the oldest go first."""
    purge_interval: dt.timedelta = dt.timedelta(minutes=10)
    """How often beat asks for a purge."""
    purge_batch_size: int = 500
    """How many executions one transaction of a purge removes."""
    heartbeat_interval: float = 10.0
    """Seconds between two heartbeats of a worker."""
    stale_worker_after: float = 60.0
    """Seconds after its last heartbeat from which a worker counts as gone."""
    broker_timeout: float = 0.5
    """Seconds that connecting to, or one answer of, the broker may take while queueing."""
    prices: Prices = dataclasses.field(default_factory=dict, metadata={"check": check_prices})
    """What a million tokens of each model cost."""
    max_streams: int = 500
    """How many event streams one web process serves at once."""
    max_streams_per_user: int = 20
    """How many of them one user may have."""
    max_stream_seconds: float = 600.0
    """How long one stream is served before its client has to ask again."""
    stream_heartbeat_interval: float = 15.0
    """Seconds after which a stream without events gets a sign of life."""
    health_timeout: float = 2.0
    """Seconds that one check of the service's health, or one look at its figures, may take."""
    metrics_token: str | None = dataclasses.field(default=None, repr=False)
    """What a scraper without an identity sends as bearer token to read the metrics."""
    log_format: str = "text"
    """How workers write their logs: ``"text"``, ``"json"``, or ``"plain"`` as Celery does."""
    result_expires: dt.timedelta = dt.timedelta(days=1)
    """How long Celery's own results stay in the result backend."""

    @property
    def has_user_limits(self) -> bool:
        """Whether what users queue and run is limited."""
        limits = (self.max_queued_per_user, self.max_running_per_user, self.max_tokens_per_day)
        return any(limit is not None for limit in limits)

    def __post_init__(self) -> None:
        for field in dataclasses.fields(self):
            check = field.metadata.get("check")
            if check is not None:
                check(PREFIX + field.name.upper(), getattr(self, field.name))
            else:
                _check_type(field, getattr(self, field.name))
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
                f"'{PREFIX}METRICS_TOKEN' must have at least {MIN_TOKEN_LENGTH} characters; anybody"
                " who guesses it can read the metrics."
            )
        if self.lease_seconds < 4 * self.poll_interval:
            raise ConfigError(
                f"'{PREFIX}LEASE_SECONDS' must be at least four times '{PREFIX}POLL_INTERVAL',"
                " or leases expire between two polls;"
                f" they are {self.lease_seconds!r} and {self.poll_interval!r}."
            )

    @classmethod
    def from_config(cls, config: Config) -> t.Self:
        """Read the settings and write the defaults back, so that ``app.config`` shows them all.

        :raises ConfigError: for an unknown key, or a value that cannot be used.
        """
        given = config.get_namespace(PREFIX)
        known = [field.name for field in dataclasses.fields(cls)]
        if unknown := sorted(given.keys() - set(known)):
            names = ", ".join(PREFIX + name.upper() for name in unknown)
            raise ConfigError(f"Unknown settings: {names}. {_spelling(unknown, known)}")
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
        shown = repr(value) if field.repr else "something else"  # and secret
        raise ConfigError(f"'{key}' must be of type '{expected.__name__}'{none}; it is {shown}.")
    if isinstance(value, int | float) and expected is not bool:
        _check_number(key, value, field.metadata.get("least"))
    if isinstance(value, dt.timedelta) and value <= dt.timedelta():
        raise ConfigError(f"'{key}' must be longer than zero; it is {value!r}.")


def _type_of(field: dataclasses.Field[t.Any]) -> tuple[type, bool]:
    """Return the type of a setting and whether it may be None."""
    kinds = t.get_args(_HINTS[field.name]) or (_HINTS[field.name],)
    return kinds[0], type(None) in kinds


def _check_number(key: str, value: float, least: int | None) -> None:
    if least is not None and not value >= least:
        raise ConfigError(f"'{key}' must be {least} or more; it is {value!r}.")
    if least is None and not 0 < value < math.inf:
        raise ConfigError(f"'{key}' must be greater than zero, and finite; it is {value!r}.")


_HINTS: t.Final = t.get_type_hints(Settings)


def _spelling(unknown: list[str], known: list[str]) -> str:
    close = [found for name in unknown for found in difflib.get_close_matches(name, known, 1)]
    meant = ", ".join(PREFIX + name.upper() for name in close)
    return f"Do you mean {meant}?" if meant else "Check the spelling."


def check_broker_url(url: object) -> None:
    """Check that a broker is a Redis: our priorities and queue depths are made of its lists.

    :raises ConfigError: if it is anything else.
    """
    scheme, separator, _ = str(url).partition("://")
    scheme = scheme if separator else ""  # what has none may begin with a password
    if scheme not in BROKER_SCHEMES:
        raise ConfigError(
            f"'CELERY_BROKER_URL' begins with '{scheme}'; it must begin with one of:"
            f" {', '.join(BROKER_SCHEMES)}."
        )


def redis_url(config: Config, key: str) -> str:
    """Return ``CELERY_BROKER_URL`` or ``CELERY_RESULT_BACKEND``: environment, then config.

    Celery itself prefers these variables to whatever it is told. Without them the key ``CELERY``
    of the configuration may still override it.

    :raises ConfigError: if the value is no URL.
    """
    value = os.environ.get(key) or config.get(key) or DEFAULT_REDIS_URL
    if not isinstance(value, str) or ":" not in value:
        raise ConfigError(f"'{key}' must be a URL such as '{DEFAULT_REDIS_URL}'.")
    return value
