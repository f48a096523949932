"""The web side: graphs are stored, executions are queued, listed and shown."""

from __future__ import annotations

import os
import typing as t
import uuid

from celery import Celery
from celery import Task
from flask import abort
from flask import Blueprint
from flask import Flask
from flask import jsonify
from flask import request
from marshmallow import fields
from marshmallow import Schema
from marshmallow import validate
from marshmallow import ValidationError

from .models import db
from .models import Execution
from .models import Graph
from .tasks import run_execution

routes = Blueprint("plain", __name__)


class OrderSchema(Schema):
    graph_id = fields.UUID(required=True)
    thread_id = fields.UUID(load_default=None)
    inputs = fields.Dict(keys=fields.Str(), load_default=dict)
    priority = fields.Int(load_default=5, validate=validate.Range(1, 10))


class ExecutionSchema(Schema):
    id = fields.UUID()
    graph_id = fields.UUID()
    thread_id = fields.UUID()
    user_id = fields.Str()
    status = fields.Str()
    priority = fields.Int()
    inputs = fields.Dict()
    result = fields.Raw()
    error = fields.Str()
    created_at = fields.DateTime()
    started_at = fields.DateTime()
    finished_at = fields.DateTime()


@routes.get("/health")
def health() -> str:
    return "well"


@routes.post("/graphs")
def store_graph() -> t.Any:
    graph = Graph(owner_id=_user(), definition=request.get_json())
    db.session.add(graph)
    db.session.commit()
    return {"id": str(graph.id)}, 201


@routes.post("/executions")
def queue_execution() -> t.Any:
    order = OrderSchema().load(request.get_json())
    user = _user()
    graph = db.session.get(Graph, order["graph_id"])
    if graph is None or graph.owner_id != user:
        abort(404)
    execution = Execution(user_id=user, **order)
    db.session.add(execution)
    db.session.commit()
    run_execution.apply_async((str(execution.id),), priority=order["priority"] - 1)
    return ExecutionSchema().dump(execution), 202


@routes.get("/executions")
def list_executions() -> t.Any:
    query = db.select(Execution).filter_by(user_id=_user()).order_by(Execution.created_at.desc())
    page = db.paginate(query, per_page=50)
    items = ExecutionSchema(many=True, exclude=("inputs", "result")).dump(page.items)
    return {"executions": items, "total": page.total, "pages": page.pages}


@routes.get("/executions/<uuid:id>")
def show_execution(id: uuid.UUID) -> t.Any:
    execution = db.session.get(Execution, id)
    if execution is None or execution.user_id != _user():
        abort(404)
    return ExecutionSchema().dump(execution)


def _user() -> str:
    """Return who asks, as the proxy in front has found out."""
    return request.headers.get("X-User") or abort(401)


def refuse(error: ValidationError) -> t.Any:
    return jsonify(errors=error.messages), 422


def create_app() -> Flask:
    """Return the service with settings from the environment."""
    app = Flask(__name__)
    app.config["SQLALCHEMY_DATABASE_URI"] = os.environ["DATABASE_URL"]
    app.config["MODEL_URL"] = os.environ["MODEL_URL"]
    app.config.from_prefixed_env("HOST")
    db.init_app(app)
    app.extensions["celery"] = _make_celery(app)
    app.register_blueprint(routes)
    app.register_error_handler(ValidationError, refuse)
    app.cli.command("create-tables")(db.create_all)
    return app


def _make_celery(app: Flask) -> Celery:
    """Bind Celery to Flask, as Flask's documentation shows it."""

    class FlaskTask(Task):  # type: ignore[misc]  # Celery ships no types
        def __call__(self, *args: object, **kwargs: object) -> object:
            with app.app_context():
                return self.run(*args, **kwargs)

    celery = Celery(app.name, task_cls=FlaskTask)
    celery.conf.update(
        broker_url=os.environ["CELERY_BROKER_URL"],
        result_backend=os.environ["CELERY_RESULT_BACKEND"],
        task_default_queue="crew_execution",
        broker_connection_retry_on_startup=True,
    )
    celery.set_default()
    return celery
