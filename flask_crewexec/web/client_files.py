"""Routes of the client for JavaScript: its modules, and its types for TypeScript.

Everybody may load them, since they contain nothing of a user, and browsers do not send headers
such as ``Authorization`` for scripts.
"""

from __future__ import annotations

import functools
import hashlib
import typing as t
from collections.abc import Mapping
from pathlib import Path

from flask import abort
from flask import Blueprint
from flask import request
from flask import Response

from .typescript import declarations

FOLDER: t.Final = Path(__file__).with_name("client")
_MAIN_MODULE: t.Final = "index.js"
_TYPES: t.Final = "client.d.ts"
_CHECK_EACH_TIME: t.Final = "no-cache"
_KEEP: t.Final = "public, max-age=31536000, immutable"


@functools.cache
def _modules() -> Mapping[str, str]:
    """Return the texts of the modules by the names of their files."""
    return {path.name: path.read_text("utf-8") for path in sorted(FOLDER.glob("*.js"))}


@functools.cache
def _version() -> str:
    """Return a text that changes whenever a module does; it is in their addresses."""
    return hashlib.sha256("".join(_modules().values()).encode()).hexdigest()[:16]


@functools.cache
def _types() -> str:
    return f"{(FOLDER / _TYPES).read_text('utf-8')}\n{declarations()}"


def show_client() -> Response:
    """Return the module that hosts import; it leads to the present version of the others."""
    return _respond(f'export * from "./client/{_version()}/{_MAIN_MODULE}";\n', _CHECK_EACH_TIME)


def show_module(version: str, name: str) -> Response:
    """Return a module; one of another version while a site is upgraded is not kept."""
    if name not in _modules():
        abort(404)
    return _respond(_modules()[name], _KEEP if version == _version() else _CHECK_EACH_TIME)


def show_types() -> Response:
    """Return the types for TypeScript."""
    return _respond(_types(), _CHECK_EACH_TIME, "text/plain")


def _respond(text: str, cache_control: str, mimetype: str = "text/javascript") -> Response:
    response = Response(text, mimetype=mimetype)
    response.headers["Cache-Control"] = cache_control
    response.headers["X-Content-Type-Options"] = "nosniff"
    response.add_etag()
    return t.cast(Response, response.make_conditional(request))


def add_routes(blueprint: Blueprint) -> None:
    """Add the routes of the client to *blueprint*."""
    blueprint.get("/client.js")(show_client)
    blueprint.get("/client.d.ts")(show_types)
    blueprint.get("/client/<version>/<name>")(show_module)
