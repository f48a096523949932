"""Addresses of our routes in what is sent by workers, which answer no request."""

from __future__ import annotations

from flask import current_app


def url_of(view: str, **values: object) -> str:
    """Return the address of a view of the API: a path, unless the host sets ``SERVER_NAME``."""
    return address_of(f"crewexec.api.{view}", **values)


def address_of(endpoint: str, **values: object) -> str:
    """Return the address of an endpoint: a path, unless the host sets ``SERVER_NAME``.

    The address of the current request, if there is one, is that which the client has sent.
    """
    config = current_app.config
    server = config["SERVER_NAME"] or ""
    adapter = current_app.url_map.bind(
        server, config["APPLICATION_ROOT"], url_scheme=config["PREFERRED_URL_SCHEME"]
    )
    current_app.inject_url_defaults(endpoint, values)
    return adapter.build(endpoint, values, force_external=bool(server))
