"""The services that the benchmark of reading compares show the same; how fast is not tested."""

from __future__ import annotations

from pathlib import Path

from benchmarks import reading


def test_all_that_is_read_is_there(tmp_path: Path) -> None:
    with reading.readers(tmp_path, [reading.FEW]) as found:
        ours, plain = (found[name, reading.FEW] for name in ("ours", "plain service"))
        for each in (ours, plain):
            for name in ("list, first page", "list, middle page"):
                assert len(each.get(name).json()["executions"]) == reading.PAGE
        assert plain.get("list, first page").json()["total"] in range(400, 460)
        assert len(ours.get("list by status").json()["executions"]) == reading.PAGE
        assert len(ours.get("events").json()["events"]) == 10
        assert ours.get("status by id, queued").json()["progress"]["queue_position"] > 0
        assert "graph" in ours.get("dashboard, execution").text
