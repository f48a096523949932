"""The files of an import as they came: how many, how large, and what each says."""

from __future__ import annotations

import json
import typing as t
from collections.abc import Callable
from collections.abc import Hashable
from collections.abc import Iterable
from collections.abc import Mapping

import json5
import yaml

from ...errors import Problem
from ..json_values import find_json_problems
from ..problem_messages import kind_of
from ..problem_messages import quote
from .import_result import Json
from .import_result import Place

MAX_FILES: t.Final = 200
MAX_CHARACTERS: t.Final = 1_000_000
"""How much text all files of one import may hold together."""
MAX_SLOW_CHARACTERS: t.Final = 100_000
"""The same for YAML and JSON with comments, whose parsers need 10 to 40 µs a character."""


class Unreadable(Exception):
    """A file says nothing that can be understood."""

    def __init__(self, code: str, detail: str) -> None:
        super().__init__(detail)
        self.problem = code, detail


class Files:
    """The texts that are imported; each is parsed once, when it is asked for."""

    def __init__(self, texts: Mapping[str, str], problems: list[Problem]) -> None:
        self.texts = texts
        self.read: set[str] = set()
        self._problems = problems
        self._slow = 0

    def find(self, *names: str) -> str | None:
        """Return the first of these names that there is."""
        return next((name for name in names if name in self.texts), None)

    def unread(self) -> list[str]:
        """Return the names of the files that nothing has asked for."""
        return [name for name in self.texts if name not in self.read]

    def jsonc(self, name: str) -> Json | None:
        """Return the object in a JSON file, which may have comments and trailing commas."""
        return self._object(name, self._read_jsonc)

    def yaml(self, name: str) -> Json | None:
        """Return the mapping in a YAML file."""
        return self._object(name, self._read_yaml)

    def _object(self, name: str, read: Callable[[str], object]) -> Json | None:
        self.read.add(name)
        place = Place(name).full
        try:
            value = read(self.texts[name])
        except Unreadable as error:
            self._problems.append(Problem(place, *error.problem))
            return None
        wrong = find_json_problems(value, place)
        if not wrong and not isinstance(value, dict):
            detail = f"The file {quote(name)} must hold an object, not {kind_of(value)}."
            wrong = [Problem(place, "wrong-type", detail)]
        self._problems += wrong
        return None if wrong else t.cast(Json, value)

    def _read_jsonc(self, text: str) -> object:
        try:
            return json.loads(text, object_pairs_hook=_object_of)
        except (ValueError, RecursionError):
            self._count(text)
        try:
            return json5.loads(text, object_pairs_hook=_object_of)
        except RecursionError:
            raise Unreadable("too-deep", "This is nested too deeply. Flatten it.") from None
        except ValueError as error:
            detail = f"This is not JSON with comments: {_first_line(error)}. Correct it."
            raise Unreadable("invalid-json", detail) from error

    def _read_yaml(self, text: str) -> object:
        self._count(text)
        try:
            return yaml.load(text, _PlainLoader)
        except RecursionError:
            raise Unreadable("too-deep", "This is nested too deeply. Flatten it.") from None
        except (yaml.YAMLError, ValueError, ArithmeticError) as error:
            detail = f"This is not plain YAML: {_yaml_reason(error)}. Correct it."
            raise Unreadable("invalid-yaml", detail) from error

    def _count(self, text: str) -> None:
        self._slow += len(text)
        if self._slow > MAX_SLOW_CHARACTERS:
            raise Unreadable(
                "too-long",
                f"Files of YAML or of JSON with comments may have {MAX_SLOW_CHARACTERS} characters"
                " together. Send plain JSON, without comments and trailing commas.",
            )


def _object_of(members: Iterable[tuple[str, t.Any]]) -> Json:
    pairs = [*members]
    value = dict(pairs)
    if len(value) < len(pairs):
        twice = _first_twice(name for name, _ in pairs)
        raise Unreadable(
            "duplicate-field", f"The field {quote(str(twice))} is there twice. Remove one of them."
        )
    return value


def _first_twice(names: Iterable[str]) -> str | None:
    seen: set[str] = set()
    for name in names:
        if name in seen:
            return name
        seen.add(name)
    return None


class _PlainLoader(yaml.SafeLoader):
    """Safe loading without aliases, which grow without bound, tags and doubled keys."""

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        event = self.peek_event()  # type: ignore[no-untyped-call]
        if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None):
            raise Unreadable(
                "yaml-alias",
                f"Line {event.start_mark.line + 1} uses an anchor or an alias."
                " Write the value out where it is used.",
            )
        if getattr(event, "tag", None):
            raise Unreadable(
                "yaml-tag",
                f"Line {event.start_mark.line + 1} uses the tag {quote(str(event.tag))}."
                " Write plain texts, numbers, lists and mappings.",
            )
        return super().compose_node(parent, index)

    def construct_mapping(
        self, node: yaml.MappingNode, deep: bool = False
    ) -> dict[Hashable, t.Any]:
        keys = (key.value for key, _ in node.value if isinstance(key, yaml.ScalarNode))
        twice = _first_twice(keys)
        if twice is not None:
            raise Unreadable(
                "duplicate-field",
                f"The field {quote(twice)} is there twice in the mapping of line"
                f" {node.start_mark.line + 1}. Remove one of them.",
            )
        return super().construct_mapping(node, deep=deep)


def _first_line(error: Exception) -> str:
    lines = str(error).splitlines() or ["it cannot be read"]
    return lines[0].replace("<string>:", "line ", 1).strip()[:200].rstrip(".")


def _yaml_reason(error: Exception) -> str:
    mark = getattr(error, "problem_mark", None)
    if mark is None:
        return _first_line(error)
    return f"line {mark.line + 1}, column {mark.column + 1}: {str(error.problem)[:200]}"  # type: ignore[attr-defined]


def find_file_problems(files: object) -> list[Problem]:
    """Return what is wrong with *files* before any of them is read."""
    if not isinstance(files, Mapping) or not files:
        detail = "The files must be an object of names and texts, and there must be one at least."
        return [Problem("/files", "wrong-type", detail)]
    if len(files) > MAX_FILES:
        detail = f"There are {len(files)} files; at most {MAX_FILES} are allowed."
        return [Problem("/files", "too-many", detail)]
    for name, text in files.items():
        if not isinstance(text, str):
            detail = f"The file {quote(str(name))} must be text, not {kind_of(text)}."
            return [Problem(Place(str(name)).full, "wrong-type", detail)]
    if sum(map(len, files.values())) > MAX_CHARACTERS:
        detail = f"The files have more than {MAX_CHARACTERS} characters together."
        return [Problem("/files", "too-long", detail)]
    return []
