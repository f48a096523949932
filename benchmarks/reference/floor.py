"""The least that queueing can cost: one row, one commit and one message by hand in a view.

``/empty`` does not even that.
"""

from __future__ import annotations

import functools
import json
import os
import threading
import typing as t
import uuid

import psycopg
import redis
from flask import Flask
from flask import request

app = Flask(__name__)

CREATE: t.Final = """
CREATE TABLE floor (id uuid PRIMARY KEY, user_id text, inputs json, created_at timestamptz)
"""
_INSERT: t.Final = "INSERT INTO floor VALUES (%s, %s, %s, now())"


class Connections(threading.local):
    """Those of each thread, which are kept; otherwise a commit would count for several requests."""

    def __init__(self) -> None:
        self.database = psycopg.connect(os.environ["FLOOR_URL"])
        self.broker = redis.Redis.from_url(os.environ["CELERY_BROKER_URL"])


@functools.cache
def connections() -> Connections:
    """Return those of this process."""
    return Connections()


@app.post("/executions")
def queue() -> t.Any:
    mine, order = connections(), request.get_json()
    id = str(uuid.uuid4())
    values = (id, request.headers["X-User"], json.dumps(order["inputs"]))
    mine.database.execute(_INSERT, values)
    mine.database.commit()
    mine.broker.lpush("floor", json.dumps({"id": id}))
    return {"id": id}, 202


@app.post("/empty/executions")
def answer() -> t.Any:
    return {}, 202
