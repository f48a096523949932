"""What a host sets about its dashboard: names, links, times, and where people sign in."""

from __future__ import annotations

import dataclasses
import datetime as dt
import functools
import typing as t
import zoneinfo
from collections.abc import Callable
from collections.abc import Sequence

from flask import Blueprint
from flask import current_app
from flask import request
from flask import url_for
from flask.blueprints import BlueprintSetupState

from ..errors import ConfigError

UserLabel = Callable[[str], str]
"""Returns the name of a user that people know, from the id."""
SignInUrl = str | Callable[[], str]
Link = tuple[str, str]
"""Text and address."""

_REGISTERED: t.Final = "crewexec_dashboard"
"""Key of ``app.extensions`` for the name of the dashboard."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Look:
    """What :func:`~.create_dashboard` was given."""

    title: str = "Crews"
    sign_in_url: SignInUrl | None = None
    user_label: UserLabel = str
    links: Sequence[Link] = ()
    time_zone: str = "UTC"

    @functools.cached_property
    def zone(self) -> dt.tzinfo:
        """The time zone.

        :raises ConfigError: if there is none of that name.
        """
        if self.time_zone == "UTC":  # small images have no other
            return dt.UTC
        try:
            return zoneinfo.ZoneInfo(self.time_zone)
        except (zoneinfo.ZoneInfoNotFoundError, ValueError) as error:
            raise ConfigError(
                f"There is no time zone {self.time_zone!r}; 'time_zone' is a name such as"
                " 'Europe/Berlin'. Where the system has no time zones, install 'tzdata'."
            ) from error

    def sign_in(self) -> str | None:
        """Return the address at which people sign in, if the host has said so."""
        return self.sign_in_url() if callable(self.sign_in_url) else self.sign_in_url

    def local(self, moment: dt.datetime | None) -> dt.datetime | None:
        """Return a moment in the host's time zone."""
        return None if moment is None else moment.astimezone(self.zone)


class Dashboard(Blueprint):
    """The blueprint of the pages, with what the host has set."""

    look: Look


def note_name(state: BlueprintSetupState) -> None:
    """Let pages of the host find the dashboard; of several, the first one."""
    name = f"{state.name_prefix}.{state.name}".lstrip(".")
    state.app.extensions.setdefault(_REGISTERED, name)


def _dashboard_name() -> str:
    """Return the name under which the host has registered the dashboard of the current page."""
    name = request.blueprint or ""
    is_ours = isinstance(current_app.blueprints.get(name), Dashboard)
    return name if is_ours else str(current_app.extensions.get(_REGISTERED, ""))


def current_look() -> Look:
    """Return the look of the dashboard to which the current page belongs, or leads."""
    dashboard = current_app.blueprints.get(_dashboard_name())
    return dashboard.look if isinstance(dashboard, Dashboard) else Look()


def page_url(endpoint: str, **values: t.Any) -> str:
    """Return an address; that of a page of the dashboard for a name such as ``.show_execution``."""
    name = f"{_dashboard_name()}{endpoint}" if endpoint.startswith(".") else endpoint
    return url_for(name, **values)


def check(look: Look) -> None:
    """Check what the host has set.

    :raises ConfigError: if a value cannot be used.
    """
    look.zone  # noqa: B018 - raises
    if not look.title.strip():
        raise ConfigError("'title' of the dashboard is empty.")
    for link in look.links:
        if len(link) != 2 or not all(isinstance(part, str) for part in link):
            raise ConfigError(f"'links' are pairs of a text and an address; one is {link!r}.")
