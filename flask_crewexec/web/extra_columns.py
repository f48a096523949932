"""Values of the host's own columns for executions that a request submits."""

from __future__ import annotations

import typing as t

from flask import request

from ..app_state import current_app_state


def extra_of_request() -> dict[str, t.Any]:
    """Return what the host's function says of the current request."""
    functions = current_app_state().extra_columns
    return {name: value for each in functions for name, value in each(request).items()}
