"""Files such as ``.env``, in which each line sets a variable."""

from __future__ import annotations

import contextlib
import os
import re
import tempfile
import typing as t
from collections.abc import Iterable
from collections.abc import Iterator
from collections.abc import Mapping
from pathlib import Path

_LINE: t.Final = re.compile(r"\s*(?:export\s+)?(\w+)\s*=\s*(.*?)\s*")


def read_variable(path: Path, name: str) -> str | None:
    """Return the value of a variable as it is written in a file; None without file or variable."""
    values = [value for key, value in map(_parsed, _lines_of(path)) if key == name]
    return values[-1].strip("'\"") if values else None


def write_variables(path: Path, values: Mapping[str, str]) -> None:
    """Set variables in a file, and keep its other lines, its owner's rights and its links.

    A new file can only be read by its owner. Other processes see the old file or the new one.

    :raises OSError: if the file cannot be written.
    """
    path = path.resolve()
    text = "".join(f"{line}\n" for line in _changed(_lines_of(path), values))
    mode = path.stat().st_mode if path.exists() else 0o600
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f"{path.name}.")
    try:
        with open(handle, "w") as file:
            file.write(text)
        os.chmod(temporary, mode)
        os.replace(temporary, path)
    except BaseException:  # also Ctrl-C leaves no second file with the password
        with contextlib.suppress(FileNotFoundError):
            os.unlink(temporary)
        raise


def _changed(lines: Iterable[str], values: Mapping[str, str]) -> Iterator[str]:
    """Yield the lines with new values, each where the first of its variable was, or at the end."""
    missing = dict(values)
    for line in lines:
        name, _ = _parsed(line)
        if name not in values:
            yield line
        elif name in missing:
            yield f"{name}={missing.pop(name)}"
    for name, value in missing.items():
        yield f"{name}={value}"


def _lines_of(path: Path) -> list[str]:
    with contextlib.suppress(FileNotFoundError):
        return path.read_text().splitlines()
    return []


def _parsed(line: str) -> tuple[str, str]:
    """Return the variable and value of a line; empty texts for comments and blank lines."""
    found = _LINE.fullmatch(line)
    return (found[1], found[2]) if found else ("", "")
