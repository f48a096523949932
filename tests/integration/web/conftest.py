"""Real web servers of the host."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from collections.abc import Iterator
from pathlib import Path

import pytest
from flask import Flask

from support.paths import TESTS
from support.servers.gunicorn import Gunicorn

StartServer = Callable[..., Gunicorn]


@pytest.fixture
def start_server(app: Flask, environment: dict[str, str], tmp_path: Path) -> Iterator[StartServer]:
    """A function that starts a web server of the host and waits until it is ready."""
    with contextlib.ExitStack() as stack:

        def start(*options: str) -> Gunicorn:
            variables = {**environment, "PYTHONPATH": str(TESTS)}
            return stack.enter_context(Gunicorn(tmp_path, variables, *options))

        yield start
