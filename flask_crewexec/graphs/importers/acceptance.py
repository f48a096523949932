"""Whether an import is accepted with what it leaves out, and a summary of it."""

from __future__ import annotations

import typing as t
from collections import Counter

from ...errors import ImportNotAccepted
from ...errors import Problem
from ...errors import Severity
from .import_result import Imported
from .import_result import Place

_EFFECTS: t.Final[dict[Severity, tuple[str, str]]] = {
    "unguarded": ("note names a missing check", "notes name missing checks"),
    "changed": ("note changes behaviour", "notes change behaviour"),
    "info": ("note changes nothing", "notes change nothing"),
}


def require_accepted(imported: Imported, accept: str | None, strict: bool) -> None:
    """Check that nothing is left out that matters more than the caller accepts.

    :param accept: ``"unguarded"`` to import a crew without checks that its author wanted.
    :param strict: whether a crew that would behave differently is refused, too.
    :raises ImportNotAccepted: with each such note as a problem.
    """
    refused: set[str] = {"changed"} if strict else set()
    if accept != "unguarded":
        refused.add("unguarded")
    found = [note for note in imported.notes if note.severity in refused]
    if found:
        problems = [
            Problem(Place(note.file, note.pointer).full, note.code, note.detail) for note in found
        ]
        raise ImportNotAccepted(_reason(found[0].severity), problems, imported.notes)


def _reason(severity: Severity) -> str:
    if severity == "unguarded":
        return (
            "Checks that the author wanted would be missing. Replace them as 'errors' says, or"
            " send 'accept=unguarded'."
        )
    return "The crew would behave differently, which 'strict' does not allow. See 'errors'."


def summarize(imported: Imported) -> str:
    """Return a sentence such as "4 agents, 6 tasks; 2 notes change behaviour"."""
    types = Counter(node.get("type") for node in imported.document["nodes"])
    parts = ", ".join(_counted(types[name], name, f"{name}s") for name in ("agent", "task"))
    notes = Counter(note.severity for note in imported.notes)
    effects = [
        _counted(notes[severity], *forms) for severity, forms in _EFFECTS.items() if notes[severity]
    ]
    return "; ".join([parts, *effects])


def _counted(count: int, one: str, many: str) -> str:
    return f"{count} {one if count == 1 else many}"
