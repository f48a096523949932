"""The host with pages of its own that show executions, as the documentation tells.

``PAGES`` is the folder with what a reader of the documentation has written.
"""

from __future__ import annotations

import os
import sys

from flask import Response
from flask import send_from_directory

from flask_crewexec.dashboard import create_dashboard
from support.host_app import host

sys.path.insert(0, os.environ["PAGES"])

from runs import runs  # type: ignore[import-not-found]  # from the documentation
from runs import set_policy

app = host.create_app()
app.register_blueprint(create_dashboard())
app.register_blueprint(runs)


@app.get("/files/<name>")
def show_file(name: str) -> Response:
    folder = os.path.join(os.environ["PAGES"], "static")
    policed: Response = set_policy(send_from_directory(folder, name))
    return policed
