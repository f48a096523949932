"""The host that a page of another origin may use, by what the documentation shows.

The bearer token of a request is the user.
"""

from __future__ import annotations

import os

from flask import request

from flask_crewexec.dashboard import reject_cross_site
from support.doc_examples import examples_of
from support.host_app import host
from support.paths import ROOT

PAGE = ROOT / "docs/howto/javascript.rst"

app = host.create_app()
(shown,) = (each.text for each in examples_of(PAGE) if each.language == "python")
exec(shown.replace("https://app.example.com", os.environ["FRONT_END"]))  # noqa: S102  # it is ours
app.before_request(reject_cross_site)  # as a host does whose own forms use cookies


@app.before_request
def name_user() -> None:
    if request.authorization is not None:
        request.environ["HTTP_X_USER"] = request.authorization.token
