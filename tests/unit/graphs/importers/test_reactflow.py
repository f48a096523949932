"""Drawings of editors that call the types of nodes otherwise."""

from __future__ import annotations

import json
import typing as t

from flask_crewexec.graphs import parse
from flask_crewexec.graphs.importers import import_files
from flask_crewexec.graphs.importers import Options
from support.graphs.foreign_crews import problems_of

AGENT: dict[str, t.Any] = {
    "id": "a",
    "type": "agentNode",
    "data": {"role": "Reader", "goal": "Read"},
}
TASK: dict[str, t.Any] = {
    "id": "t",
    "type": "x",
    "data": {"description": "Read", "expected_output": "Notes"},
}
EDGE = {"source": "a", "target": "t", "type": "fancy"}


def drawing(*nodes, edges=(EDGE,)):
    return {"x.json": json.dumps({"nodes": nodes, "edges": edges})}


def test_types_follow_from_the_data_or_the_name():
    found = import_files("reactflow", drawing(AGENT, TASK))
    assert parse(found.document).tasks[0].agent_id == "a"
    assert found.notes == ()


def test_types_can_be_named():
    tool = {"id": "s", "type": "gadget", "data": {"name": "say"}}
    files = drawing(AGENT, TASK, tool, edges=[EDGE, {"source": "s", "target": "a"}])
    assert problems_of("reactflow", files) == [("/files/x.json/nodes/2/type", "unknown-node-type")]
    found = import_files("reactflow", files, Options(node_types={"gadget": "tool"}))
    assert parse(found.document).agents[0].tools == ("say",)


def test_what_is_only_drawn_is_left_out_with_its_edges():
    start = {"id": "0", "type": "input", "data": {"label": "Start"}}
    files = drawing(start, AGENT, TASK, edges=[{"source": "0", "target": "t"}, EDGE])
    found = import_files("reactflow", files)
    assert [node["id"] for node in found.document["nodes"]] == ["a", "t"]
    assert [(note.pointer, note.severity) for note in found.notes] == [("/nodes/0", "info")]
    assert len(found.document["edges"]) == 1


def test_problems_point_to_the_node_in_the_file():
    start = {"id": "0", "type": "input", "data": {"label": "Start"}}
    bad = {**TASK, "data": {**TASK["data"], "description": 7}}
    found = problems_of("reactflow", drawing(start, AGENT, bad))
    assert found == [("/files/x.json/nodes/2/data/description", "wrong-type")]


def test_fields_of_the_editor_are_left_out():
    coloured = {**AGENT, "data": {**AGENT["data"], "color": "red", "api_key": "sk-1"}}
    found = import_files("reactflow", drawing(coloured, TASK))
    assert {note.pointer for note in found.notes} == {
        "/nodes/0/data/color",
        "/nodes/0/data/api_key",
    }
    assert "sk-1" not in repr(found)
