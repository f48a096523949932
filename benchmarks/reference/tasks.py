"""What a worker does with an execution."""

from __future__ import annotations

import typing as t
import uuid

from celery import shared_task
from flask import current_app

from .models import db
from .models import Execution
from .models import Graph
from .models import now

if t.TYPE_CHECKING:
    from crewai import CrewOutput


@shared_task  # type: ignore[untyped-decorator]  # Celery ships no types
def run_execution(id: str) -> dict[str, t.Any]:
    """Run the crew of an execution and store what it says."""
    # Only workers pay for CrewAI; ``worker.py`` has imported it before the first task.
    from .crews import build_crew

    execution = db.session.get_one(Execution, uuid.UUID(id))
    graph = db.session.get_one(Graph, execution.graph_id)
    definition, inputs = graph.definition, execution.inputs
    execution.status = "running"
    execution.started_at = now()
    db.session.commit()  # also gives the connection back while the crew waits for its model
    try:
        crew = build_crew(definition, current_app.config["MODEL_URL"])
        output = t.cast("CrewOutput", crew.kickoff(inputs=inputs))
    except Exception as error:
        _finish(execution, "failed", error=str(error))
        raise
    result = {"raw": str(output), "tasks": [task.raw for task in output.tasks_output]}
    _finish(execution, "completed", result=result)
    return result


def _finish(execution: Execution, status: str, **outcome: t.Any) -> None:
    execution.status = status
    execution.finished_at = now()
    for name, value in outcome.items():
        setattr(execution, name, value)
    db.session.commit()
