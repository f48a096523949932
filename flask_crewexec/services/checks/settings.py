"""Checks of the configuration: what is allowed, but risky or without effect.

Unknown settings, and values that cannot be used, have been refused when the application started.
"""

from __future__ import annotations

import importlib.util
import ipaddress
import typing as t
from collections.abc import Iterable
from collections.abc import Iterator

from flask import current_app

from ...app_state import AppState
from ...config.settings import Settings
from ...storage.webhooks import any_enabled
from .check import Check
from .check import ok
from .check import Result
from .check import skipped
from .check import unless_any
from .check import warning

MIN_KEY_LENGTH: t.Final = 16
HEARTBEATS: t.Final = 3
"""How many heartbeats a worker should be able to miss before it is considered gone."""
_WIDEST_PREFIX: t.Final = 8
"""Shorter prefixes than that of ``10.0.0.0/8`` contain public networks or all private ones."""


def check_identity(app_state: AppState) -> Iterator[Result]:
    """Check how users are told from one another."""
    if app_state.settings.allow_anonymous:
        yield warning(
            "'CREWEXEC_ALLOW_ANONYMOUS' is on: requests without an identity share one user.",
            "Switch it off, unless only people whom you trust reach the routes.",
        )
    elif app_state.identity_loaders:
        yield ok("An identity loader is registered.")
    else:
        yield warning(
            "No identity loader is registered, so every route answers 401.",
            "Decorate a function with '@crewexec.identity_loader', and check that something"
            " imports its module.",
        )


def check_settings(app_state: AppState) -> Iterable[Result]:
    """Check combinations of settings that are allowed, but seldom meant."""
    problems = [*_secret_key(), *_intervals(app_state.settings), *_networks(app_state.settings)]
    return unless_any(problems, "No setting is risky.")


def _secret_key() -> Iterator[Result]:
    key = current_app.secret_key
    if not key:
        yield warning(
            "'SECRET_KEY' is not set, so there are no signed links for answers, and no sessions.",
            "Set it to a long random value, the same in all processes.",
        )
    elif len(key) < MIN_KEY_LENGTH:
        yield warning(
            f"'SECRET_KEY' has fewer than {MIN_KEY_LENGTH} characters, so it can be guessed.",
            "Set it to a long random value: python -c 'import secrets; print(secrets.token_hex())'",
        )


def _intervals(settings: Settings) -> Iterator[Result]:
    if settings.stale_worker_after < HEARTBEATS * settings.heartbeat_interval:
        yield warning(
            f"'CREWEXEC_STALE_WORKER_AFTER' is less than {HEARTBEATS} times"
            " 'CREWEXEC_HEARTBEAT_INTERVAL': a single late heartbeat makes a worker look dead.",
            "Raise the first, or lower the second.",
        )


def _networks(settings: Settings) -> Iterator[Result]:
    for network in settings.webhook_networks:
        if ipaddress.ip_network(network).prefixlen < _WIDEST_PREFIX:
            yield warning(
                f"'CREWEXEC_WEBHOOK_NETWORKS' contains '{network}', so webhooks of users reach"
                " nearly every server that this machine reaches.",
                "Name only the networks that receivers are in.",
            )


def check_extras(app_state: AppState) -> Iterator[Result]:
    """Check that packages are installed for what the settings switch on."""
    if app_state.settings.metrics_token is None:
        yield skipped("No setting needs an optional package that may be missing.")
    elif importlib.util.find_spec("prometheus_client") is None:
        yield warning(
            "'CREWEXEC_METRICS_TOKEN' is set, but prometheus-client is not installed.",
            "Install the extra 'metrics': pip install 'Flask-CrewExec[metrics]'.",
        )
    else:
        yield ok("The package of the metrics is installed.")


def check_webhooks(app_state: AppState) -> Iterator[Result]:
    """Check that stored webhooks are not switched off by a setting."""
    if app_state.settings.webhooks:
        yield ok("Webhooks are switched on, and can be signed.")
        return
    if any_enabled(app_state):
        yield warning(
            "Users have webhooks, but 'CREWEXEC_WEBHOOKS' is off, so nothing is sent to them.",
            "Switch it on, or tell the users.",
        )
    else:
        yield ok("Webhooks are switched off, and users have none.")


CHECKS: t.Final = (
    Check("identity", check_identity),
    Check("settings", check_settings),
    Check("extras", check_extras),
    Check("webhooks", check_webhooks, needs=("database-server",)),
)
