"""A small notes application whose users run crews, as an example of a host application.

``flask --app sample_app up`` starts all that it needs. What to read first:

* :mod:`.extensions`, :mod:`.identity`, :mod:`.llms`, :mod:`.tools` and :mod:`.checks` register what
  crews may use, and say who asks.
* :mod:`.showcase` and :mod:`.crews` are pages of the application that queue crews.
* ``graphs`` has the crews, and :mod:`.seeding` stores them for a user.
* :mod:`.demo` has the commands ``up`` and ``demo``; applications of your own need nothing like it.
"""

from __future__ import annotations

import typing as t
from collections.abc import Mapping

from flask import Flask
from flask import url_for

from flask_crewexec.dashboard import create_dashboard
from flask_crewexec.dashboard import reject_cross_site

from . import checks as checks
from . import config as settings
from . import identity as identity
from . import llms as llms
from . import tools as tools
from .cli import add_commands
from .crews import crews
from .database import prepare_engine
from .extensions import crewexec
from .extensions import db
from .pages import pages
from .showcase import showcase

# Importing 'checks', 'identity', 'llms' and 'tools' registers what they define with 'crewexec'.


def create_app(config: Mapping[str, t.Any] | None = None) -> Flask:
    """Return the application; *config* takes precedence over the environment."""
    app = Flask(__name__)
    app.config.update(settings.from_environment())
    app.config.update(config or {})
    db.init_app(app)
    crewexec.init_app(app)
    prepare_engine(app)
    app.before_request(reject_cross_site)  # users are signed in by a cookie
    app.register_blueprint(pages)
    app.register_blueprint(showcase)
    app.register_blueprint(crews)
    app.register_blueprint(
        create_dashboard(
            sign_in_url=lambda: url_for("crews.sign_in"),
            user_label=identity.name_of,
            links=[("Start page", "/")],
        )
    )
    app.context_processor(lambda: {"documentation": settings.DOCUMENTATION})
    add_commands(app)
    return app
