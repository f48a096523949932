"""Options and results of imports, and places in files."""

from __future__ import annotations

import typing as t
from collections.abc import Mapping
from dataclasses import dataclass
from dataclasses import field

from ...errors import Note
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

    def parent(self) -> Place:
        """Return the place of the object around this one."""
        return self._replace(pointer=self.pointer.rpartition("/")[0])

    def below(self, rest: str) -> Place:
        """Return the place at the pointer *rest* below this one."""
        return self._replace(pointer=self.pointer + rest)

    @property
    def full(self) -> str:
        """The pointer into the request, such as ``/files/crew.jsonc/tasks/0``."""
        return (child("/files", self.file) if self.file else "") + self.pointer


FILES: t.Final = Place("", "/files")
"""All files."""


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
    crew: str | None = None
    """Name of the crew, if the files have several."""
    tasks: tuple[str, ...] = ()
    """Names of the tasks to import, if the files have those of several crews."""
    node_types: Mapping[str, str] = field(default_factory=dict)
    """Types of nodes by those in the files, for React Flow."""


@dataclass(frozen=True)
class Imported:
    """The result of an import."""

    document: Json
    """A valid graph document."""
    notes: tuple[Note, ...]
    """Everything that is left out."""
