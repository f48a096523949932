"""How much the call log takes up."""

from __future__ import annotations

import json

from support.graphs import documents
from support.in_process import run
from support.in_process import stored_calls
from support.scripted_turns import tool_calls
from support.scripted_turns import Turn

CALLS = 30
"""How often the step asks its model."""


def length(value: object) -> int:
    return len(json.dumps(value))


def test_a_step_of_many_calls_stores_each_message_once(api, model):
    """Each request contains all messages, so whole requests would grow with their square."""
    for turn in range(CALLS - 1):
        texts = {"text": f"turn {turn}"}
        model.add(Turn(raw=tool_calls(("count_words", texts)), results=turn))
    model.add(Turn(reply="DONE", results=CALLS - 1))
    document = documents.chain("a", tools=("count_words",))
    id = api.queue(documents.with_data(document, "writer", max_iter=CALLS + 1))
    assert run(id) == "completed"
    calls = stored_calls(id)
    requests = [call.request or {} for call in calls if call.kind == "model"]
    said = [message for request in requests for message in request["messages"]]
    assert len(requests) == len(model.calls) == CALLS
    assert [message["role"] for message in said] == [
        *("system", "user"),
        *(["assistant", "tool"] * (CALLS - 1)),
    ]
    sent = model.calls[-1].body["messages"]
    assert [message["role"] for message in said] == [message["role"] for message in sent]
    answers = sum(length(call.answer) for call in calls)
    assert sum(call.size for call in calls) < length(said) + answers + 100 * len(calls)
    whole = api("GET", f"/executions/{id}/calls/{calls[-1].number}").json["messages"]
    assert whole == said
