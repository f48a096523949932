"""Example data: tables, a user, notes and graphs."""

from __future__ import annotations

import json
import typing as t
from pathlib import Path

import sqlalchemy as sa

from flask_crewexec import GraphService

from .extensions import db
from .identity import hash_token
from .identity import new_token
from .models import Note
from .models import User

GRAPHS = Path(__file__).parent / "graphs"
MAX_GRAPHS = 200
"""The newest graphs of a user, among which those of this application are looked for."""

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
    names = sorted(path.stem for path in GRAPHS.glob("*.json"))
    graphs = {name: store_graph(name, user.id) for name in names}
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


def store_graph(name: str, user_id: int) -> str:
    """Store a graph of this application for the user, and return its id.

    If the user has an older version of it, this becomes the newest one.

    :param name: name of the graph's file.
    """
    document = json.loads((GRAPHS / f"{name}.json").read_text(encoding="utf-8"))
    service = GraphService().for_user(user_id)
    for graph in service.list(limit=MAX_GRAPHS):
        if graph.name == document["name"]:
            if service.get(graph.id).version.document != document:
                service.update(graph.id, document)
            return str(graph.id)
    return str(service.create(document).graph.id)
