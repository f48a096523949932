"""The files of an import: their number, size and content."""

from __future__ import annotations

import typing as t
from collections.abc import Callable
from collections.abc import Mapping

from ...errors import Problem
from ..json_values import find_json_problems
from ..json_values import MAX_VALUES
from ..problem_messages import kind_of
from ..problem_messages import quote
from .import_result import Json
from .import_result import Place
from .parsers import parse_json
from .parsers import parse_jsonc
from .parsers import parse_yaml
from .parsers import Unreadable

MAX_FILES: t.Final = 200
MAX_CHARACTERS: t.Final = 1_000_000
"""Maximum length of all files of an import together."""
MAX_SLOW_CHARACTERS: t.Final = 100_000
"""The same for YAML and JSON with comments, whose parsers need 10 to 40 µs per character."""


class Files:
    """The texts of an import; each is parsed once, on demand."""

    def __init__(self, texts: Mapping[str, str], problems: list[Problem]) -> None:
        self.texts = texts
        self.read: set[str] = set()
        self._problems = problems
        self._slow_characters = 0

    def find(self, *names: str) -> str | None:
        """Return the first of these names that exists."""
        return next((name for name in names if name in self.texts), None)

    def unread(self) -> list[str]:
        """Return the names of the files that were not read."""
        return [name for name in self.texts if name not in self.read]

    def jsonc(self, name: str) -> Json | None:
        """Return the object in a JSON file, which may have comments and trailing commas."""
        return self._object(name, self._read_jsonc)

    def json(self, name: str) -> object:
        """Return the value in a JSON file; None, after a problem, if it has none."""
        return self._value(name, self._read_jsonc)

    def yaml(self, name: str) -> Json | None:
        """Return the mapping in a YAML file."""
        return self._object(name, self._read_yaml)

    def _object(self, name: str, read: Callable[[str], object]) -> Json | None:
        value = self._value(name, read)
        if value is None or isinstance(value, dict):
            return value
        detail = f"The file {quote(name)} must contain an object, not {kind_of(value)}."
        self._problems.append(Problem(Place(name).full, "wrong-type", detail))
        return None

    def _value(self, name: str, read: Callable[[str], object]) -> object:
        self.read.add(name)
        place = Place(name).full
        try:
            value = read(self.texts[name])
        except Unreadable as error:
            self._problems.append(Problem(place, *error.problem))
            return None
        problems = find_json_problems(value, place, max_values=MAX_VALUES)
        if not problems and value is None:
            detail = f"The file {quote(name)} is empty."
            problems = [Problem(place, "wrong-type", detail)]
        self._problems += problems
        return None if problems else value

    def _read_jsonc(self, text: str) -> object:
        try:
            return parse_json(text)
        except (ValueError, RecursionError):
            self._count_slow(text)
        return parse_jsonc(text)

    def _read_yaml(self, text: str) -> object:
        self._count_slow(text)
        return parse_yaml(text)

    def _count_slow(self, text: str) -> None:
        self._slow_characters += len(text)
        if self._slow_characters > MAX_SLOW_CHARACTERS:
            raise Unreadable(
                "too-long",
                "Files of YAML or of JSON with comments may have at most"
                f" {MAX_SLOW_CHARACTERS} characters together. Send plain JSON, without comments"
                " and trailing commas.",
            )


def find_file_problems(files: object) -> list[Problem]:
    """Return the problems of *files* before any of them is read."""
    if not isinstance(files, Mapping) or not files:
        detail = "The files must be an object of names and texts, with at least one file."
        return [Problem("/files", "wrong-type", detail)]
    if len(files) > MAX_FILES:
        detail = f"There are {len(files)} files; at most {MAX_FILES} are allowed."
        return [Problem("/files", "too-many", detail)]
    for name, text in files.items():
        if not isinstance(text, str):
            detail = f"The file {quote(str(name))} must be text, not {kind_of(text)}."
            return [Problem(Place(str(name)).full, "wrong-type", detail)]
    if sum(map(len, files.values())) > MAX_CHARACTERS:
        detail = f"The files may have at most {MAX_CHARACTERS} characters together."
        return [Problem("/files", "too-long", detail)]
    return []
