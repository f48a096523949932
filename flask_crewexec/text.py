"""Clean and shorten text before it is stored or shown."""

from __future__ import annotations

import re
import typing as t
import unicodedata

_THINKING: t.Final = re.compile(r"\s*<(think|thinking|reasoning)>.*?(</\1>\s*|\Z)", re.DOTALL)
_END_OF_THINKING: t.Final = re.compile(r"</think(?:ing)?>\s*")
BLANKS: t.Final = (
    "\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180d\u180f\u2028\u2029\u2800\u3164\ufe00-\ufe0f\uffa0"
    "\U000e0100-\U000e01ef"
)
"""Fillers, separators and variation selectors, whose categories are those of visible ones, too; as
part of a regular expression."""
_IS_BLANK: t.Final = re.compile(f"[{BLANKS}]")
_HIDDEN_CATEGORIES: t.Final = frozenset({"Cc", "Cf", "Cn", "Co", "Cs"})


def storable(text: str) -> str:
    """Return *text* with lone surrogates replaced, which can be neither stored nor sent.

    The halves of a pair of surrogates, which a stream may have split, are joined.
    """
    if text.isascii():
        return text
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


def storable_values(value: object) -> object:
    """Return a value of JSON with all its texts, and the keys of its objects, made storable."""
    if isinstance(value, str):
        return storable(value)
    if isinstance(value, list):
        return [storable_values(each) for each in t.cast("list[object]", value)]
    if isinstance(value, dict):
        items = t.cast("dict[str, object]", value).items()
        return {storable(key): storable_values(each) for key, each in items}
    return value


def truncate(text: str, limit: int) -> str:
    """Return *text*, cut to *limit* characters; an ellipsis marks the cut."""
    return text if len(text) <= limit else text[: limit - 1] + "…"


def without_thinking(text: str) -> str:
    """Return *text* without the thinking at its start, which some models write into the answer.

    The opening tag may be missing, since some servers add it to the prompt.
    """
    if match := _THINKING.match(text):
        return text[match.end() :]
    if end := _END_OF_THINKING.search(text):
        return text[end.end() :]
    return text


def is_invisible(character: str) -> bool:
    """Return whether nobody would see a character, other than a space or a line break."""
    return bool(_IS_BLANK.match(character)) or (
        character not in "\n\t" and unicodedata.category(character) in _HIDDEN_CATEGORIES
    )


def is_blank(text: str) -> bool:
    """Return whether there is nothing to see in *text*."""
    return all(each.isspace() or is_invisible(each) for each in text)


def fitted(text: str, columns: int) -> str:
    """Return *text* on one line that is as wide as *columns* Latin letters at most.

    Chinese, Japanese and Korean characters are twice as wide; marks that combine take no room.
    """
    line, room = " ".join(text.split()), columns
    for position, character in enumerate(line):
        room -= _columns(character)
        if room < 0:
            return line[: max(position - 1, 0)].rstrip() + "…"
    return line


def wrapped(text: str, columns: int) -> tuple[str, ...]:
    """Return *text* on one line or two, broken after a space if possible; see :func:`fitted`."""
    line, room = " ".join(text.split()), columns
    for position, character in enumerate(line):
        room -= _columns(character)
        if room < 0:
            space = line.rfind(" ", 0, position + 1)
            at = space + 1 if space > 0 else position
            return line[:at], fitted(line[at:], columns)
    return (line,)


def width_of(text: str) -> int:
    """Return how many Latin letters are about as wide as *text*."""
    return sum(map(_columns, text))


def _columns(character: str) -> int:
    if unicodedata.combining(character):
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1
