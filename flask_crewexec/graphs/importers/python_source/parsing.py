"""Parses Python without running it, within bounds of size."""

from __future__ import annotations

import ast
import re
import typing as t
import warnings

from ..parsers import Unreadable

MAX_CHARACTERS: t.Final = 200_000
"""Maximum length of all Python files of an import together."""
MAX_TOKENS: t.Final = 100_000
"""Maximum number of words and signs in them: a syntax tree needs about 700 bytes for each."""
_TOKEN: t.Final = re.compile(r"\w+|[^\w\s]")


class Parser:
    """Parses files, and counts how long they are together."""

    def __init__(self) -> None:
        self._characters = 0
        self._tokens = 0

    def parse(self, text: str) -> ast.Module:
        """Return the syntax tree of *text*.

        :raises Unreadable: if it is no Python, nested too deeply, or too long.
        """
        self._characters += len(text)
        if self._characters <= MAX_CHARACTERS:
            self._tokens += sum(1 for _ in _TOKEN.finditer(text))
        if self._characters > MAX_CHARACTERS or self._tokens > MAX_TOKENS:
            raise Unreadable(
                "too-long",
                f"Files of Python may have at most {MAX_CHARACTERS} characters, and"
                f" {MAX_TOKENS} words and signs, together. Send only those that define the crew.",
            )
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # about escapes in texts, for example
                return ast.parse(text.removeprefix("\ufeff"))
        except (RecursionError, MemoryError):
            raise Unreadable("too-deep", "This is nested too deeply. Flatten it.") from None
        except SyntaxError as error:
            reason = f"line {error.lineno}: {error.msg}" if error.lineno else error.msg
            detail = f"This is not Python 3: {reason[:200]}. Correct it."
            raise Unreadable("invalid-python", detail) from None
        except ValueError as error:
            detail = f"This is not Python 3: {str(error)[:200]}. Correct it."
            raise Unreadable("invalid-python", detail) from None
