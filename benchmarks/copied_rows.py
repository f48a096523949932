"""Many executions that wait, run or have ended, copied from one by the database itself."""

from __future__ import annotations

import sqlalchemy as sa

from .contenders import Ours

USERS = 100
QUEUED = {"published_at": "NULL", "on_hold": "true"}
RUNNING = {
    "status": "'running'",
    "token": "gen_random_uuid()",
    "started_at": "now()",
    "lease_expires_at": "now() + interval '1 day'",
}
COMPLETED = {
    "status": "'completed'",
    "started_at": "now()",
    "finished_at": "now()",
    "result": """'{"raw": "It is done."}'""",
}


def copy(ours: Ours, number: int, **values: str) -> list[tuple[str, str]]:
    """Copy an execution *number* times, for :data:`USERS` users; return their ids and users.

    :param values: SQL of the columns that differ; ``n`` counts the copies.
    """
    columns = {
        "id": "gen_random_uuid()",
        "owner_id": f"'user-' || n % {USERS}",
        "queued_at": "now() - n * interval '1 ms'",
        **values,
    }
    with ours.engine.connect() as connection:
        names = [column["name"] for column in sa.inspect(connection).get_columns(ours.executions)]
        chosen = ", ".join(columns.get(name, name) for name in names)
        statement = (
            f"INSERT INTO {ours.executions} ({', '.join(names)}) SELECT {chosen}"
            f" FROM (SELECT * FROM {ours.executions} LIMIT 1) AS one, generate_series(1, {number})"
            " AS n RETURNING id, owner_id"
        )
        copied = connection.execute(sa.text(statement)).all()
        connection.exec_driver_sql("VACUUM ANALYZE")
    return [(str(id), owner) for id, owner in copied]
