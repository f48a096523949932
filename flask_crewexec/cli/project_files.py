"""The files of a project on disk that an import reads."""

from __future__ import annotations

import typing as t
from collections.abc import Iterator
from pathlib import Path

import click

_MAX_BYTES: t.Final = 4_000_000
_MAX_FILES: t.Final = 200
_PROJECTS: t.Final = ("crewai", "crewai-yaml")
"""Formats of several files; others are one file."""
_DEFINITIONS: t.Final = ("crew.jsonc", "crew.json")
_AGENTS: t.Final = ("agents/*.jsonc", "agents/*.json")
_YAML: t.Final = ("config/*.y*ml", "*agents.y*ml", "*tasks.y*ml", "*crew*.y*ml", "flow.y*ml")
_CODE: t.Final = ("*.py", "tools/*.py", *_YAML)
_PACKAGES: t.Final = ("", "src/*/", "src/*/crews/*/", "crews/*/")
"""Where the commands of CrewAI put crews in a project."""


def read_project(paths: tuple[Path, ...], format: str) -> dict[str, str]:
    """Return the texts of files by their names.

    :param paths: the folder of a project, one of its files, or all files to read.
    :raises click.ClickException: if they cannot be read.
    """
    if len(paths) > 1:
        return {path.name: _text(path) for path in paths}
    (path,) = paths
    if format not in _PROJECTS:
        if path.is_dir():
            raise click.ClickException("This format is a single file: pass its path.")
        return {path.name: _text(path)}
    root = path if path.is_dir() else path.parent
    found = list(dict.fromkeys(_find(root)))
    if not path.is_dir() and path not in found:
        found = [path, *found]
    if not found:
        expected = ", ".join((*_DEFINITIONS, "crew.py", "config/agents.yaml"))
        raise click.ClickException(f"'{root}' has none of these files: {expected}.")
    if len(found) > _MAX_FILES:
        detail = f"'{root}' has {len(found)} files; pass the paths of those that define the crew."
        raise click.ClickException(detail)
    return {file.relative_to(root).as_posix(): _text(file) for file in found}


def _find(root: Path) -> Iterator[Path]:
    """Yield the files that define crews: CrewAI's JSON, or else YAML and Python."""
    if any((root / name).is_file() for name in _DEFINITIONS):
        patterns = [*_DEFINITIONS, *_AGENTS, "*.py", "tools/*.py"]
    else:
        patterns = [f"{package}{name}" for package in _PACKAGES for name in _CODE]
    for pattern in patterns:
        yield from (file for file in sorted(root.glob(pattern)) if file.is_file())


def _text(path: Path) -> str:
    try:
        if path.stat().st_size > _MAX_BYTES:
            raise click.ClickException(f"'{path}' is larger than {_MAX_BYTES} bytes.")
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise click.ClickException(f"'{path}' cannot be read: {error}.") from error
