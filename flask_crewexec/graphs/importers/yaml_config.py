"""The YAML files with agents and tasks of a project, whatever they are called."""

from __future__ import annotations

import posixpath
import typing as t
from collections.abc import Callable

from ..problem_messages import quote
from .draft import Draft
from .files import Files
from .import_result import FILES
from .import_result import Json
from .import_result import Place

_ENDS: t.Final = (".yaml", ".yml")
_SIGNS: t.Final = {
    "agents": ("role", "goal", "backstory"),
    "tasks": ("description", "expected_output"),
}
"""Fields by which agents and tasks are told apart."""


class YamlConfig:
    """Finds the agents and tasks in the YAML files of an import."""

    def __init__(self, files: Files, draft: Draft) -> None:
        self._files = files
        self._draft = draft
        self._found: dict[str, Json | None] = {}

    def find(self, stem: str, path: str, beside: str = "") -> tuple[Json | None, Place]:
        """Return the agents or tasks, and their place; None, after a problem, without them.

        :param stem: ``"agents"`` or ``"tasks"``.
        :param path: where a class expects the file.
        :param beside: the file of that class.
        """
        file = self._file(stem, path, beside)
        if file is None:
            detail = f"There is no file {quote(posixpath.basename(path))}. Add it."
            self._draft.refuse(FILES, "missing-file", detail, breaks=True)
            return None, Place("")
        value = self._open(file)
        if value is None:
            return None, Place(file)
        inner = value.get(stem)
        if isinstance(inner, dict) and _is_wrapper(value):
            return inner, Place(file) / stem
        return value, Place(file)

    def _open(self, file: str) -> Json | None:
        if file not in self._found:
            self._found[file] = self._files.yaml(file)
            self._draft.broken = self._draft.broken or self._found[file] is None
        return self._found[file]

    def _file(self, stem: str, path: str, beside: str) -> str | None:
        names = [name for name in self._files.texts if name.endswith(_ENDS)]
        exact = posixpath.normpath(posixpath.join(posixpath.dirname(beside), path))
        if exact in names:
            return exact
        wanted = posixpath.splitext(posixpath.basename(path))[0]
        signs: tuple[Callable[[str], bool], ...] = (
            lambda name: _stem(name) == wanted,
            lambda name: _stem(name).endswith(stem),
            lambda name: self._looks_like(stem, name),
        )
        for fits in signs:
            found = [name for name in names if fits(name)]
            if found:
                near = [name for name in found if _is_near(name, beside)]
                return (near or found)[0]
        return None

    def _looks_like(self, stem: str, name: str) -> bool:
        value = self._open(name) or {}
        inner = value.get(stem)
        members = inner if isinstance(inner, dict) and _is_wrapper(value) else value
        return any(
            isinstance(each, dict) and any(sign in each for sign in _SIGNS[stem])
            for each in members.values()
        )


def _is_wrapper(value: Json) -> bool:
    """Return whether agents or tasks are one level deeper."""
    return value.keys() <= {"agents", "tasks", "name", "process", "crew", "inputs"}


def _stem(name: str) -> str:
    return posixpath.splitext(posixpath.basename(name))[0]


def _is_near(name: str, beside: str) -> bool:
    folder = posixpath.dirname(beside)
    return (
        name.startswith(f"{folder}/") if folder else "/" not in name or name.startswith("config/")
    )
