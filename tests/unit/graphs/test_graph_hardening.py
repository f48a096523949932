"""What no graph may bring, at every place of a document and of every format of imports.

Each case fails without the fence that it names.
"""

from __future__ import annotations

import copy
import itertools
import json
import typing as t
from collections.abc import Mapping

import json5
import pytest
import yaml

from flask_crewexec.errors import InvalidGraph
from flask_crewexec.errors import MAX_PROBLEMS
from flask_crewexec.errors import Problem
from flask_crewexec.graphs import find_hint
from flask_crewexec.graphs import parse
from flask_crewexec.graphs import Permissions
from flask_crewexec.graphs import reactflow
from flask_crewexec.graphs import validate
from flask_crewexec.graphs.exporters import export_crewai
from flask_crewexec.graphs.importers import FORMATS
from flask_crewexec.graphs.importers import import_files
from flask_crewexec.graphs.importers import Imported
from flask_crewexec.graphs.importers import Names
from support.counted_calls import count_calls
from support.graphs.builders import agent
from support.graphs.builders import document
from support.graphs.builders import llm
from support.graphs.builders import task
from support.graphs.builders import tool
from support.graphs.crew_fixtures import files_of
from support.graphs.crew_fixtures import MODELS
from support.graphs.foreign_crews import crew_problems
from support.graphs.foreign_crews import small

Json = dict[str, t.Any]

CANARY = "canary"
TOOLS = ("count_words", "say")
PERMISSIONS = Permissions(TOOLS, MODELS.values())
NAMES = Names(
    models=MODELS,
    known_tools=TOOLS,
    known_models={"default": (), "streaming": ()},
)

ANYWHERE: Json = {
    "python": "os.system",
    "tool_type": "os:system",
    "code": "raise SystemExit",
    "script": "rm -rf /",
    "command": "sh",
    "base_url": "http://169.254.169.254",
    "api_base": "http://10.0.0.1",
    "azure_endpoint": "http://10.0.0.1",
    "endpoint": "http://10.0.0.1",
    "url": "file:///etc/passwd",
    "api_key": "sk-mine",
}
_BOTH: Json = {
    "checkpoint": True,
    "config": {"mcps": ["x"]},
    "knowledge_sources": [{"file_paths": ["/etc/passwd"]}],
    "skills": ["../../etc"],
    "step_callback": "os.system",
}
AGENT: Json = {
    **_BOTH,
    "a2a": {"host": "10.0.0.1"},
    "agent_executor": "x",
    "allow_code_execution": True,
    "apps": ["gmail"],
    "callbacks": ["os.system"],
    "executor_class": "my.Executor",
    "from_repository": "researcher",
    "mcps": ["https://inner.example/mcp"],
    "type": "my.agents.Agent",
}
TASK: Json = {
    "callback": "os.system",
    "config": {"output_file": "x"},
    "converter_cls": "my.Converter",
    "input_files": {"brief": "/etc/passwd"},
    "output_file": "/etc/cron.d/x",
    "output_pydantic": "my.models.Report",
    "type": "my.tasks.Task",
}
CREW: Json = {
    **_BOTH,
    "after_kickoff_callbacks": ["os.system"],
    "before_kickoff_callbacks": ["os.system"],
    "output_log_file": "run.log",
    "prompt_file": "/etc/passwd",
    "task_callback": "os.system",
    "trained_agents_file": "x.pkl",
}
NEVER = {**ANYWHERE, **AGENT, **TASK, **CREW}
"""Every entry, wherever CrewAI would take it."""


class Place(t.NamedTuple):
    """Somewhere in the files of a crew where fields can be written."""

    format: str
    crew: str
    file: str
    path: tuple[str | int, ...]
    kind: Mapping[str, object] = {}
    suffix: tuple[str, ...] = ()
    """What a format wraps a value in, such as ``("value",)``."""

    @property
    def pointer(self) -> str:
        steps = [self.file.replace("/", "~1"), *map(str, self.path)]
        return "/files/" + "/".join(steps)


_FORM = ("data", "node", "template")
PLACES = {
    "crewai crew": Place("crewai", "haiku", "crew.jsonc", (), CREW),
    "crewai task": Place("crewai", "haiku", "crew.jsonc", ("tasks", 0), TASK),
    "crewai agent": Place("crewai", "haiku", "agents/poet.jsonc", (), AGENT),
    "crewai settings": Place("crewai", "haiku", "agents/poet.jsonc", ("settings",), AGENT),
    "crewai model": Place("crewai", "debate", "agents/sceptic.jsonc", ("llm",)),
    "crewai manager's model": Place("crewai", "board", "crew.jsonc", ("manager_llm",)),
    "crewai manager": Place("crewai", "newsroom", "agents/chief.jsonc", (), AGENT),
    "yaml agent": Place("crewai-yaml", "haiku", "agents.yaml", ("poet",), AGENT),
    "yaml task": Place("crewai-yaml", "haiku", "tasks.yaml", ("write",), TASK),
    "yaml model": Place("crewai-yaml", "debate", "agents.yaml", ("sceptic", "llm")),
    "studio crew": Place("crewai-studio", "orders", "studio.json", (), CREW),
    "studio agent": Place("crewai-studio", "orders", "studio.json", ("agents", 0), AGENT),
    "studio task": Place("crewai-studio", "orders", "studio.json", ("tasks", 0), TASK),
    "studio tool": Place("crewai-studio", "orders", "studio.json", ("tools", 0)),
    "studio settings": Place("crewai-studio", "orders", "studio.json", ("tools", 0, "parameters")),
    "langflow crew": Place(
        "langflow", "debate", "langflow.json", ("data", "nodes", 0, *_FORM), CREW, ("value",)
    ),
    "langflow agent": Place(
        "langflow", "debate", "langflow.json", ("data", "nodes", 1, *_FORM), AGENT, ("value",)
    ),
    "langflow task": Place(
        "langflow", "debate", "langflow.json", ("data", "nodes", 3, *_FORM), TASK, ("value",)
    ),
    "langflow model": Place(
        "langflow", "debate", "langflow.json", ("data", "nodes", 5, *_FORM), {}, ("value",)
    ),
}


def read(text: str, file: str) -> t.Any:
    readers: dict[str, t.Any] = {"json": json.loads, "jsonc": json5.loads, "yaml": yaml.safe_load}
    return readers[file.rpartition(".")[2]](text)


def with_field(place: Place, name: str, value: object) -> dict[str, str]:
    """Return the files of a crew with a field more at a place."""
    files = files_of(place.crew, place.format)
    top = read(files[place.file], place.file)
    at = top
    for step in place.path:
        at = at.setdefault(step, {}) if isinstance(at, dict) else at[step]
    for step in reversed(place.suffix):
        value = {step: value}
    at[name] = value
    return {**files, place.file: json.dumps(top)}


def imported(place: Place, name: str, value: object) -> Imported:
    return import_files(place.format, with_field(place, name, value), names=NAMES)


def is_noted(found: Imported, pointer: str) -> bool:
    """Whether a note names this place, what is in it, or what it is in."""
    places = [f"/files/{note.file.replace('/', '~1')}{note.pointer}" for note in found.notes]
    return any(f"{at}/".startswith(f"{pointer}/") or pointer.startswith(at) for at in places)


def cases():
    for title, place in PLACES.items():
        for name, value in {**ANYWHERE, **place.kind}.items():
            if place.format == "langflow" and name in ("code", "config"):
                continue  # the components' source is left out; there is no such form
            yield pytest.param(place, name, value, id=f"{title}-{name}")


@pytest.mark.parametrize(("place", "name", "value"), [*cases()])
def test_of_imports(place, name, value):
    found = imported(place, name, value)
    assert is_noted(found, "/".join((place.pointer, name, *place.suffix)))
    plain = import_files(place.format, files_of(place.crew, place.format), names=NAMES)
    is_replaced = name == "python" and not place.kind  # a model in code
    assert is_replaced or found.document == plain.document


@pytest.mark.parametrize("place", PLACES.values(), ids=PLACES)
@pytest.mark.parametrize("name", ANYWHERE)
def test_of_imports_inside_of_what_is_left_out(place, name):
    found = imported(place, "zz", {"deep": [{"er": {name: CANARY}}]})
    assert is_noted(found, "/".join((place.pointer, "zz", *place.suffix)))
    assert CANARY not in repr(found)


@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize("tool", ["os:system", "custom:look", "crewai_tools:FileReadTool"])
def test_of_tools_that_name_code(format, tool):
    texts = {}
    for name, text in files_of("orders", format).items():
        texts[name] = text.replace("CountWords", tool).replace("count_words", tool)
    with pytest.raises(InvalidGraph) as caught:
        import_files(format, texts, names=NAMES, check=check)
    assert {problem.code for problem in caught.value.problems} == {"unknown-tool"}


def check(document):
    return validate(document, PERMISSIONS)


def full() -> Json:
    """A document with every type of node; nodes: agent, task, tool, model."""
    nodes = [agent("a"), task("t"), tool("s", "say"), llm("m", "default")]
    return document(nodes, "a t", "s a", "m a")


INSIDE = {
    "document": (lambda d: d, ""),
    "node": (lambda d: d["nodes"][0], "/nodes/0"),
    "edge": (lambda d: d["edges"][0], "/edges/0"),
    "agent": (lambda d: d["nodes"][0]["data"], "/nodes/0/data"),
    "task": (lambda d: d["nodes"][1]["data"], "/nodes/1/data"),
    "tool": (lambda d: d["nodes"][2]["data"], "/nodes/2/data"),
    "model": (lambda d: d["nodes"][3]["data"], "/nodes/3/data"),
}
MEANT = {"node": {"type"}, "edge": {"type"}}
"""Names that say something harmless there."""


@pytest.mark.parametrize("part", INSIDE)
@pytest.mark.parametrize("name", NEVER)
def test_of_documents(part, name):
    if name in MEANT.get(part, ()):
        name = f"{name} "
    bad = full()
    find, pointer = INSIDE[part]
    find(bad)[name] = NEVER[name.strip()]
    (problem,) = problems_of(bad)
    assert problem[:2] == (f"{pointer}/{name}", "unknown-field")
    assert "The fields are" in find_hint(problem, bad, PERMISSIONS)


@pytest.mark.parametrize("name", ["os:system", "custom:say", "os.system", "Say", "../say", "say\n"])
@pytest.mark.parametrize(("node", "kind"), [(2, "tool"), (3, "model")])
def test_of_unregistered_names(node, kind, name):
    bad = full()
    bad["nodes"][node]["data"]["name"] = name
    (problem,) = problems_of(bad)
    assert problem[:2] == (f"/nodes/{node}/data/name", f"unknown-{kind}")
    assert '"default"' in problem.detail or '"say"' in problem.detail


@pytest.mark.parametrize("field", sorted(reactflow.NODE_FIELDS | reactflow.EDGE_FIELDS))
def test_what_editors_write_for_themselves_goes_no_further(field):
    drawn = full()
    known = {"nodes": reactflow.NODE_FIELDS, "edges": reactflow.EDGE_FIELDS}
    for part in (name for name, fields in known.items() if field in fields):
        drawn[part][0][field] = {"python": CANARY, "mcps": [CANARY], "base_url": CANARY}
    assert CANARY not in repr(check(drawn))
    assert CANARY not in "".join(export_crewai(drawn).files.values())


@pytest.mark.parametrize(
    "text",
    [
        "!!python/object/apply:os.system [id]",
        "!!python/name:os.system",
        "!!binary Y29zCnN5c3RlbQo=",
        "!<tag:yaml.org,2002:python/module:os> ''",
        "!include /etc/passwd",
    ],
)
def test_of_yaml_that_makes_objects(text):
    files = files_of("haiku", "crewai-yaml")
    agents = files["agents.yaml"].replace("role: Poet", f"role: {text}")
    assert agents != files["agents.yaml"]
    with pytest.raises(InvalidGraph) as caught:
        import_files("crewai-yaml", {**files, "agents.yaml": agents})
    (problem,) = caught.value.problems
    assert problem[:2] == ("/files/agents.yaml", "yaml-tag")


def test_of_yaml_that_grows():
    lines = ["a0: &a0 [x, x]", *(f"a{n}: &a{n} [*a{n - 1}, *a{n - 1}]" for n in range(1, 40))]
    files = {**files_of("haiku", "crewai-yaml"), "agents.yaml": "\n".join(lines)}
    with pytest.raises(InvalidGraph) as caught:
        import_files("crewai-yaml", files)
    assert [problem.code for problem in caught.value.problems] == ["yaml-alias"]


ODD = [
    "{x.__class__}",
    "{x.__init__.__globals__}",
    "{x[0]}",
    "{x!r}",
    "{x:>1000000000}",
    "{0}",
    "{}",
    "{{x}}",
    "{x y}",
    "${x}",
    "%(x)s",
    "{{ x.__class__ }}",
    "{% import os %}",
]


@pytest.mark.parametrize("text", ODD)
def test_placeholders_reach_no_objects(text):
    graph = parse(document([agent("a", goal=f"{text} {{y}}"), task("t")], "a t"))
    plain = text in ("{{x}}", "${x}")  # in which CrewAI sees the input "x"
    assert graph.inputs == (("x", "y") if plain else ("y",))


LIMITS: dict[str, t.Any] = {
    "nodes": (lambda d, n: d.update(nodes=crowd(n), edges=[]), 200, "/nodes", "too-many"),
    "edges": (lambda d, n: d.update(edges=[d["edges"][0]] * n), 1000, "/edges", "too-many"),
    "name": (lambda d, n: d.update(name="x" * n), 200, "/name", "too-long"),
    "description": (lambda d, n: d.update(description="x" * n), 20_000, "/description", "too-long"),
    "id": (lambda d, n: rename(d, "x" * n), 100, "/nodes/0/id", "invalid-id"),
    **{
        f"{part} {field}": (
            lambda d, n, part=part, field=field: INSIDE[part][0](d).update({field: "x" * n}),
            limit,
            f"{INSIDE[part][1]}/{field}",
            "too-long",
        )
        for part, fields in {
            "agent": {"role": 200, "goal": 20_000, "backstory": 20_000},
            "task": {"name": 200, "description": 20_000, "expected_output": 20_000},
            "tool": {"name": 200},
            "model": {"name": 200},
            "edge": {"id": 1000, "type": 100},
        }.items()
        for field, limit in fields.items()
    },
    "max_iter": (lambda d, n: d["nodes"][0]["data"].update(max_iter=n), 100, "", "out-of-range"),
    "max_tokens": (
        lambda d, n: d["nodes"][3]["data"].update(max_tokens=n),
        1_000_000,
        "",
        "out-of-range",
    ),
    "temperature": (
        lambda d, n: d["nodes"][3]["data"].update(temperature=n),
        2,
        "/nodes/3/data/temperature",
        "out-of-range",
    ),
    "depth": (lambda d, n: d["edges"][0].update(data=nested(n - 3)), 100, None, "too-deep"),
}


def crowd(count: int) -> list[Json]:
    return [agent(f"a{n}") for n in range(count)]


def rename(document: Json, id: str) -> None:
    document["nodes"][0]["id"] = id


def nested(levels: int) -> object:
    value: object = 0
    for _ in range(levels):
        value = [value]
    return value


@pytest.mark.parametrize("limit", LIMITS)
def test_sizes_counts_and_depths_of_documents(limit):
    put, most, pointer, code = LIMITS[limit]
    allowed, refused = full(), full()
    put(allowed, most)
    put(refused, most + 1)
    assert code not in [problem.code for problem in problems_of(allowed)]
    found = [problem for problem in problems_of(refused) if problem.code == code]
    assert len(found) == 1
    assert pointer is None or found[0].pointer.startswith(pointer)
    assert find_hint(found[0], refused, PERMISSIONS)


def wide(count: int) -> Json:
    """A whole document with so many values within a field that is ignored."""
    return {**full(), "viewport": [[] for _ in range(count)]}


def entangled() -> Json:
    """As many tasks as allowed, each waiting for the one before it and the one after it."""
    ids = [f"t{n}" for n in range(199)]
    pairs = [*itertools.pairwise(ids)]
    edges = [{"source": a, "target": b} for one in pairs for a, b in (one, one[::-1])]
    return {**full(), "nodes": [agent("a"), *(task(id) for id in ids)], "edges": edges}


def doubling() -> Json:
    """As many tasks as allowed, with schemas whose references would double the work 250 times."""
    names = [f"d{n}" for n in range(8)]
    last: Json = {"type": "string"}
    defs = {a: {"anyOf": [{"$ref": f"#/$defs/{b}"}] * 2} for a, b in itertools.pairwise(names)}
    schema = {"type": "object", "$ref": "#/$defs/d0", "$defs": {**defs, names[-1]: last}}
    nodes = [agent("a"), *(task(f"t{n}") for n in range(199))]
    for node in nodes[1:]:
        node["data"]["output_schema"] = schema
    return {**full(), "nodes": nodes, "edges": []}


@pytest.mark.parametrize(
    "document",
    [wide(340_000), wide(119_000), entangled(), doubling()],
    ids=["too many values", "many values", "cycles", "references"],
)
def test_the_work_for_a_document_is_bounded(document):
    assert count_calls(lambda: problems_of(document)) < 500_000


@pytest.mark.parametrize("number", [1e400, float("nan"), 10**400, -(10**400)])
def test_of_numbers_that_no_database_stores(number):
    bad = full()
    bad["nodes"][0]["position"] = {"x": number}
    assert [problem[:2] for problem in problems_of(bad)] == [("/nodes/0/position/x", "not-json")]


def test_there_is_an_end_to_problems():
    bad = {**full(), **{f"x{n}": 1 for n in range(5000)}}
    assert len(problems_of(bad)) == MAX_PROBLEMS + 1


def files_with(**sizes: int) -> dict[str, str]:
    count, size = sizes.get("count", 1), sizes.get("size", 2)
    return {"x.json": "{}".ljust(size), **{f"{n}.json": "" for n in range(count - 1)}}


@pytest.mark.parametrize(
    ("files", "code"),
    [
        (files_with(count=201), "too-many"),
        (files_with(size=1_000_001), "too-long"),
        ({"a.yaml": "a: b # ".ljust(100_001, "x"), "tasks.yaml": ""}, "too-long"),
        ({"x.json": "[" * 100_000}, "too-deep"),
    ],
)
def test_sizes_counts_and_depths_of_files(files, code):
    format = "crewai-yaml" if "a.yaml" in files else "reactflow"
    files = {name.replace("a.yaml", "agents.yaml"): text for name, text in files.items()}
    with pytest.raises(InvalidGraph) as caught:
        import_files(format, files)
    assert caught.value.problems[0].code == code


@pytest.mark.parametrize("kind", ["agents", "tasks"])
def test_counts_of_what_is_imported(kind):
    crew = copy.deepcopy(small())
    if kind == "tasks":
        crew["tasks"] = [{**crew["tasks"][0], "name": f"t{n}"} for n in range(201)]
    else:
        crew["agents"] = {f"a{n}": {**crew["agents"]["ann"], "role": f"R{n}"} for n in range(201)}
    assert (f"/{kind}", "too-many") in crew_problems(crew)


def problems_of(document: object) -> list[Problem]:
    try:
        check(document)
    except InvalidGraph as error:
        return [*error.problems]
    return []
