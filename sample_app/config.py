"""Configuration from the environment and a ``.env`` file.

``CELERY_BROKER_URL`` and ``CELERY_RESULT_BACKEND`` are missing here: the extension reads them.
"""

from __future__ import annotations

import datetime as dt
import os
import re
import secrets
import typing as t

from flask.cli import load_dotenv
from flask.helpers import get_load_dotenv

# The flask command does this by itself; celery and WSGI servers do not.
if get_load_dotenv():
    load_dotenv()

DEFAULT_DATABASE_URL = "sqlite:///sample.sqlite"
"""A file in the instance folder."""
DEFAULT_MODEL_NAME = "gpt-4o-mini"
OPENAI_URL = "https://api.openai.com/v1"
SCRIPTED_MODEL_NAME = "scripted"
"""Name of the model of :mod:`.demo.script`, which is none."""
DOCUMENTATION = "https://flask-crewexec.readthedocs.io/en/latest"
DEFAULT_RETRY_SECONDS = 8.0


def from_environment() -> dict[str, t.Any]:
    """Return the configuration of the Flask application."""
    url = os.environ.get("DATABASE_URL") or DEFAULT_DATABASE_URL
    return {
        "SQLALCHEMY_DATABASE_URI": with_driver(url),
        # A random key is safe; set one if several web processes share sessions.
        "SECRET_KEY": os.environ.get("SECRET_KEY") or secrets.token_hex(32),
        "SESSION_COOKIE_SAMESITE": "Lax",
        # Shorter than by default for people who watch, and long enough to read why.
        "CREWEXEC_RETRY_DELAY": retry_seconds(),
        "CREWEXEC_RECONCILE_INTERVAL": dt.timedelta(seconds=1),
    }


def with_driver(url: str) -> str:
    """Return a database URL with the driver psycopg for PostgreSQL."""
    return re.sub(r"^postgres(ql)?://", "postgresql+psycopg://", url)


def retry_seconds() -> float:
    """Return the seconds between an attempt that failed and the next one."""
    return float(os.environ.get("RETRY_SECONDS") or DEFAULT_RETRY_SECONDS)


def model_name() -> str:
    """Return the name of the language model at its provider."""
    return os.environ.get("MODEL_NAME") or DEFAULT_MODEL_NAME


def model_base_url() -> str | None:
    """Return the base URL of the language model; None means OpenAI."""
    return os.environ.get("OPENAI_BASE_URL") or None


def model_api_key() -> str:
    """Return the API key of the language model; local servers often need none."""
    return os.environ.get("OPENAI_API_KEY", "")


def has_model() -> bool:
    """Return whether a language model is configured."""
    return bool(model_api_key() or model_base_url())


def is_scripted() -> bool:
    """Return whether the model's answers were written by hand."""
    return model_name() == SCRIPTED_MODEL_NAME
