"""The examples of the documentation, found by their directives."""

from __future__ import annotations

import re
import textwrap
import typing as t
from collections.abc import Iterator
from pathlib import Path

from support.paths import ROOT

PAGES: t.Final = [
    *sorted((ROOT / "docs").rglob("*.rst")),
    *(ROOT / f"{name}.rst" for name in ("README", "CONTRIBUTING", "SECURITY", "CHANGES")),
]

_DIRECTIVE: t.Final = re.compile(r"^( *)\.\. code-block:: (\w+)$")
_INCLUDED: t.Final = re.compile(r"^ *\.\. literalinclude:: (\S+)$")
_OPTION: t.Final = re.compile(r"^ +:(\w+): (.*)$")
_LANGUAGE: t.Final = re.compile(r"(?m)^ +:language: (\w+)$")


class Example(t.NamedTuple):
    """One block of code, in the page or in a file that it shows."""

    page: Path
    line: int
    """Number of the directive's line, from 1."""
    language: str
    caption: str | None
    """The file that the reader is told to write."""
    text: str

    def __str__(self) -> str:
        return f"{name_of(self.page)}:{self.line}"


def name_of(page: Path) -> str:
    """Return the path of a page within the repository."""
    return page.relative_to(ROOT).as_posix()


def examples(language: str) -> list[Example]:
    """Return all examples in one language."""
    return [each for page in PAGES for each in examples_of(page) if each.language == language]


def examples_of(page: Path) -> Iterator[Example]:
    """Yield the examples of a page, in order."""
    lines = page.read_text(encoding="utf-8").splitlines()
    for number, line in enumerate(lines, 1):
        if directive := _DIRECTIVE.match(line):
            indent, language = directive.groups()
            caption, text = _content(lines[number:], len(indent))
            yield Example(page, number, language, caption, text)
        elif included := _INCLUDED.match(line):
            text = (page.parent / included[1]).read_text(encoding="utf-8")
            (language,) = _LANGUAGE.findall("\n".join(lines[number : number + 3]))[:1]
            yield Example(page, number, language, None, text)


def snippets_of(page: Path) -> list[Example]:
    """Return the Python examples of a page that are not files of their own."""
    found = [each for each in examples_of(page) if each.language == "python"]
    return [each for each in found if each.caption is None]


def _content(lines: list[str], indent: int) -> tuple[str | None, str]:
    block: list[str] = []
    for line in lines:
        if line.strip() and len(line) - len(line.lstrip()) <= indent:
            break
        block.append(line)
    options: dict[str, str] = {}
    while block and (option := _OPTION.match(block[0])):
        options[option[1]] = option[2]
        del block[0]
    # Sphinx prints a caption; elsewhere, as for the README, only a name is allowed.
    caption = options.get("caption") or options.get("name")
    return caption, textwrap.dedent("\n".join(block)).strip("\n") + "\n"


def write_files(page: Path, folder: Path) -> None:
    """Write the files of a page, which are the examples with captions."""
    for example in examples_of(page):
        if example.caption is not None:
            path = folder / example.caption
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(example.text, encoding="utf-8")
