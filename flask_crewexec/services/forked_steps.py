"""The steps of a fork: those that are taken over, and texts that replace outputs."""

from __future__ import annotations

import json
import typing as t
import uuid
from collections.abc import Iterator
from collections.abc import Mapping
from collections.abc import Sequence

from ..errors import InvalidRequest
from ..errors import Problem
from ..graphs import Crew
from ..graphs import Graph
from ..graphs import read_answer
from ..graphs import StepPlan
from ..graphs import TaskNode
from ..graphs import texts_of
from ..graphs.problem_messages import child
from ..graphs.problem_messages import listing
from ..graphs.problem_messages import quote
from ..statuses import StepOrigin
from ..statuses import StepStatus
from ..storage.attempts import pending_step
from ..storage.forks import NewSteps
from ..storage.forks import Place
from ..text import truncate

Json = dict[str, t.Any]

_MAX_ROLE: t.Final = 200


def check_steps(graph: Graph, from_step: str | None, texts: Mapping[str, str], limit: int) -> None:
    """Check the steps that a request names, and the *texts* that replace outputs.

    :param limit: maximum length of a text.
    :raises InvalidRequest: if the graph has no such step, or a text is too long, does not fit the
        step's schema, or replaces the output of a step that runs in any case.
    """
    names = [task.name for task in graph.tasks]
    problems = [] if from_step in (None, *names) else [_unknown("/from_step", names)]
    past = names[names.index(from_step) :] if from_step in names else []
    for name, text in texts.items():
        pointer = child("/outputs", name)
        if name not in names:
            problems.append(_unknown(pointer, names))
        elif name in past:
            detail = "This step runs, since it is 'from_step' or follows it. Leave its output out."
            problems.append(Problem(pointer, "step-runs", detail))
        else:
            problems += _find_problems(pointer, graph.tasks[names.index(name)], text, limit)
    if problems:
        raise InvalidRequest(problems[0].detail, problems)


def _unknown(pointer: str, names: Sequence[str]) -> Problem:
    detail = "The version that the fork runs has no such step."
    return Problem(pointer, "unknown-step", detail, f"The steps are {listing(names)}.")


def _find_problems(pointer: str, task: TaskNode, text: str, limit: int) -> Iterator[Problem]:
    if len(text) > limit:
        yield Problem(pointer, "too-long", f"At most {limit} characters are allowed.")
    elif task.output_schema is not None:
        value, problem = read_answer(task.output_schema, text)
        if value is None:
            detail = f"It must be an object that fits the schema of {quote(task.name)}. {problem}"
            yield Problem(pointer, "invalid-output", detail)


def new_steps(
    execution_id: uuid.UUID,
    crew: Crew,
    plan: Sequence[StepPlan],
    finished: Mapping[str, int],
    texts: Mapping[str, str],
) -> NewSteps:
    """Return the steps of a fork.

    :param crew: what the fork runs.
    :param finished: positions in the execution that is forked, by name.
    :param texts: checked texts that replace outputs.
    """
    rows, reused = [], {}
    for position, (task, step) in enumerate(zip(crew.graph.tasks, plan, strict=True)):
        if step.origin is StepOrigin.REUSED:
            reused[finished[task.name]] = Place(position, task.id)
            continue
        row = {**pending_step(execution_id, position, task), **_NOTHING}
        if step.origin is StepOrigin.EDITED:
            row |= _edited(crew, task, texts[task.name])
        rows.append(row)
    return NewSteps(execution_id, rows, reused)


_NOTHING: t.Final[Json] = {"origin": None, "output": None, "agent": None}


def _edited(crew: Crew, task: TaskNode, text: str) -> Json:
    """Return the columns of a step whose output is given."""
    values = texts_of(crew.graph, crew.inputs)
    own = [each.filled(values) for each in crew.graph.agents if each.id == task.agent_id]
    agent = truncate(own[0].role, _MAX_ROLE) if own else None
    return {
        "status": StepStatus.COMPLETED,
        "origin": StepOrigin.EDITED,
        "agent": agent,
        "output": {**_answer(task, text), **_texts(task), "agent": agent or ""},
    }


def _texts(task: TaskNode) -> Json:
    return {
        "name": task.name,
        "description": task.description,
        "expected_output": task.expected_output,
    }


def _answer(task: TaskNode, text: str) -> Json:
    """Return an answer as CrewAI stores it."""
    if task.output_schema is None:
        return {"raw": text, "json_dict": None, "output_format": "raw"}
    value, _ = read_answer(task.output_schema, text)
    raw = json.dumps(value, ensure_ascii=False)
    return {"raw": raw, "json_dict": value, "output_format": "json"}
