"""Render Markdown from strangers: nothing of it is loaded, runs, or leads anywhere.

HTML in it is shown as text. Links and images become their text with the address behind it, so that
readers see where they would lead, and no other site learns that somebody reads.
"""

from __future__ import annotations

import functools
import typing as t
from collections.abc import Iterator
from collections.abc import Sequence

from markdown_it import MarkdownIt
from markdown_it.token import Token
from markupsafe import escape
from markupsafe import Markup

from .invisible_characters import mark_invisible

_KEPT_ATTRIBUTES: t.Final = frozenset({"start"})
"""Of ordered lists. Others would be refused by our content security policy, or name a language."""
_ALIGNMENTS: t.Final = {
    "text-align:center": "align-center",
    "text-align:right": "align-right",
}
"""Classes in place of the styles that the parser gives to the cells of tables."""

MAX_CHARS: t.Final = 100_000
"""Longer texts are not rendered: some take seconds, and an open page asks for them again."""


@functools.lru_cache(maxsize=4)
def render_markdown(text: str) -> Markup:
    """Return *text*, which is Markdown, as HTML.

    Markdown has parts that are not shown, such as titles of links, so this does not replace a look
    at the text itself.
    """
    tokens = list(_without_links(_parser.parse(text)))
    html = _parser.renderer.render(tokens, _parser.options, {})
    return mark_invisible(Markup(html))


def _make_parser() -> MarkdownIt:
    parser = MarkdownIt("js-default", {"html": False, "linkify": False, "maxNesting": 20})
    # Addresses are shown as they are written, and those that the library refuses, too.
    parser.normalizeLink = lambda url: url  # type: ignore[method-assign]
    parser.validateLink = lambda url: True  # type: ignore[method-assign]
    return parser


_parser: t.Final = _make_parser()


def _without_links(tokens: Sequence[Token]) -> Iterator[Token]:
    """Yield *tokens* with text in place of links and images, and without attributes."""
    addresses: list[str] = []
    for token in tokens:
        if token.type == "link_open":
            addresses.append(str(token.attrs.get("href", "")))
        elif token.type == "link_close":
            yield _address(addresses.pop())
        elif token.type == "image":
            yield _text(f"[Image: {token.content}]")
            yield _address(str(token.attrs.get("src", "")))
        else:
            yield _plain(token)


def _plain(token: Token) -> Token:
    children = None if token.children is None else list(_without_links(token.children))
    attrs = {name: value for name, value in token.attrs.items() if name in _KEPT_ATTRIBUTES}
    if alignment := _ALIGNMENTS.get(str(token.attrs.get("style"))):
        attrs["class"] = alignment
    return token.copy(attrs=attrs, children=children, info="")


def _text(content: str) -> Token:
    return Token("text", "", 0, content=content)


def _address(url: str) -> Token:
    """Return what shows an address; ``html_inline`` is what is rendered as it is."""
    html = Markup(' <span class="address">({})</span>').format(escape(url))
    return Token("html_inline", "", 0, content=str(html))
