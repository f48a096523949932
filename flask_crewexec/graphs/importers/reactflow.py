"""What React Flow's ``toObject()`` gives, or a graph document as it is."""

from __future__ import annotations

from .draft import Draft
from .files import Files
from .import_result import FILES
from .import_result import Options
from .import_result import Place
from .name_mapping import Names


def read_flow(files: Files, options: Options, names: Names, draft: Draft) -> None:
    """Read the only file, whose nodes and edges are in our language already."""
    if len(files.texts) != 1:
        detail = f"There are {len(files.texts)} files. Send one, with nodes and edges."
        draft.refuse(FILES, "one-file", detail, breaks=True)
        return
    (file,) = files.texts
    value = files.jsonc(file)
    draft.broken = value is None
    draft.origins[""] = Place(file)
    given = {"version": 1, "name": options.name or "crew"}
    if options.process:
        given["process"] = options.process
    draft.whole = {**given, **(value or {})}
