"""Those who have no task: the row above the tasks, and its lines."""

from __future__ import annotations

import re

from flask_crewexec.dashboard.graph_layout import draw
from flask_crewexec.dashboard.graph_layout import Drawing
from flask_crewexec.graphs import parse
from support.graphs import documents


def drawn(nodes: list[documents.Document], *edges: str, **more: object) -> Drawing:
    drawing = draw(parse(documents.crew(nodes, [*edges], **more)), ())
    assert drawing is not None
    return drawing


def ends(path: str) -> list[float]:
    return [float(number) for number in re.findall(r"-?[\d.]+", path)]


def managed(names: str) -> Drawing:
    nodes = [documents.agent("boss"), documents.agent("helper")]
    nodes += [documents.task(name) for name in names]
    return drawn(nodes, "boss helper manager", process="hierarchical")


def test_a_manager_has_a_line_to_every_task_and_to_the_coworkers() -> None:
    drawing = managed("abc")
    assert [(each.kind, each.name) for each in drawing.crew.members] == [
        ("manager", "Boss"),
        ("coworker", "Helper"),
    ]
    manager = drawing.crew.members[0]
    to_tasks = drawing.crew.links[:-1]
    tops = [[box.x + drawing.size.width / 2, box.y + drawing.crew.height] for box in drawing.boxes]
    assert [ends(path)[-2:] for path in to_tasks] == tops
    assert all(ends(path)[0] == manager.x + manager.width / 2 for path in to_tasks)
    assert drawing.crew.links[-1].endswith(f"H{drawing.crew.members[1].x:g}")


def test_only_agents_that_delegate_have_lines_to_coworkers() -> None:
    nodes = [
        documents.agent("w", allow_delegation=True),
        documents.agent("v"),
        documents.agent("helper"),
        documents.task("a"),
        documents.task("b"),
    ]
    drawing = drawn(nodes, "w a", "v b", "a b", "w helper coworker")
    assert [each.name for each in drawing.crew.members] == ["Helper"]
    (link,) = drawing.crew.links
    assert ends(link)[-2] == drawing.boxes[0].x + drawing.size.width / 2


def test_everything_is_within_the_drawing() -> None:
    nodes = [documents.agent("w", allow_delegation=True), documents.task("a")]
    helpers = [f"h{n}" for n in range(9)]
    nodes += [documents.agent(id, role=f"{id} is a helper with a long role") for id in helpers]
    drawing = drawn(nodes, "w a", *(f"w {id} coworker" for id in helpers))
    *_, last = drawing.crew.members
    assert (last.kind, last.name) == ("more", "5 more")
    assert all(each.x + each.width <= drawing.width for each in drawing.crew.members)
    lowest = max(box.y for box in drawing.boxes) + drawing.size.height + drawing.crew.height
    assert lowest <= drawing.height


def test_many_tasks_have_no_lines() -> None:
    assert len(managed("abcdefghijklm").crew.members) == 2
    assert managed("abcdefghijklm").crew.links == ()


def test_without_such_members_nothing_is_added() -> None:
    drawing = drawn([documents.agent("w"), documents.task("a")], "w a")
    assert drawing.crew.members == ()
    assert drawing.crew.height == 0
