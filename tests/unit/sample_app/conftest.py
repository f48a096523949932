"""The sample application without a broker, with what its first user finds."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from flask import Flask

from sample_app import create_app
from sample_app.extensions import db
from sample_app.seeding import seed
from sample_app.seeding import Seeded

NO_BROKER = "redis://127.0.0.1:9/0"


@pytest.fixture
def app(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Flask]:
    database = f"sqlite:///{tmp_path / 'sample.sqlite'}"
    marker = request.node.get_closest_marker("settings")
    settings = {
        f"CREWEXEC_{key}": value for key, value in (marker.kwargs if marker else {}).items()
    }
    config = {"SQLALCHEMY_DATABASE_URI": database, "CELERY_BROKER_URL": NO_BROKER, **settings}
    app = create_app(config)
    with app.app_context():
        db.create_all()
        yield app
        db.session.remove()
        db.engine.dispose()


@pytest.fixture
def ada(app: Flask) -> Seeded:
    return seed("ada")
