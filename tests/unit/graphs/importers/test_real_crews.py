"""Crews as people have them come in whole, and go out and in again."""

from __future__ import annotations

import pytest

from flask_crewexec.graphs import parse
from flask_crewexec.graphs import Permissions
from flask_crewexec.graphs import validate
from flask_crewexec.graphs.exporters import export_crewai
from flask_crewexec.graphs.importers import import_files
from flask_crewexec.graphs.importers import Imported
from flask_crewexec.graphs.importers import Names
from flask_crewexec.graphs.importers import Options
from support.graphs.foreign_crews import meaning
from support.graphs.real_crews import NAMES
from support.graphs.real_crews import real_crew
from support.graphs.real_crews import told

TOOLS = {"count_words", "say", "write_note"}
MODELS = {"default": {"gpt-4o-mini", "openai/gpt-4o-mini"}, "streaming": set()}
RULES = {"no_urls"}
PREDICATES = {"is_long"}
MAPPINGS = ("tools", "models", "guardrails", "predicates", "schemas")


def names(**mappings):
    return Names(
        **mappings,
        known_tools=TOOLS,
        known_models=MODELS,
        known_guardrails=RULES,
        known_predicates=PREDICATES,
    )


def check(document):
    return validate(document, Permissions(TOOLS, MODELS, RULES, PREDICATES))


def imported(crew) -> Imported:
    options = dict(crew.options)
    mappings = {name: options.pop(name, {}) for name in MAPPINGS}
    for name in ("order", "tasks"):
        options[name] = tuple(options.get(name, ()))
    return import_files(crew.format, crew.files, Options(**options), names(**mappings), check)


def test_there_are_forty_crews_and_more():
    assert len(NAMES) >= 40


@pytest.mark.parametrize("name", NAMES)
def test_come_in_with_what_they_say(name):
    crew = real_crew(name)
    found = imported(crew)
    assert told(parse(found.document)) == crew.case["graph"]
    notes = [f"{note.severity} {note.code} {note.file}{note.pointer}" for note in found.notes]
    assert notes == crew.case["notes"]
    unguarded = any(note.severity == "unguarded" for note in found.notes)
    assert unguarded == crew.case.get("accept", False)


@pytest.mark.parametrize("name", NAMES)
def test_go_out_and_in_again(name):
    original = imported(real_crew(name)).document
    exported = export_crewai(original)
    returned = import_files("crewai", exported.files, names=names(), check=check)
    assert meaning(returned.document) == meaning(original)
    assert returned.notes == ()
    assert export_crewai(returned.document).files == exported.files
