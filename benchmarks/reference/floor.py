"""The least that queueing can cost: one row, one commit and one message by hand in a view.

``/empty`` does not even that.
"""

from __future__ import annotations

import functools
import json
import os
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


class Connections(t.NamedTuple):
    database: psycopg.Connection
    broker: redis.Redis


@functools.cache
def connections() -> Connections:
    """Return those of this process, which has one thread; they are kept."""
    database = psycopg.connect(os.environ["FLOOR_URL"])
    return Connections(database, redis.Redis.from_url(os.environ["CELERY_BROKER_URL"]))


@app.post("/executions")
def queue() -> t.Any:
    database, broker = connections()
    order = request.get_json()
    id = str(uuid.uuid4())
    values = (id, request.headers["X-User"], json.dumps(order["inputs"]))
    database.execute(_INSERT, values)
    database.commit()
    broker.lpush("floor", json.dumps({"id": id}))
    return {"id": id}, 202


@app.post("/empty/executions")
def answer() -> t.Any:
    return {}, 202
