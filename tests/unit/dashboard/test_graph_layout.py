"""Where a graph's tasks and arrows are drawn."""

from __future__ import annotations

import datetime as dt
import itertools
import random
import re
import typing as t

import pytest

from flask_crewexec.dashboard.graph_columns import make_columns
from flask_crewexec.dashboard.graph_layout import draw
from flask_crewexec.dashboard.graph_layout import Drawing
from flask_crewexec.dashboard.graph_places import NORMAL
from flask_crewexec.graphs import parse
from flask_crewexec.models import StepMixin
from flask_crewexec.storage.call_log import CallSpan
from support.graphs import documents


class Step(StepMixin):
    """A row without a table."""

    def __init__(self, node_id: str, status: str, agent: str | None = None) -> None:
        self.node_id = node_id
        self.status = status
        self.agent = agent


def drawing_of(document: documents.Document, *steps: StepMixin) -> Drawing:
    drawing = draw(parse(document), steps)
    assert drawing is not None
    return drawing


def tasks(names: str, *edges: str) -> documents.Document:
    nodes = [documents.agent("w"), *(documents.task(name) for name in names)]
    return documents.crew(nodes, [*(f"w {name}" for name in names), *edges])


def places(drawing: Drawing) -> dict[str, tuple[float, float]]:
    return {box.name: (box.x, box.y) for box in drawing.boxes}


def numbers(path: str) -> list[float]:
    return [float(number) for number in re.findall(r"-?[\d.]+", path)]


def test_a_task_stands_to_the_right_of_what_it_reads() -> None:
    at = places(drawing_of(tasks("abcd", "a b", "a c", "b d", "c d", "a d")))
    assert at["a"][0] < at["b"][0] == at["c"][0] < at["d"][0]
    assert at["b"][1] != at["c"][1]


def test_an_arrow_that_skips_a_column_crosses_no_task() -> None:
    drawing = drawing_of(tasks("abc", "a b", "b c", "a c"))
    (middle,) = (box for box in drawing.boxes if box.name == "b")
    (lane,) = (arrow.path for arrow in drawing.arrows if "h" in arrow.path)
    before, _, _ = lane.partition(" h")
    y = numbers(before)[-1]
    assert not middle.y <= y <= middle.y + NORMAL.height


@pytest.mark.parametrize("seed", range(5))
def test_tasks_never_overlap_and_stay_within_the_picture(seed: int) -> None:
    chance = random.Random(seed)
    names = "abcdefghijklmno"
    pairs = itertools.combinations(names, 2)
    edges = [f"{a} {b}" for a, b in pairs if chance.random() < 0.2]
    drawing = drawing_of(tasks(names, *edges))
    assert len(drawing.boxes) == len(names)
    assert len(drawing.arrows) == len(edges)
    for one, other in itertools.combinations(drawing.boxes, 2):
        apart = abs(one.x - other.x), abs(one.y - other.y)
        assert apart[0] >= drawing.size.width or apart[1] >= drawing.size.height
    for box in drawing.boxes:
        assert 0 <= box.x <= drawing.width - drawing.size.width
        assert 0 <= box.y <= drawing.height - drawing.size.height


def test_tasks_that_read_nothing_stand_in_their_order() -> None:
    drawing = drawing_of(tasks("abc"))
    assert len({y for _, y in places(drawing).values()}) == 1
    assert [arrow.reads for arrow in drawing.arrows] == [False, False]


def test_each_task_shows_the_state_of_its_step() -> None:
    document = tasks("ab", "a b")
    drawing = drawing_of(document, Step("a", "completed", "Queen of tea"), Step("b", "running"))
    assert [(box.status, box.agent) for box in drawing.boxes] == [
        ("completed", "Queen of tea"),
        ("running", "W"),
    ]
    assert [arrow.is_done for arrow in drawing.arrows] == [True]
    assert {box.status for box in drawing_of(document).boxes} == {"pending"}


def test_models_and_tools_are_labels_and_what_does_not_fit_is_counted() -> None:
    names = [f"a_tool_with_number_{number}" for number in range(4)]
    document = documents.chain("a", tools=tuple(names), model="streaming")
    (box,) = drawing_of(document).boxes
    assert [label.text for label in box.labels] == ["streaming", "+4"]
    (box,) = drawing_of(documents.chain("a", tools=("t",))).boxes
    assert [(label.kind, label.text) for label in box.labels] == [
        ("model", "default"),
        ("tool", "t"),
    ]
    last = box.labels[-1]
    assert last.x + last.width < NORMAL.width


def test_unreadable_graphs_are_not_drawn() -> None:
    many = [f"t{number}" for number in range(101)]
    nodes = [documents.agent("w"), *(documents.task(name) for name in many)]
    assert draw(parse(documents.crew(nodes, [f"w {name}" for name in many])), []) is None


def test_arrows_are_not_bent_through_thousands_of_columns() -> None:
    names = [f"t{number}" for number in range(40)]
    nodes = [documents.agent("w"), *(documents.task(name) for name in names)]
    edges = [f"{a} {b}" for a, b in itertools.combinations(names, 2)]
    assert draw(parse(documents.crew(nodes, [*(f"w {n}" for n in names), *edges])), []) is None


def many(count: int, *edges: tuple[int, int]) -> documents.Document:
    names = [f"t{number}" for number in range(count)]
    nodes = [documents.agent("w"), *(documents.task(name) for name in names)]
    ends = [f"w {name}" for name in names] + [f"t{a} t{b}" for a, b in edges]
    return documents.crew(nodes, ends)


CHAIN: t.Final = [*itertools.pairwise(range(45))]
FAN: t.Final = [edge for middle in range(1, 44) for edge in ((0, middle), (middle, 44))]
LAYERS: t.Final = [(a, b) for a in range(45) for b in range(45) if b // 5 == a // 5 + 1]


@pytest.mark.parametrize("edges", [CHAIN, FAN, LAYERS, []], ids=["chain", "fan", "layers", "none"])
def test_forty_five_tasks_are_legible_on_one_screen(edges: list[tuple[int, int]]) -> None:
    drawing = drawing_of(many(45, *edges))
    scale = min(1040 / drawing.width, 680 / drawing.height)
    assert 14 * scale > 9  # names of tasks have 14 px
    places = {(box.x, box.y) for box in drawing.boxes}
    assert len(places) == 45


def test_long_chains_continue_in_the_next_row_from_the_left() -> None:
    drawing = drawing_of(many(45, *CHAIN))
    rows = [[*row] for _, row in itertools.groupby(drawing.boxes, key=lambda box: box.y)]
    assert len(rows) > 3
    for row in rows:
        assert [box.x for box in row] == [box.x for box in rows[0][: len(row)]]
        assert [box.x for box in row] == sorted(box.x for box in row)
    turns = [arrow.path for arrow in drawing.arrows if "V" in arrow.path]
    assert len(turns) == len(rows) - 1
    for path, before, after in zip(turns, rows, rows[1:], strict=False):
        (x, y), (*_, to_y, to_x) = numbers(path)[:2], numbers(path)
        assert (x, y) == (before[-1].x + drawing.size.width, before[-1].y + 26)
        assert (to_x, to_y) == (after[0].x - 5, after[0].y + 26)
        below = numbers(path)[3]
        assert before[0].y + drawing.size.height < below < after[0].y


@pytest.mark.parametrize("seed", range(3))
def test_arrows_stay_within_the_picture(seed: int) -> None:
    chance = random.Random(seed)
    pairs = itertools.combinations(range(40), 2)
    drawing = drawing_of(many(40, *(pair for pair in pairs if chance.random() < 0.08)))
    assert drawing.is_compact
    for arrow in drawing.arrows:
        for step, at in re.findall(r"([MHV])([\d.]+)", arrow.path):
            assert 0 <= float(at) <= (drawing.height if step == "V" else drawing.width)


def test_tall_columns_are_folded_so_that_arrows_still_lead_to_the_right() -> None:
    tasks = [f"t{number}" for number in range(45)]
    columns = make_columns(tasks, [(f"t{a}", f"t{b}") for a, b in FAN], fold=6)
    heights = [sum(len(slot) == 1 for slot in column) for column in columns.slots]
    assert heights == [1, *[6] * 7, 1, 1]
    for route in columns.routes.values():
        depths = [depth for depth, _ in route]
        assert depths == [*range(depths[0], depths[-1] + 1)]


def test_small_graphs_are_drawn_in_one_row_with_tools_and_models() -> None:
    drawing = drawing_of(many(3))
    assert not drawing.is_compact
    assert len({box.y for box in drawing.boxes}) == 1


def test_long_names_take_two_lines() -> None:
    document = tasks("ab")
    documents.with_data(document, "a", name="Collect the figures of the last quarter")
    documents.with_data(document, "b", name="收集上个季度的所有数字并且写一份报告")
    first, second = drawing_of(document).boxes
    assert len(first.lines) == len(second.lines) == 2
    assert "".join(first.lines) == "Collect the figures of the last quarter"
    assert "".join(second.lines) == "收集上个季度的所有数字并且写一份报告"


def test_tools_are_shown_with_how_often_they_were_called() -> None:
    moment = dt.datetime(2026, 11, 20, tzinfo=dt.UTC)
    calls = [
        CallSpan(number, step, kind, name, "done", moment, moment)
        for number, (step, kind, name) in enumerate(
            [(0, "tool", "search"), (0, "tool", "search"), (0, "model", "m"), (1, "tool", "ask")]
        )
    ]
    document = documents.chain("a", "b", tools=("search",), model="m")
    drawing = draw(parse(document), (), calls)
    assert drawing is not None
    times = "\N{MULTIPLICATION SIGN}"
    assert [box.resources for box in drawing.boxes] == [
        ("model m", f"tool search {times}2"),
        ("model m", "tool search", f"tool ask {times}1"),
    ]
    assert f"search {times}2" in [label.text for label in drawing.boxes[0].labels]
