"""The inputs of a run."""

from __future__ import annotations

from collections.abc import Iterator
from collections.abc import Mapping

from ..errors import InvalidInputs
from ..errors import Problem
from .document import Graph
from .jsonvalue import find_json_problems
from .wording import child
from .wording import kind_of
from .wording import quote

# CrewAI takes this input for a chat history, as a JSON text, and fails on any other value.
RESERVED = frozenset({"crew_chat_messages"})


def check_inputs(graph: Graph, inputs: object) -> None:
    """Check that ``inputs`` is a JSON object with a value for each of ``graph.inputs``.

    Inputs that the graph does not use are allowed.

    :raises InvalidInputs: with every problem; pointers start with ``/inputs``.
    """
    problems = find_json_problems(inputs, "/inputs")
    if not isinstance(inputs, dict):
        detail = f"The inputs must be an object, not {kind_of(inputs)}."
        problems = [Problem("/inputs", "wrong-type", detail)]
    else:
        problems += [*_find_key_problems(inputs), *_find_missing(graph, inputs)]
    if problems:
        raise InvalidInputs(problems[0].detail, problems)


def _find_key_problems(inputs: Mapping[object, object]) -> Iterator[Problem]:
    if "" in inputs:
        yield Problem("/inputs/", "blank", "The name of an input must not be empty.")
    for name in sorted(RESERVED.intersection(inputs)):
        detail = f"The name {quote(name)} is reserved by CrewAI. Choose another."
        yield Problem(child("/inputs", name), "reserved-input", detail)


def _find_missing(graph: Graph, inputs: Mapping[str, object]) -> Iterator[Problem]:
    for name in graph.inputs:
        if name not in inputs:
            detail = f"The graph needs the input {quote(name)}. Add it."
            yield Problem(child("/inputs", name), "missing-input", detail)
        elif inputs[name] is None:
            detail = f"The input {quote(name)} is null, but the graph uses it. Give it a value."
            yield Problem(child("/inputs", name), "null-input", detail)
