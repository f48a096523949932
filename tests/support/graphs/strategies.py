"""Documents made up by hypothesis: any JSON, nearly valid graphs, and valid ones."""

from __future__ import annotations

import copy
import typing as t
from collections.abc import Iterator

from hypothesis import strategies as st

from flask_crewexec.graphs.placeholders import find_placeholders
from support.graphs.builders import agent
from support.graphs.builders import document
from support.graphs.builders import llm
from support.graphs.builders import task
from support.graphs.builders import tool
from support.graphs.input_strategies import declarations
from support.graphs.input_strategies import names as input_names

Json = dict[str, t.Any]

TOOLS = ("search", "browse")
MODELS = ("default", "small", "large")
GUARDRAILS = ("polite",)
PREDICATES = ("is_long",)

FIELDS = (
    *("version", "name", "process", "description", "nodes", "edges", "viewport"),
    *("id", "type", "data", "source", "target", "position", "label"),
    *("role", "goal", "backstory", "allow_delegation", "max_iter", "expected_output"),
    *("temperature", "max_tokens", "reasoning", "max_reasoning_attempts", "inject_date"),
    *(
        "on_unknown",
        "approval",
        "decisions",
        "markdown",
        "output_schema",
        "guardrails",
        "guardrail_max_retries",
        "text",
        "async",
    ),
    *("condition", "planning", "planning_model", "properties", "$ref", "$defs", "anyOf"),
    *("inputs", "default", "required", "enum", "max_length", "minimum", "maximum"),
    *("", "a/b", "~1", "~/", "0", "x" * 120),
)
WORDS = (
    *("agent", "task", "tool", "llm", "manager", "context", "assign", "default"),
    *("object", "#/$defs/a", "is_long", "polite"),
    *("sequential", "hierarchical", "search", "small", "a0", "a1", "t0", "t1", "{topic}"),
)

names = st.sampled_from(FIELDS) | st.text(max_size=120)
numbers = st.integers() | st.floats() | st.sampled_from([0, 1, 1.0, 2, 20, 100, 10**400])
scalars = st.none() | st.booleans() | numbers | st.text() | st.sampled_from(WORDS)
json_values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(names, inner, max_size=5),
    max_leaves=20,
)
python_values = st.recursive(
    scalars | st.binary() | st.tuples(scalars) | st.frozensets(st.integers()),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(scalars | st.binary(), inner, max_size=4)
    ),
    max_leaves=10,
)
"""What a caller from Python may pass, too."""

_letters = st.characters(exclude_categories=["Cs"], exclude_characters="\0")
texts = st.text(_letters, min_size=1, max_size=40).filter(str.strip)

schemas = st.fixed_dictionaries(
    {"type": st.just("object")},
    optional={
        "properties": st.dictionaries(
            texts,
            st.sampled_from([{}, True, {"type": "string"}, {"items": {"minimum": 1}}]),
            max_size=3,
        )
    },
)
guardrails = st.fixed_dictionaries({"text": texts}) | st.just({"name": "polite"})


def _role(text: str) -> str:
    return " ".join(text.split()).replace('"', "").casefold()


@st.composite
def valid_documents(draw: st.DrawFn) -> Json:
    """Documents without a problem, where :data:`TOOLS` and :data:`MODELS` are registered."""
    hierarchical = draw(st.booleans())
    agents = draw(_agents())
    tasks = draw(_tasks(1 if hierarchical else len(agents)))
    helpers, edges = draw(_helpers(agents, tasks))
    edges += draw(_contexts(tasks))
    assigned = draw(st.lists(st.sampled_from(agents), min_size=len(tasks), max_size=len(tasks)))
    if hierarchical:
        manager, managing = draw(_management(agents))
        some = draw(st.lists(st.booleans(), min_size=len(tasks), max_size=len(tasks)))
        pairs = zip(assigned, tasks, some, strict=True)
        edges += [*managing, *(f"{a['id']} {t['id']}" for a, t, is_set in pairs if is_set)]
        helpers.append(manager)
    else:
        assigned[: len(agents)] = agents
        edges += [f"{a['id']} {t['id']}" for a, t in zip(assigned, tasks, strict=True)]
    nodes = draw(st.permutations([*agents, *tasks, *helpers]))
    edges = draw(st.permutations(edges))
    more: Json = {"process": "hierarchical" if hierarchical else "sequential"}
    more["planning"] = draw(st.booleans())
    made = document(nodes, *edges, **more, name=draw(texts))
    if draw(st.booleans()):
        made["inputs"] = draw(_inputs(nodes))
    return draw(_decorated(made))


@st.composite
def _inputs(draw: st.DrawFn, nodes: list[Json]) -> Json:
    """Declare some inputs, among them all that texts happen to use."""
    said = draw(st.dictionaries(input_names, declarations(), max_size=2))
    return {**said, **{name: {} for name in find_placeholders(_texts(nodes))}}


def _texts(nodes: list[Json]) -> Iterator[str]:
    for node in nodes:
        yield from (text for text in node["data"].values() if isinstance(text, str))
        yield from (each.get("text", "") for each in node["data"].get("guardrails", ()))


@st.composite
def _agents(draw: st.DrawFn) -> list[Json]:
    roles = draw(st.lists(texts, min_size=1, max_size=4, unique_by=_role))
    data = st.fixed_dictionaries(
        {"goal": texts},
        optional={
            "backstory": st.text(_letters, max_size=40),
            "allow_delegation": st.booleans(),
            "max_iter": st.integers(1, 100),
            "reasoning": st.booleans(),
            "max_reasoning_attempts": st.integers(1, 10),
            "inject_date": st.booleans(),
        },
    )
    return [agent(f"a{at}", **{"role": role, **draw(data)}) for at, role in enumerate(roles)]


@st.composite
def _tasks(draw: st.DrawFn, at_least: int) -> list[Json]:
    count = draw(st.integers(at_least, at_least + 3))
    data = st.fixed_dictionaries(
        {"description": texts, "expected_output": texts},
        optional={
            "markdown": st.booleans(),
            "output_schema": schemas,
            "guardrails": st.lists(guardrails, max_size=3),
            "guardrail_max_retries": st.integers(0, 10),
        },
    )
    made = [task(f"t{at}", **draw(data)) for at in range(count)]
    for at, node in enumerate(made):
        if draw(st.booleans()):
            node["data"]["name"] = f"Task {at} {draw(texts)}"
    return made


@st.composite
def _contexts(draw: st.DrawFn, tasks: list[Json]) -> list[str]:
    order = draw(st.permutations([node["id"] for node in tasks]))
    pairs = [(a, b) for at, b in enumerate(order) for a in order[:at]]
    chosen = draw(st.lists(st.sampled_from(pairs), unique=True)) if pairs else []
    return [f"{a} {b}" for a, b in chosen]


@st.composite
def _helpers(
    draw: st.DrawFn, agents: list[Json], tasks: list[Json]
) -> tuple[list[Json], list[str]]:
    """Tools and models with their edges."""
    nodes: list[Json] = []
    edges: list[str] = []
    for at, name in enumerate(draw(st.lists(st.sampled_from(TOOLS), max_size=3))):
        wanted = draw(
            st.sampled_from(
                [{}, {"on_unknown": "fail"}, {"on_unknown": "repeat"}, {"approval": "always"}]
            )
        )
        nodes.append(tool(f"tool{at}", name, **wanted))
        users = st.lists(st.sampled_from([*agents, *tasks]), min_size=1, unique_by=id)
        edges += [f"tool{at} {user['id']}" for user in draw(users)]
    settings = st.fixed_dictionaries(
        {}, optional={"temperature": st.floats(0, 2), "max_tokens": st.integers(1, 1_000_000)}
    )
    thinkers = draw(st.lists(st.sampled_from(agents), max_size=3, unique_by=id))
    for at, thinker in enumerate(thinkers):
        nodes.append(llm(f"llm{at}", draw(st.sampled_from(MODELS)), **draw(settings)))
        edges.append(f"llm{at} {thinker['id']}")
    return nodes, edges


@st.composite
def _management(draw: st.DrawFn, agents: list[Json]) -> tuple[Json, list[str]]:
    manager = draw(st.sampled_from([agent("boss", role="\N{CROWN} the boss of all"), llm("boss")]))
    managed = draw(st.lists(st.sampled_from(agents), min_size=1, unique_by=id))
    return manager, [f"boss {each['id']} manager" for each in managed]


@st.composite
def _decorated(draw: st.DrawFn, document: Json) -> Json:
    """Add what React Flow writes."""
    for node in document["nodes"]:
        if draw(st.booleans()):
            node["position"] = {"x": draw(st.integers(-999, 999)), "y": 0.5}
    for at, edge in enumerate(document["edges"]):
        if draw(st.booleans()):
            edge["id"] = f"e{at}"
    return document


@st.composite
def broken_documents(draw: st.DrawFn) -> t.Any:
    """Valid documents of which a few places were changed, removed or added."""
    made: t.Any = [copy.deepcopy(draw(valid_documents()))]
    for _ in range(draw(st.integers(1, 4))):
        places = list(_places(made))
        parent, token = draw(st.sampled_from(places))
        action = draw(st.sampled_from(["replace", "remove", "add", "repeat"]))
        if action == "remove" and parent is not made:
            del parent[token]
        elif action == "add" and isinstance(parent[token], dict):
            parent[token][draw(names)] = draw(json_values)
        elif action == "repeat" and isinstance(parent[token], list) and parent[token]:
            parent[token].append(copy.deepcopy(draw(st.sampled_from(parent[token]))))
        else:
            parent[token] = draw(json_values)
    return made[0]


def _places(value: t.Any) -> t.Iterator[tuple[t.Any, t.Any]]:
    """Yield each place within *value* as a container and a key."""
    keys = list(value) if isinstance(value, dict) else range(len(value))
    for key in keys:
        yield value, key
        if isinstance(value[key], dict | list):
            yield from _places(value[key])
