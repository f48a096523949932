"""Rendering of a graph's texts with the inputs of an execution."""

from __future__ import annotations

from ..app_state import AppState
from ..graphs import check_length
from ..graphs import Graph
from ..graphs import texts_of
from .input_files import read_file
from .run_context import RunContext


def render_inputs(graph: Graph, app_state: AppState, run_context: RunContext) -> Graph:
    """Return *graph* with its placeholders replaced by inputs and contents of input files.

    :raises InvalidInputs: if the texts become too long.
    :raises InputFileError: if a file cannot be read.
    """
    texts = texts_of(graph, run_context.execution.inputs)
    for declaration in graph.declared:
        reference = texts.get(declaration.name)
        if declaration.type == "file" and reference:
            name = declaration.name
            texts[name] = read_file(name, reference, app_state, run_context)
    check_length(graph, texts)
    return graph.filled(texts)
