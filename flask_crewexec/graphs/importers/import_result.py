"""Options and results of imports, and places in files."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass

from ..problem_messages import child

Json = dict[str, t.Any]


class Place(t.NamedTuple):
    """A place in the imported files."""

    file: str
    """Name of the file; empty for an option."""
    pointer: str = ""
    """JSON pointer into the content of the file."""

    def __truediv__(self, token: object) -> Place:
        """Return the place of a member."""
        return self._replace(pointer=child(self.pointer, token))

    def below(self, rest: str) -> Place:
        """Return the place at the pointer *rest* below this one."""
        return self._replace(pointer=self.pointer + rest)

    @property
    def full(self) -> str:
        """The pointer into the request, such as ``/files/crew.jsonc/tasks/0``."""
        return (child("/files", self.file) if self.file else "") + self.pointer


FILES: t.Final = Place("", "/files")
"""All files."""


class Note(t.NamedTuple):
    """Something that an import or export leaves out."""

    file: str
    """Name of the file; empty for the graph document."""
    pointer: str
    """JSON pointer to the place."""
    code: str
    """Stable code in kebab-case."""
    detail: str
    """What is left out, why, and what to do instead, as a sentence."""


@dataclass(frozen=True)
class Options:
    """Values that some formats do not contain."""

    name: str | None = None
    """Name of the graph, if the files have none."""
    process: str | None = None
    """``"sequential"`` or ``"hierarchical"``, for the classic YAML files and React Flow."""
    order: tuple[str, ...] = ()
    """Names of the tasks in the order of ``crew.py``, for the classic YAML files."""
    manager_agent: str | None = None
    """Name of the manager agent, for the classic YAML files."""
    manager_llm: str | None = None
    """Model of CrewAI's own manager, for the classic YAML files."""


@dataclass(frozen=True)
class Imported:
    """The result of an import."""

    document: Json
    """A valid graph document."""
    notes: tuple[Note, ...]
    """Everything that is left out."""
