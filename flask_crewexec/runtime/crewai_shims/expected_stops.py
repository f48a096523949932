"""Stops that are part of a run's work, so that nobody has to look at them."""

from __future__ import annotations


class NotLogged(Exception):
    """An exception that CrewAI's executor passes on without logging an error."""

    _flow_listener_logged = True  # the executor believes that it has logged it before
