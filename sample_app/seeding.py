"""Example data: tables, a user, notes and graphs."""

from __future__ import annotations

import json
import typing as t
from pathlib import Path

import sqlalchemy as sa

from flask_crewexec import GraphService
from flask_crewexec import Identity

from .extensions import db
from .identity import hash_token
from .identity import new_token
from .models import Note
from .models import User

GRAPHS = Path(__file__).parent / "graphs"

NOTES: t.Final = {
    "Bees in May": "The hive by the apple tree is busy. First honey expected in three weeks.",
    "Honey sales": "Sold 42 jars of honey at the market, 6 euros each. Linden sells best.",
    "Moon garden": "Planted white tobacco and evening primrose; moths came on the first night.",
}


class Seeded(t.NamedTuple):
    """The data that a user needs to run crews."""

    token: str
    graphs: dict[str, str]
    """Ids of the user's graphs by the names of their files."""


def seed(name: str, *, admin: bool = False) -> Seeded:
    """Create missing tables and data of the user, and a new token."""
    # Sufficient for an example; real applications use migrations.
    db.create_all()
    token = new_token()
    user = _user(name)
    user.token_hash, user.is_admin = hash_token(token), admin
    db.session.commit()
    graphs = {path.stem: _store_graph(path, user.id) for path in sorted(GRAPHS.glob("*.json"))}
    return Seeded(token, graphs)


def _user(name: str) -> User:
    user = db.session.scalar(sa.select(User).filter_by(name=name))
    if user is None:
        user = User(name=name, token_hash="")
        db.session.add(user)
        db.session.flush()
        notes = [Note(user_id=user.id, title=title, text=text) for title, text in NOTES.items()]
        db.session.add_all(notes)
    return user


def _store_graph(path: Path, user_id: int) -> str:
    """Store the graph of a file for the user, as a new version if the file has changed."""
    document = json.loads(path.read_text(encoding="utf-8"))
    service = GraphService()
    owner = Identity(str(user_id))
    for graph in service.list(owner):
        if graph.name == document["name"]:
            if service.get(graph.id, owner).version.document != document:
                service.update(graph.id, document, user_id, owner)
            return str(graph.id)
    return str(service.create(document, user_id).graph.id)
