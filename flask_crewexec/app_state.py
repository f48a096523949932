"""State of the extension for one application."""

from __future__ import annotations

import dataclasses
import typing as t
from collections.abc import Callable
from collections.abc import Mapping

from celery import Celery
from flask import current_app
from flask import Request

from .config.settings import Settings
from .database import Database
from .identity import IdentityLoader
from .models import Models
from .registry.registry import Registry
from .registry.secrets import SecretProvider
from .registry.users import UserLoader


@dataclasses.dataclass(frozen=True, kw_only=True)
class AppState:
    """One application's settings, database, Celery app and registry."""

    settings: Settings
    models: Models
    database: Database
    celery: Celery
    registry: Registry
    """Shared by all applications of one :class:`~flask_crewexec.CrewExec`."""
    identity_loaders: list[IdentityLoader]
    """At most one. A list, because it may be registered after :meth:`init_app` has run."""
    secret_providers: list[SecretProvider] = dataclasses.field(default_factory=list)
    """At most one; a list for the same reason."""
    extra_columns: list[Callable[[Request], Mapping[str, t.Any]]] = dataclasses.field(
        default_factory=list
    )
    """At most one; a list for the same reason."""
    user_loaders: list[UserLoader] = dataclasses.field(default_factory=list)
    """At most one; a list for the same reason."""


def current_app_state() -> AppState:
    """Return the state of the current application.

    :raises RuntimeError: outside an application context, or if the extension is not initialized.
    """
    app_state = current_app.extensions.get("crewexec")
    if app_state is None:
        raise RuntimeError(
            "This application has no 'CrewExec'. Call 'CrewExec(app, db=db)', or 'init_app(app)'"
            " in your application factory."
        )
    return t.cast(AppState, app_state)
