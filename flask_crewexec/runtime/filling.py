"""Inputs and files in place of a graph's placeholders."""

from __future__ import annotations

import typing as t

from ..binding import Binding
from ..errors import InvalidInputs
from ..errors import Problem
from ..execution_context import ExecutionContext
from ..graphs import Graph
from ..graphs import texts_of
from .files import read_file

MAX_CHARS: t.Final = 4_000_000
"""Of all texts together: a text may repeat its placeholders."""


def fill_in(graph: Graph, binding: Binding, execution: ExecutionContext) -> Graph:
    """Return *graph* with the execution's inputs, and the files that they name, in its texts.

    :raises InvalidInputs: if the texts would become too long.
    :raises FileUnreadable: if a file cannot be read.
    """
    texts = texts_of(graph, execution.inputs)
    for declaration in graph.declared:
        reference = texts.get(declaration.name)
        if declaration.type == "file" and reference:
            name = declaration.name
            texts[name] = read_file(name, reference, binding, execution)
    if graph.filled_length(texts) > MAX_CHARS:
        detail = f"With its inputs the crew's texts have more than {MAX_CHARS} characters."
        raise InvalidInputs(detail, [Problem("/inputs", "too-large", detail)])
    return graph.filled(texts)
