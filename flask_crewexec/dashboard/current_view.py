"""Which page the current request is for."""

from __future__ import annotations

import typing as t

from flask import request

LINK_VIEWS: t.Final = frozenset({"show_link", "answer_link", "refuse_link"})
"""Views for people who may not have signed in: their address is a secret."""
ANSWER_VIEWS: t.Final = frozenset({"answer_request", "answer_link"})
"""Views whose forms may contain the answer of a step."""
BODY_VIEWS: t.Final = frozenset({"run_graph", "import_graph"})
"""Views whose forms contain what the API takes as a body."""


def view_name() -> str:
    """Return the name of the view, wherever the host has registered the dashboard."""
    return (request.endpoint or "").rpartition(".")[2]


def is_link() -> bool:
    """Return whether the address of the page is a signed link."""
    return view_name() in LINK_VIEWS


def is_here(url: str) -> bool:
    """Return whether the current page is that of an address, or one below it."""
    path = f"{request.script_root}{request.path}"
    return path == url or path.startswith(f"{url}/")
