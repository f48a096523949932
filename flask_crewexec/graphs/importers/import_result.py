"""What an import takes besides files, and what it gives."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass

from ..problem_messages import child

Json = dict[str, t.Any]


class Place(t.NamedTuple):
    """Somewhere in the files that are imported."""

    file: str
    """The file's name; empty for an option beside the files."""
    pointer: str = ""
    """A JSON pointer into what the file says."""

    def __truediv__(self, token: object) -> Place:
        """Return the place of a member."""
        return self._replace(pointer=child(self.pointer, token))

    def below(self, rest: str) -> Place:
        """Return the place that the pointer *rest* leads to from here."""
        return self._replace(pointer=self.pointer + rest)

    @property
    def full(self) -> str:
        """The pointer into the request: ``/files/crew.jsonc/tasks/0``."""
        return (child("/files", self.file) if self.file else "") + self.pointer


FILES: t.Final = Place("", "/files")
"""The files together."""


class Note(t.NamedTuple):
    """Something that is not in the graph, or after an export not in the files."""

    file: str
    """The file that it was in; empty for the graph document."""
    pointer: str
    """Where, as a JSON pointer."""
    code: str
    """What kind: a stable word in kebab-case."""
    detail: str
    """What was left out and what is possible instead, as a sentence."""


@dataclass(frozen=True)
class Options:
    """What some formats cannot say themselves."""

    name: str | None = None
    """The graph's name, if the files have none."""
    process: str | None = None
    """``"sequential"`` or ``"hierarchical"``, for the classic YAML files and React Flow."""
    order: tuple[str, ...] = ()
    """The names of the tasks in the order of ``crew.py``, for the classic YAML files."""
    manager_agent: str | None = None
    """The agent that manages, for the classic YAML files."""
    manager_llm: str | None = None
    """The model on which CrewAI's own manager thinks, for the classic YAML files."""


@dataclass(frozen=True)
class Imported:
    """A graph that came from somewhere else."""

    document: Json
    """A valid graph document."""
    notes: tuple[Note, ...]
    """Everything that could not be carried over."""
