"""Users of requests, identified by an API token or a session."""

from __future__ import annotations

import hashlib
import secrets

import sqlalchemy as sa
from flask import request
from flask import session

from flask_crewexec import Identity

from .extensions import crewexec
from .extensions import db
from .models import User


def new_token() -> str:
    """Return a token for a user; only its hash is stored."""
    return secrets.token_urlsafe(32)


def hash_token(token: str) -> str:
    """Return the hash of a token. It is random, so a fast hash without salt is enough."""
    return hashlib.sha256(token.encode()).hexdigest()


def owner_of(token: str) -> User | None:
    """Return the user of a token, if there is one."""
    return db.session.scalar(sa.select(User).where(User.token_hash == hash_token(token)))


def current_user() -> User | None:
    """Return the user of the bearer token, or the user who is signed in."""
    given = request.authorization
    if given is None:
        return db.session.get(User, session["user_id"]) if "user_id" in session else None
    return owner_of(given.token) if given.type == "bearer" and given.token else None


def name_of(user_id: str) -> str:
    """Return the name of a user, for the dashboard; the id if there is none any more."""
    user = db.session.get(User, int(user_id)) if user_id.isdecimal() else None
    return user_id if user is None else user.name


@crewexec.identity_loader
def load_identity() -> Identity | None:
    """Return the identity of the request's user to Flask-CrewExec."""
    user = current_user()
    return None if user is None else Identity(str(user.id), may_manage_others=user.is_admin)
