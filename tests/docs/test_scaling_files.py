"""The dashboard of ``deploy/grafana`` and the resources of ``deploy/keda``."""

from __future__ import annotations

import json
import re
import shlex
import typing as t

import pytest

from flask_crewexec.config.settings import Settings
from flask_crewexec.web.metric_families import FAMILIES
from support.deploy_files import DEPLOY
from support.deploy_files import read_yaml
from support.deploy_files import seconds
from support.promql import check
from support.promql import FAMILY_OF

Json = dict[str, t.Any]

DASHBOARD: Json = json.loads((DEPLOY / "grafana/crews.json").read_text(encoding="utf-8"))
PANELS: list[Json] = DASHBOARD["panels"]
NOT_DRAWN = {"crewexec_purged_calls"}


class TestDashboard:
    @pytest.mark.parametrize("panel", PANELS, ids=[panel["title"] for panel in PANELS])
    def test_a_panel_asks_for_metrics_and_labels_that_exist(self, panel: Json) -> None:
        for target in panel["targets"]:
            check(target["expr"])
            for label in re.findall(r"\{\{(\w+)\}\}", target["legendFormat"]):
                assert re.search(rf"by \([^)]*\b{label}\b", target["expr"]), label

    def test_every_metric_is_drawn(self) -> None:
        asked = {name for each in PANELS for one in each["targets"] for name in check(one["expr"])}
        drawn = {FAMILY_OF[name].name for name in asked}
        assert drawn == {family.name for family in FAMILIES} - NOT_DRAWN

    def test_panels_do_not_overlap(self) -> None:
        cells: set[tuple[int, int]] = set()
        for panel in PANELS:
            x, y, width, height = (panel["gridPos"][key] for key in "xywh")
            covered = {(x + i, y + j) for i in range(width) for j in range(height)}
            assert x + width <= 24
            assert not cells & covered, panel["title"]
            cells |= covered

    def test_the_reader_chooses_the_data_source(self) -> None:
        (variable,) = DASHBOARD["templating"]["list"]
        uid = f"${{{variable['name']}}}"
        sources = [panel["datasource"] for panel in PANELS]
        sources += [target["datasource"] for panel in PANELS for target in panel["targets"]]
        assert all(source == {"type": "prometheus", "uid": uid} for source in sources)


class TestKeda:
    scaled: Json = read_yaml("keda/scaledobject.yaml")["spec"]
    deployment: Json = read_yaml("keda/worker.yaml")
    pod: Json = deployment["spec"]["template"]["spec"]

    def test_it_asks_for_metrics_that_exist(self) -> None:
        (trigger,) = self.scaled["triggers"]
        assert check(trigger["metadata"]["query"]) == {"crewexec_executions"}

    def test_it_counts_what_a_worker_can_run_at_once(self) -> None:
        (container,) = self.pod["containers"]
        (trigger,) = self.scaled["triggers"]
        assert f"--concurrency={trigger['metadata']['threshold']}" in container["args"]
        assert self.scaled["scaleTargetRef"]["name"] == self.deployment["metadata"]["name"]

    def test_the_pod_runs_what_compose_runs(self) -> None:
        (container,) = self.pod["containers"]
        worker = read_yaml("container/compose.yaml")["services"]["worker"]
        assert shlex.join(container["args"]) == shlex.join(worker["command"])
        assert self.pod["terminationGracePeriodSeconds"] == seconds(worker["stop_grace_period"])
        assert container["securityContext"]["readOnlyRootFilesystem"]
        assert self.pod["securityContext"]["runAsNonRoot"]

    def test_a_worker_drains_before_it_is_killed(self) -> None:
        assert self.pod["terminationGracePeriodSeconds"] > 2 * Settings().drain_timeout
