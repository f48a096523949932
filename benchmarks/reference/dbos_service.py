"""Queueing with DBOS, a durable queue in PostgreSQL: it polls, so a view only inserts a row."""

from __future__ import annotations

import functools
import os
import typing as t

from dbos import DBOS
from dbos import DBOSClient
from flask import Flask
from flask import request

app = Flask(__name__)


@functools.cache
def client() -> DBOSClient:
    """Return the client of this process."""
    return DBOSClient(system_database_url=os.environ["DATABASE_URL"])


@app.post("/executions")
def queue() -> t.Any:
    order = request.get_json()
    handle: t.Any = client().enqueue(
        {
            "workflow_name": "run_execution",
            "queue_name": "crew_execution",
            "authenticated_user": request.headers["X-User"],
        },
        order["graph_id"],
        order["inputs"],
    )
    return {"id": handle.workflow_id}, 202


@app.cli.command("create-tables")
def create_tables() -> None:
    """Create the tables of DBOS."""
    url = os.environ["DATABASE_URL"]
    DBOS(
        config={
            "name": "orders",
            "system_database_url": url,
            "log_level": "WARNING",
        }
    )
    DBOS.launch()
    DBOS.destroy()
