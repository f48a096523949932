"""The host with a front end: the pages in the folder ``PAGES``, under a strict policy."""

from __future__ import annotations

import os

from flask import Response
from flask import send_from_directory

from support.host_app import host

app = host.create_app()


@app.get("/pages/<name>")
def show_page(name: str) -> Response:
    response = send_from_directory(os.environ["PAGES"], name)
    policy = "default-src 'none'; script-src 'self'; connect-src 'self'"
    response.headers["Content-Security-Policy"] = policy
    return response
