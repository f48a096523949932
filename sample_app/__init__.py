"""A small notes application whose users run crews: how a host uses Flask-CrewExec."""

from __future__ import annotations

import typing as t
from collections.abc import Mapping

from flask import Flask

from . import config as settings
from . import identity as identity
from . import llms as llms
from . import tools as tools
from .cli import add_commands
from .database import prepare_engine
from .extensions import crewexec
from .extensions import db
from .pages import pages

# Importing 'identity', 'llms' and 'tools' registers what they define with 'crewexec'.


def create_app(config: Mapping[str, t.Any] | None = None) -> Flask:
    """Return the application; *config* wins over the environment."""
    app = Flask(__name__)
    app.config.update(settings.from_environment())
    app.config.update(config or {})
    db.init_app(app)
    crewexec.init_app(app)
    prepare_engine(app)
    app.register_blueprint(pages)
    add_commands(app)
    return app
