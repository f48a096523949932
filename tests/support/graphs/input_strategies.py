"""Declarations of inputs made up by hypothesis, and values that nearly fit them."""

from __future__ import annotations

import typing as t

from hypothesis import strategies as st

Json = dict[str, t.Any]

STORAGES = ("uploads", "reports")

_letters = st.characters(exclude_categories=["Cs"], exclude_characters="\0")
_texts = st.text(_letters, max_size=6)
_numbers = st.integers(-20, 20) | st.sampled_from([0.5, 1.0, -3.0, 1e300])
references = st.sampled_from(
    [
        *("uploads:a", "reports:report-3.txt", "reports:A_1..b", f"uploads:{'x' * 200}"),
        *("uploads:", "uploads:.a", "uploads:a\n", "uploads:a/b", "uploads:é", "other:a", "a"),
        *("Uploads:a", " uploads:a", "uploads:a:b", "https://uploads/a", f"uploads:{'x' * 201}"),
    ]
)
values = st.recursive(
    st.none() | st.booleans() | _numbers | _texts | references,
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(_texts, inner, max_size=2),
    max_leaves=4,
)
names = st.from_regex(r"[A-Za-z_][A-Za-z0-9_-]{0,3}", fullmatch=True)


@st.composite
def declarations(draw: st.DrawFn) -> Json:
    """One declaration without a problem."""
    type = draw(st.sampled_from(list(_FIELDS)))
    made: Json = {} if type is None else {"type": type}
    made |= draw(_FIELDS[type])
    if {"minimum", "maximum"} <= made.keys() and made["minimum"] > made["maximum"]:
        made["minimum"], made["maximum"] = made["maximum"], made["minimum"]
    fitting = [item for item in made.get("enum", ()) if _is_within(made, item)]
    if fitting:
        made["enum"] = fitting
    else:
        made.pop("enum", None)
    made |= draw(st.fixed_dictionaries({}, optional={"description": _texts}))
    return draw(_needed(made, type))


@st.composite
def _needed(draw: st.DrawFn, made: Json, type: str | None) -> Json:
    defaults = _defaults(made, type)
    if len(defaults) > 0 and draw(st.booleans()):
        return {**made, "default": draw(st.sampled_from(defaults))}
    return {**made, **draw(st.fixed_dictionaries({}, optional={"required": st.booleans()}))}


def _defaults(made: Json, type: str | None) -> list[t.Any]:
    """Some values that fit."""
    if "enum" in made:
        return [*made["enum"]]
    simple: dict[str | None, list[t.Any]] = {
        None: [0, "", [None]],
        "string": [""],
        "number": [made.get("minimum", made.get("maximum", 0.5))],
        "integer": [],
        "boolean": [False],
        "array": [[]],
        "object": [{"a": None}],
        "file": ["uploads:template"],
    }
    return simple[type]


def _is_within(made: Json, item: t.Any) -> bool:
    if isinstance(item, str):
        return len(item) <= int(made.get("max_length", 10))
    return bool(made.get("minimum", item) <= item <= made.get("maximum", item))


_RANGE = {"minimum": _numbers.filter(lambda n: abs(n) <= 10**15)}
_RANGE["maximum"] = _RANGE["minimum"]
_FIELDS: dict[str | None, st.SearchStrategy[Json]] = {
    "string": st.fixed_dictionaries(
        {}, optional={"max_length": st.integers(1, 6), "enum": st.lists(_texts, min_size=1)}
    ),
    "number": st.fixed_dictionaries(
        {}, optional={**_RANGE, "enum": st.lists(_numbers, min_size=1, max_size=4)}
    ),
    "integer": st.fixed_dictionaries(
        {}, optional={**_RANGE, "enum": st.lists(st.integers(-9, 9), min_size=1, max_size=4)}
    ),
    **{type: st.just({}) for type in (None, "boolean", "array", "object", "file")},
}


@st.composite
def declared_inputs(draw: st.DrawFn) -> tuple[Json, Json]:
    """The member ``inputs`` of a graph, and inputs that may or may not fit it."""
    declared = draw(st.dictionaries(names, declarations(), min_size=1, max_size=3))
    given: Json = {}
    for name, said in declared.items():
        if draw(st.integers(0, 4)):
            likely = st.sampled_from(said["enum"]) if "enum" in said else _likely(said)
            given[name] = draw(likely | values)
    if not draw(st.integers(0, 5)):
        given[draw(_texts)] = draw(values)
    return declared, given


def _likely(said: Json) -> st.SearchStrategy[t.Any]:
    likely: dict[str | None, st.SearchStrategy[t.Any]] = {
        "string": _texts,
        "number": _numbers,
        "integer": _numbers,
        "boolean": st.booleans(),
        "array": st.lists(values, max_size=2),
        "object": st.dictionaries(_texts, values, max_size=2),
        "file": references,
    }
    return likely.get(said.get("type"), values)
