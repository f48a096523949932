"""The same crews in every format."""

from __future__ import annotations

import pytest

from flask_crewexec.graphs import Permissions
from flask_crewexec.graphs import validate
from flask_crewexec.graphs.exporters import export_crewai
from flask_crewexec.graphs.importers import FORMATS
from flask_crewexec.graphs.importers import import_files
from flask_crewexec.graphs.importers import Names
from flask_crewexec.graphs.importers import Options
from support.graphs.crew_fixtures import CREWS
from support.graphs.crew_fixtures import differing
from support.graphs.crew_fixtures import document_of
from support.graphs.crew_fixtures import files_of
from support.graphs.crew_fixtures import MODELS
from support.graphs.crew_fixtures import options_of
from support.graphs.crew_fixtures import PLACES

TOOLS = {"count_words", "say"}
NAMES = Names(models=MODELS, known_tools=TOOLS, known_models={"default": (), "streaming": ()})

CANNOT_SAY = {
    # Its tasks have no names, and each reads all before it; where an agent manages they are
    # given to nobody. Its agents have no 'max_iter'.
    "langflow": {
        **{crew: {"tasks' names"} for crew in CREWS},
        "book": {"tasks' names", "context"},
        "diamond": {"tasks' names", "context"},
        "help_desk": {"tasks' names", "max_iter"},
        "market": {"tasks' names", "context"},
        "newsroom": {"tasks' names", "tasks' agents"},
    },
    # Its tasks have no tools and cannot say that they read nothing; models have no 'max_tokens',
    # and that of the manager has no temperature either.
    "crewai-studio": {
        "board": {"manager"},
        "debate": {"max_tokens"},
        "market": {"context"},
        "orders": {"tasks' tools"},
    },
    # The model of the manager is an option here, a name.
    "crewai-yaml": {"board": {"manager"}},
}
NOTES = {"langflow": [("/data/nodes", "code-left-out")]}


def check(document):
    return validate(document, Permissions(TOOLS, MODELS.values()))


def read(crew, format):
    options = Options(**options_of(crew, format))
    return import_files(format, files_of(crew, format), options, NAMES, check)


def test_there_are_ten_crews_and_more_in_every_format():
    assert len(CREWS) >= 10
    assert PLACES.keys() == {*FORMATS}


@pytest.mark.parametrize("crew", CREWS)
@pytest.mark.parametrize("format", FORMATS)
def test_a_crew_is_the_same_in_every_format(crew, format):
    found = read(crew, format)
    lost = CANNOT_SAY.get(format, {}).get(crew, set())
    assert differing(document_of(crew), found.document) == lost
    assert [(note.pointer, note.code) for note in found.notes] == NOTES.get(format, [])


@pytest.mark.parametrize("crew", CREWS)
def test_no_two_crews_are_the_same(crew):
    document = document_of(crew)
    assert check(document).name == document["name"]
    others = [document_of(other) for other in CREWS if other != crew]
    assert all(differing(document, other) - {"name"} for other in others)


@pytest.mark.parametrize("crew", CREWS)
def test_nothing_is_lost_on_the_way_to_crewai_and_back(crew):
    for document in (document_of(crew), read(crew, "crewai").document):
        exported = export_crewai(document)
        returned = import_files("crewai", exported.files, names=NAMES, check=check)
        assert differing(document, returned.document) == set()
        assert returned.notes == ()
        assert export_crewai(returned.document).files == exported.files
