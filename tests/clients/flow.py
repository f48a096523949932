"""What a program does, through the client that openapi-python-client makes of the document.

Arguments: the server's URL, a graph that completes, and one that waits until it is cancelled.
"""

from __future__ import annotations

import json
import sys
import typing as t
import uuid

from crewexec_client import Client
from crewexec_client.api.executions import cancel_execution
from crewexec_client.api.executions import get_execution
from crewexec_client.api.executions import get_result
from crewexec_client.api.executions import list_events
from crewexec_client.api.executions import list_executions
from crewexec_client.api.executions import queue_execution
from crewexec_client.api.graphs import get_graph
from crewexec_client.models import CancelRequest
from crewexec_client.models import EventPage
from crewexec_client.models import ExecutionPage
from crewexec_client.models import ExecutionStatus
from crewexec_client.models import ModelCallCompletedEvent
from crewexec_client.models import Problem
from crewexec_client.models import QueueRequest
from crewexec_client.models import Result
from crewexec_client.models import WholeExecution
from crewexec_client.models.cancellation import Cancellation

T = t.TypeVar("T")


def required(answer: object, kind: type[T]) -> T:
    if not isinstance(answer, kind):
        raise TypeError(f"not a {kind.__name__}: {answer}")
    return answer


def main(url: str, graph: str, slow_graph: str) -> dict[str, object]:
    client = Client(base_url=url, headers={"X-User": "ada"})

    def queue(graph_id: str) -> WholeExecution:
        body = QueueRequest(graph_id=uuid.UUID(graph_id))
        return required(queue_execution.sync(client=client, body=body), WholeExecution)

    def ended(id: uuid.UUID) -> WholeExecution:
        answer = get_execution.sync(id, client=client, prefer="wait=30")
        return required(answer, WholeExecution)

    queued = queue(graph)
    execution = ended(queued.id)
    result = required(get_result.sync(execution.id, client=client), Result)
    listed = list_executions.sync(
        client=client, status=ExecutionStatus.COMPLETED, graph_id=uuid.UUID(graph)
    )
    page = required(listed, ExecutionPage)
    events = required(list_events.sync(execution.id, client=client), EventPage).events
    slow = queue(slow_graph)
    body = CancelRequest(reason="no longer needed")
    cancel_execution.sync(slow.id, client=client, body=body)
    cancelled = ended(slow.id)
    cancellation = required(cancelled.cancellation, Cancellation)
    unknown = required(get_graph.sync(slow.id, client=client), Problem)
    calls = [each for each in events if isinstance(each, ModelCallCompletedEvent)]
    return {
        "status": execution.status,
        "steps": [step.output for step in execution.steps],
        "result": result.raw,
        "listed": [each.id == queued.id for each in page.executions],
        "events": [event.type_ for event in events],
        "tokens": sum(call.data.tokens for call in calls),
        "cancelled": [cancelled.status, cancellation.reason],
        "unknown": unknown.code,
    }


if __name__ == "__main__":
    print(json.dumps(main(*sys.argv[1:])))
