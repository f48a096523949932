"""Where a graph's tasks and arrows are drawn."""

from __future__ import annotations

import itertools
import random
import re

import pytest

from flask_crewexec.dashboard.graph_layout import draw
from flask_crewexec.dashboard.graph_layout import Drawing
from flask_crewexec.dashboard.graph_layout import HEIGHT
from flask_crewexec.dashboard.graph_layout import WIDTH
from flask_crewexec.graphs import parse
from flask_crewexec.models import StepMixin
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
    assert not middle.y <= y <= middle.y + HEIGHT


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
        assert abs(one.x - other.x) >= WIDTH or abs(one.y - other.y) >= HEIGHT
    for box in drawing.boxes:
        assert 0 <= box.x <= drawing.width - WIDTH
        assert 0 <= box.y <= drawing.height - HEIGHT


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
    assert last.x + last.width < WIDTH


def test_unreadable_graphs_are_not_drawn() -> None:
    many = [f"t{number}" for number in range(101)]
    nodes = [documents.agent("w"), *(documents.task(name) for name in many)]
    assert draw(parse(documents.crew(nodes, [f"w {name}" for name in many])), []) is None


def test_arrows_are_not_bent_through_thousands_of_columns() -> None:
    names = [f"t{number}" for number in range(40)]
    nodes = [documents.agent("w"), *(documents.task(name) for name in names)]
    edges = [f"{a} {b}" for a, b in itertools.combinations(names, 2)]
    assert draw(parse(documents.crew(nodes, [*(f"w {n}" for n in names), *edges])), []) is None
