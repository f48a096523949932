"""Inputs and files in place of a graph's placeholders."""

from __future__ import annotations

from ..app_state import AppState
from ..graphs import check_length
from ..graphs import Graph
from ..graphs import texts_of
from .input_files import read_file
from .run_context import RunContext


def render_inputs(graph: Graph, app_state: AppState, run_context: RunContext) -> Graph:
    """Return *graph* with the execution's inputs, and the files that they name, in its texts.

    :raises InvalidInputs: if the texts would become too long.
    :raises FileUnreadable: if a file cannot be read.
    """
    texts = texts_of(graph, run_context.execution.inputs)
    for declaration in graph.declared:
        reference = texts.get(declaration.name)
        if declaration.type == "file" and reference:
            name = declaration.name
            texts[name] = read_file(name, reference, app_state, run_context)
    check_length(graph, texts)
    return graph.filled(texts)
