"""Statements that are compiled once do what they would do otherwise."""

from __future__ import annotations

import sqlalchemy as sa

from flask_crewexec.storage.driver_statement import DriverStatement

THINGS = sa.Table("thing", sa.MetaData(), sa.Column("id", sa.Integer), sa.Column("name", sa.Text))


def test_schemas_that_the_host_translates_are_translated():
    engine = sa.create_engine(
        "postgresql+psycopg://", execution_options={"schema_translate_map": {None: "tenant"}}
    )
    assert "FROM tenant.thing" in DriverStatement(sa.select(THINGS.c.id), engine).text


def test_drivers_may_want_parameters_by_position():
    engine = sa.create_engine("sqlite://")
    has_name = THINGS.c.name == sa.bindparam("wanted_name")
    is_later = THINGS.c.id > sa.bindparam("wanted_id")
    query = sa.select(THINGS.c.id, sa.literal(7)).where(has_name, is_later)
    statement = DriverStatement(query, engine)
    with engine.connect() as connection:
        THINGS.create(connection)
        connection.execute(sa.insert(THINGS), [{"id": 1, "name": "a"}, {"id": 2, "name": "a"}])
        found = statement.one_or_none(connection, {"wanted_id": 1, "wanted_name": "a"})
        assert statement.one_or_none(connection, {"wanted_id": 9, "wanted_name": "a"}) is None
    assert tuple(found) == (2, 7)
