"""The inputs of an execution: their check, defaults and texts."""

from __future__ import annotations

import itertools
import typing as t
from collections.abc import Collection
from collections.abc import Iterator
from collections.abc import Mapping

from ..errors import InvalidInputs
from ..errors import MAX_PROBLEMS
from ..errors import Problem
from .graph import Graph
from .input_types import Declaration
from .input_types import find_fault
from .input_types import storage_of
from .json_values import find_json_problems
from .placeholders import as_text
from .problem_messages import child
from .problem_messages import kind_of
from .problem_messages import listing
from .problem_messages import quote
from .problem_messages import suggestion

# CrewAI expects a chat history as JSON in this input, and fails with any other value.
RESERVED = frozenset({"crew_chat_messages"})

MAX_FILLED: t.Final = 4_000_000
"""Maximum length of all texts with replaced placeholders, in characters."""

Json = dict[str, t.Any]


def check_inputs(graph: Graph, inputs: object, storages: Collection[str] = ()) -> Json:
    """Check that ``inputs`` is a JSON object that fits the graph; return it with the defaults.

    If the graph declares inputs, each value must match its declaration, and no others are allowed.
    Otherwise each placeholder needs a value, and others are allowed.

    :param storages: names of storages that references to files may use.
    :raises InvalidInputs: with all problems; pointers start with ``/inputs``.
    """
    problems = find_json_problems(inputs, "/inputs")
    if not isinstance(inputs, dict):
        detail = f"The inputs must be an object, not {kind_of(inputs)}."
        problems = [Problem("/inputs", "wrong-type", detail)]
    elif graph.declared:
        problems = problems or [*_find_declared_problems(graph, inputs, storages)]
    else:
        problems += [*_find_key_problems(inputs), *_find_missing(graph, inputs)]
    if problems or not isinstance(inputs, dict):
        raise InvalidInputs(problems[0].detail, problems)
    values = {**defaults_of(graph), **inputs}
    check_length(graph, texts_of(graph, values))
    return values


def check_length(graph: Graph, texts: Mapping[str, str]) -> None:
    """Check the length of the graph's texts with placeholders replaced by *texts*.

    :raises InvalidInputs: if they are too long.
    """
    length = graph.filled_length(texts)
    if length > MAX_FILLED:
        detail = (
            f"The crew's texts have {length} characters with these inputs; at most {MAX_FILLED} are"
            " allowed. Send shorter inputs, or use them less often."
        )
        raise InvalidInputs(detail, [Problem("/inputs", "too-large", detail)])


def defaults_of(graph: Graph) -> Json:
    """Return the declared defaults by name."""
    return {each.name: each.default for each in graph.declared if each.default is not None}


def texts_of(graph: Graph, inputs: Mapping[str, object]) -> dict[str, str]:
    """Return the text for each placeholder, which is empty for missing optional inputs."""
    return {name: as_text(inputs.get(name, "")) for name in graph.placeholders}


def _find_declared_problems(
    graph: Graph, inputs: Mapping[str, object], storages: Collection[str]
) -> Iterator[Problem]:
    declared = {each.name: each for each in graph.declared}
    unknown = (name for name in inputs if name not in declared)
    for name in itertools.islice(unknown, MAX_PROBLEMS + 1):
        detail = f"The graph has no input {quote(name)}. Remove it."
        hint = f"{suggestion(name, declared)}The inputs are {listing(declared)}."
        yield Problem(child("/inputs", name), "unknown-input", detail, hint)
    values = {**defaults_of(graph), **inputs}
    for name, declaration in declared.items():
        if name in values:
            yield from _find_value_problems(declaration, values[name], storages)
        elif declaration.required:
            yield _missing(name, declaration.hint)


def _find_value_problems(
    declaration: Declaration, value: object, storages: Collection[str]
) -> Iterator[Problem]:
    pointer = child("/inputs", declaration.name)
    subject = f"The input {quote(declaration.name)}"
    if fault := find_fault(declaration, value):
        yield Problem(pointer, fault.code, f"{subject} {fault.demand}", declaration.hint)
    elif declaration.type == "file" and storage_of(str(value)) not in storages:
        detail = f"There is no storage {quote(storage_of(str(value)))}. Use a registered one."
        yield Problem(pointer, "unknown-storage", detail, _storages(storages))


def _storages(known: Collection[str]) -> str:
    return f"The storages are {listing(sorted(known))}."


def _find_key_problems(inputs: Mapping[object, object]) -> Iterator[Problem]:
    if "" in inputs:
        yield Problem("/inputs/", "blank", "The name of an input must not be empty.")
    for name in sorted(RESERVED.intersection(inputs)):
        detail = f"The name {quote(name)} is reserved by CrewAI. Choose another."
        yield Problem(child("/inputs", name), "reserved-input", detail)


def _find_missing(graph: Graph, inputs: Mapping[str, object]) -> Iterator[Problem]:
    for name in graph.inputs:
        if name not in inputs:
            yield _missing(name)
        elif inputs[name] is None:
            detail = f"The input {quote(name)} is null, but the graph uses it. Give it a value."
            yield Problem(child("/inputs", name), "null-input", detail)


def _missing(name: str, hint: str = "") -> Problem:
    detail = f"The graph needs the input {quote(name)}. Add it."
    return Problem(child("/inputs", name), "missing-input", detail, hint)
