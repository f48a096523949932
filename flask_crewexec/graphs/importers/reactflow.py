"""The result of React Flow's ``toObject()``, or a graph document."""

from __future__ import annotations

from .draft import Draft
from .files import Files
from .import_result import FILES
from .import_result import Options
from .import_result import Place
from .name_mapping import Names


def read_reactflow(files: Files, options: Options, names: Names, draft: Draft) -> None:
    """Read the file, whose nodes and edges are those of graph documents."""
    if len(files.texts) != 1:
        detail = f"There are {len(files.texts)} files. Send only one, with nodes and edges."
        draft.refuse(FILES, "one-file", detail, breaks=True)
        return
    (file,) = files.texts
    value = files.jsonc(file)
    draft.broken = value is None
    draft.origins[""] = Place(file)
    top = {"version": 1, "name": options.name or "crew"}
    if options.process:
        top["process"] = options.process
    draft.complete = {**top, **(value or {})}
