"""Imports files of any format, and definitions of CrewAI."""

from __future__ import annotations

import json
import typing as t
from collections.abc import Callable
from collections.abc import Mapping

from ...errors import InvalidGraph
from ...errors import MAX_PROBLEMS
from ...errors import Note
from ...errors import Problem
from ..graph import Graph
from ..hints import find_hint
from ..json_values import find_json_problems
from ..permissions import Permissions
from ..problem_messages import listing
from ..problem_messages import quote
from ..problem_messages import suggestion
from ..validation import parse
from .classic import read_classic
from .crewai import read_crewai
from .crewai_studio import read_studio
from .draft import Draft
from .files import Files
from .files import find_file_problems
from .import_result import Imported
from .import_result import Json
from .import_result import Options
from .import_result import Place
from .langflow import read_langflow
from .name_mapping import Names
from .reactflow import read_reactflow
from .sentences import in_words_of_files
from .sentences import with_hint

_READERS: t.Final[Mapping[str, Callable[[Files, Options, Names, Draft], None]]] = {
    "crewai": read_crewai,
    "crewai-yaml": read_classic,
    "reactflow": read_reactflow,
    "crewai-studio": read_studio,
    "langflow": read_langflow,
}
FORMATS: t.Final = tuple(_READERS)
_NO_OPTIONS: t.Final = Options()
_SAME_NAMES: t.Final = Names()
_DEFINITION: t.Final = "crew.jsonc"


class Definition(t.Protocol):
    """The methods used of CrewAI's ``CrewDefinition``."""

    def model_dump(self) -> dict[str, t.Any]:
        """Return the members of the definition."""


def import_files(
    format: str,
    files: Mapping[str, str],
    options: Options = _NO_OPTIONS,
    names: Names = _SAME_NAMES,
    check: Callable[[object], Graph] = parse,
) -> Imported:
    """Return the graph document of *files*, and notes about what is left out.

    Nothing is read from disk, imported or requested over the network.

    :param format: one of :data:`FORMATS`.
    :param files: the texts of the files by name, such as ``agents/writer.jsonc``.
    :param check: raises :class:`InvalidGraph` for an invalid document.
    :raises InvalidGraph: with all problems; pointers lead into ``{"files": {…}}``.
    """
    if format not in _READERS:
        detail = f"There is no format {quote(format)}. Available: {listing(FORMATS)}."
        hint = f"{suggestion(format, FORMATS)}The formats are {listing(FORMATS)}."
        raise _invalid_files([Problem("/format", "unknown-format", detail, hint)])
    if file_problems := find_file_problems(files):
        raise _invalid_files([with_hint(problem) for problem in file_problems])
    draft = Draft({}, Place(""))
    sources = Files(files, draft.problems)
    _READERS[format](sources, options, names, draft)
    if not draft.broken:
        _note_unread(sources, draft)
    problems = [with_hint(problem) for problem in draft.problems[: MAX_PROBLEMS + 1]]
    if not draft.broken:
        problems += _find_problems(draft, names, check)
    if problems:
        raise _invalid_files(problems, draft.notes)
    return Imported(draft.document, draft.notes)


def import_definition(
    definition: Mapping[str, t.Any] | Definition,
    options: Options = _NO_OPTIONS,
    names: Names = _SAME_NAMES,
    check: Callable[[object], Graph] = parse,
) -> Imported:
    """Return the graph document of CrewAI's ``CrewDefinition``, or of its dump.

    As in CrewAI, members that are None are ignored.

    :raises InvalidGraph: with all problems; pointers start with ``/files/crew.jsonc``.
    """
    dumped = definition if isinstance(definition, Mapping) else definition.model_dump()
    members = {**dumped}
    if problems := find_json_problems(members, Place(_DEFINITION).full):
        raise _invalid_files(problems)
    files = {_DEFINITION: json.dumps(_without_none(members))}
    return import_files("crewai", files, options, names, check)


def _without_none(value: t.Any) -> t.Any:
    match value:
        case dict():
            members: Json = value
            return {key: _without_none(at) for key, at in members.items() if at is not None}
        case list():
            return [_without_none(item) for item in value]
        case _:
            return value


def _find_problems(draft: Draft, names: Names, check: Callable[[object], Graph]) -> list[Problem]:
    try:
        check(draft.document)
    except InvalidGraph as error:
        known = Permissions(
            names.known_tools,
            names.known_models or (),
            names.known_guardrails,
            names.known_predicates,
        )
        document, is_drawing = draft.document, draft.complete is not None
        return [
            draft.located(
                with_hint(problem._replace(hint=find_hint(problem, document, known)))
                if is_drawing
                else in_words_of_files(problem, document, known)
            )
            for problem in error.problems
        ]
    return []


def _note_unread(files: Files, draft: Draft) -> None:
    for name in files.unread():
        if name.endswith(".py"):
            continue  # modules are read where the crew needs them
        detail = "Nothing refers to this file, so it is left out."
        draft.add_note(Place(name), "unused-file", detail, "info")


def _invalid_files(problems: list[Problem], notes: tuple[Note, ...] = ()) -> InvalidGraph:
    count = len(problems)
    more = f"more than {MAX_PROBLEMS} problems" if count > MAX_PROBLEMS else f"{count} problems"
    counted = "1 problem" if count == 1 else more
    return InvalidGraph(f"The files have {counted}: {problems[0].detail}", problems, notes)
