"""The documentation as Sphinx builds it, and what its pages describe."""

from __future__ import annotations

import html
import re
import subprocess
import sys
import typing as t
from pathlib import Path

_ENTRY: t.Final = re.compile(r'<dt class="sig sig-object std" id="[^"]+">')
_NAME: t.Final = re.compile(r'<span class="sig-name descname">(.*?)<a class="headerlink"')
_PYTHON_ENTRY: t.Final = re.compile(r'<dt class="sig sig-object py" id="([^"]+)">')
_TAG: t.Final = re.compile(r"<[^>]+>")
_STRAIGHT_QUOTES: t.Final = str.maketrans("\u2018\u2019\u201c\u201d", "''\"\"")


class Entry(t.NamedTuple):
    """What a page says of one object."""

    name: str
    text: str
    """Without markup, and with straight quotes."""
    first_cells: tuple[str, ...]
    """First cell of each row of its tables, without their headers."""


def build(source: Path, target: Path) -> None:
    """Build the documentation; warnings are errors."""
    options = ("-q", "-W", "--keep-going", "-b", "html")
    command = [sys.executable, "-m", "sphinx", *options, str(source), str(target)]
    built = subprocess.run(command, capture_output=True, text=True, check=False)
    assert built.returncode == 0, built.stderr


def entries(page: Path) -> list[Entry]:
    """Return what a page describes, in order; Python's objects excepted."""
    _, *parts = _ENTRY.split(_read(page))
    return [_entry(part) for part in parts]


def _entry(markup: str) -> Entry:
    name = _NAME.search(markup)
    assert name is not None
    return Entry(text_of(name[1]), text_of(markup), tuple(_first_cells(markup)))


def python_names(page: Path) -> list[str]:
    """Return the full names of the Python objects that a page describes."""
    return _PYTHON_ENTRY.findall(_read(page))


def tables(page: Path) -> list[list[str]]:
    """Return the first cells of each table, without its header."""
    return [[*_first_cells(part)] for part in _read(page).split("<table")[1:]]


def _first_cells(markup: str) -> list[str]:
    rows = re.findall(r"<tr[^>]*><td>(.*?)</td>", markup, re.DOTALL)
    return [text_of(row) for row in rows]


def _read(page: Path) -> str:
    """Return the page without its side bar."""
    content, _, _ = page.read_text(encoding="utf-8").partition('<div class="sphinxsidebar"')
    return content


def text_of(markup: str) -> str:
    """Return the text that readers see."""
    plain = html.unescape(_TAG.sub("", markup)).translate(_STRAIGHT_QUOTES)
    return " ".join(plain.split())
