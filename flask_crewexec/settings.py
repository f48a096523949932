"""Configuration, read and checked once when an application is initialised.

Every key of ``app.config`` that begins with ``CREWEXEC_`` is listed here; a key that is not
is refused by name, because a misspelt limit is a limit that does not hold.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import os
import typing as t

from flask import Config

from .errors import ConfigError

PREFIX = "CREWEXEC_"
BROKER_SCHEMES = ("redis", "rediss", "redis+socket", "sentinel")
DEFAULT_REDIS_URL = "redis://localhost:6379/0"


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
    max_output_chars: int = 1_000_000
    """Longest text that is kept of one step's output."""
    max_event_chars: int = 2_000
    """Longest text that is kept in one event."""
    database_patience: float = 30.0
    """Seconds that a run waits for a database that is away or locked before it gives up."""
    llm_timeout: float = 600.0
    """Seconds that one model call may take unless the model is registered with another value."""
    keep_for: dt.timedelta = dt.timedelta(days=30)
    """How long finished executions are kept before the cleanup task removes them."""
    purge_interval: dt.timedelta = dt.timedelta(hours=1)
    """How often beat asks for a purge."""
    purge_batch: int = 500
    """How many executions one transaction of a purge removes."""
    heartbeat_interval: float = 10.0
    """Seconds between two heartbeats of a worker."""
    stale_worker_after: float = 60.0
    """Seconds after its last heartbeat from which a worker counts as gone."""
    broker_timeout: float = 0.5
    """Seconds that connecting to, or one answer of, the broker may take while queueing."""
    result_expires: dt.timedelta = dt.timedelta(days=1)
    """How long Celery's own results stay in the result backend."""

    def __post_init__(self) -> None:
        for field in dataclasses.fields(self):
            _check_type(field, getattr(self, field.name))
        if not self.url_prefix.startswith("/") or self.url_prefix.endswith("/"):
            raise ConfigError(
                f"'{PREFIX}URL_PREFIX' must begin with a slash and not end with one,"
                f" such as '/crewexec'; it is {self.url_prefix!r}."
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
            raise ConfigError(f"Unknown settings: {names}. Check the spelling.")
        settings = cls(**given)
        for name in known:
            config.setdefault(PREFIX + name.upper(), getattr(settings, name))
        return settings


def _check_type(field: dataclasses.Field[t.Any], value: object) -> None:
    key = PREFIX + field.name.upper()
    expected = type(field.default)
    accepted = (int, float) if expected is float else (expected,)
    if type(value) not in accepted:
        raise ConfigError(f"'{key}' must be of type '{expected.__name__}'; it is {value!r}.")
    if isinstance(value, int | float) and expected is not bool and not value > 0:
        raise ConfigError(f"'{key}' must be greater than zero; it is {value!r}.")
    if isinstance(value, dt.timedelta) and value <= dt.timedelta():
        raise ConfigError(f"'{key}' must be longer than zero; it is {value!r}.")


def check_broker_url(url: object) -> None:
    """Check that a broker is a Redis: our priorities and queue depths are made of its lists.

    :raises ConfigError: if it is anything else.
    """
    scheme = str(url).partition("://")[0]
    if scheme not in BROKER_SCHEMES:
        raise ConfigError(
            f"'CELERY_BROKER_URL' begins with '{scheme}'; it must begin with one of:"
            f" {', '.join(BROKER_SCHEMES)}."
        )


def redis_url(config: Config, key: str) -> str:
    """Return ``CELERY_BROKER_URL`` or ``CELERY_RESULT_BACKEND``: config, then environment.

    The key ``CELERY`` of the configuration may still override it.

    :raises ConfigError: if the value is no URL.
    """
    value = config.get(key) or os.environ.get(key) or DEFAULT_REDIS_URL
    if not isinstance(value, str) or ":" not in value:
        raise ConfigError(f"'{key}' must be a URL such as '{DEFAULT_REDIS_URL}'.")
    return value
