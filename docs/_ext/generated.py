"""The base of directives that write reStructuredText from the code, and helpers to write it."""

from __future__ import annotations

import re
import textwrap
import typing as t
from collections.abc import Iterable
from collections.abc import Iterator

from docutils import nodes
from sphinx.util.docutils import SphinxDirective

Lines = Iterator[str]

_QUOTED: t.Final = re.compile(r"(?<!\w)'([^'`]+)'(?!\w)")


class GeneratedDirective(SphinxDirective):
    """A directive that is replaced by the reStructuredText of :meth:`lines`."""

    has_content = True

    def lines(self) -> Lines:
        """Yield the lines that stand for the directive."""
        raise NotImplementedError

    def run(self) -> list[nodes.Node]:
        """Parse the lines as if they stood in the page."""
        # A page that is generated is read again at each build, since the code may have changed.
        self.env.note_reread()
        return self.parse_text_to_nodes("\n".join(self.lines()), allow_section_headings=True)


def literal(text: object) -> str:
    """Return *text* as code within a sentence."""
    return f"``{text}``"


def phrase(text: str) -> str:
    """Return a sentence of the code, where names are in single quotes or in backquotes."""
    escaped = " ".join(text.split()).replace("*", r"\*").replace("|", r"\|")
    return _QUOTED.sub(r"``\1``", escaped)


def entry(kind: str, name: str, body: Iterable[str], **options: str) -> Lines:
    """Yield the description of one object, which other pages can refer to."""
    yield f".. {kind}:: {name}"
    yield from (f"    :{option.replace('_', '-')}: {value}" for option, value in options.items())
    yield ""
    yield from indented(body)
    yield ""


def indented(lines: Iterable[str]) -> Lines:
    """Yield the lines as the body of a directive."""
    yield from (textwrap.indent(line, "    ") for line in lines)


def table(header: Iterable[str], rows: Iterable[Iterable[str]]) -> Lines:
    """Yield a table with a header, or nothing without rows."""
    filled = [list(row) for row in rows]
    if not filled:
        return
    yield from (".. list-table::", "    :header-rows: 1", "    :width: 100%", "")
    for first, *others in [list(header), *filled]:
        yield f"    * - {first}"
        yield from (f"      - {cell}" for cell in others)
    yield ""
