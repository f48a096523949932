"""The rules of ``deploy/prometheus``: what they ask for exists, and each fires when it should."""

from __future__ import annotations

import re
import shutil
import subprocess
import typing as t
from pathlib import Path

import click
import pytest
import yaml
from flask import Flask

from support.deploy_files import DEPLOY
from support.deploy_files import read_yaml
from support.promql import check
from support.promql import FAMILY_OF

Json = dict[str, t.Any]

RULES: list[Json] = [
    rule for group in read_yaml("prometheus/crews.rules.yml")["groups"] for rule in group["rules"]
]
NAMES = [rule["alert"] for rule in RULES]
HEALTHY = {
    'crewexec_up{part="database"}': "1x60",
    'crewexec_up{part="broker"}': "1x60",
    'crewexec_worker_slots{queue="crew_execution"}': "8x60",
    'crewexec_worker_slots{queue="cleanup"}': "1x60",
    "crewexec_queue_paused": "0x60",
    'crewexec_executions{status="queued"}': "0x60",
    'crewexec_executions{status="running"}': "3x60",
    'crewexec_waiting_seconds_count{priority="5"}': "0+4x60",
    'crewexec_waiting_seconds_bucket{priority="5",le="300.0"}': "0+4x60",
    'crewexec_waiting_seconds_bucket{priority="5",le="900.0"}': "0+4x60",
    'crewexec_waiting_seconds_bucket{priority="5",le="+Inf"}': "0+4x60",
    'crewexec_executions_ended_total{status="completed"}': "0+4x60",
    'crewexec_executions_ended_total{status="failed"}': "0x60",
    'crewexec_run_seconds_count{outcome="completed"}': "0+4x60",
    "crewexec_retries_total": "0x60",
    "crewexec_lost_workers_total": "0x60",
    'crewexec_notifications_total{outcome="failed"}': "0x60",
    "crewexec_notification_delay_seconds": "0x60",
    "crewexec_input_request_age_seconds": "0x60",
}
"""Values of each minute in the last hour; ``0+4x60`` rises by four."""
TROUBLE = {
    "CrewsMetricsMissing": {
        'crewexec_up{part="database"}': "1x20",
        'crewexec_up{part="broker"}': "1x20",
    },
    "CrewsPartDown": {'crewexec_up{part="broker"}': "1x50 0x10"},
    "CrewsNoWorker": {'crewexec_worker_slots{queue="cleanup"}': "1x50 0x10"},
    "CrewsNothingStarts": {
        'crewexec_executions{status="queued"}': "3x60",
        'crewexec_executions{status="running"}': "3x30 0x30",
        'crewexec_waiting_seconds_count{priority="5"}': "0+4x30 120x30",
    },
    "CrewsPaused": {
        "crewexec_queue_paused": "1x60",
        'crewexec_executions{status="queued"}': "3x60",
        'crewexec_executions{status="running"}': "3x30 0x30",
        'crewexec_waiting_seconds_count{priority="5"}': "0+4x30 120x30",
    },
    "CrewsWaitLong": {'crewexec_waiting_seconds_bucket{priority="5",le="300.0"}': "0+1x60"},
    "CrewsFail": {'crewexec_executions_ended_total{status="failed"}': "0+2x60"},
    "CrewsRetry": {"crewexec_retries_total": "0+3x60"},
    "CrewsWorkersLost": {"crewexec_lost_workers_total": "0x50 1x10"},
    "CrewsNotificationsLate": {"crewexec_notification_delay_seconds": "400x60"},
    "CrewsNotificationsFail": {'crewexec_notifications_total{outcome="failed"}': "0x50 1x10"},
    "CrewsNobodyAnswers": {"crewexec_input_request_age_seconds": "300000x60"},
}
LABELS = {
    "CrewsPartDown": {"part": "broker"},
    "CrewsNoWorker": {"queue": "cleanup"},
    "CrewsNotificationsFail": {"outcome": "failed"},
}
"""Those of the series that fires."""


@pytest.mark.parametrize("rule", RULES, ids=NAMES)
def test_it_asks_for_metrics_and_labels_that_exist(rule: Json) -> None:
    names = check(rule["expr"])
    known = {label for name in names for label in FAMILY_OF[name].labels}
    assert set(re.findall(r"\$labels\.(\w+)", str(rule["annotations"]))) <= known


@pytest.mark.sqlite_enough
def test_what_they_tell_to_do_exists(app: Flask) -> None:
    group = t.cast(click.Group, app.cli.commands["crewexec"])
    actions = " ".join(rule["annotations"].get("action", "") for rule in RULES)
    named = re.findall(r"flask crewexec ([\w-]+)(?: (\w+))?", actions)
    assert named
    for name, following in named:
        command = group.commands[name]
        if isinstance(command, click.Group):
            assert following in command.commands


def test_each_rule_has_a_case() -> None:
    assert set(TROUBLE) == set(NAMES)


def promtool(*arguments: str, folder: Path) -> str:
    """Return what Prometheus' own tool says, which must be content."""
    program = shutil.which("promtool")
    if program is None:
        pytest.skip("promtool is not installed; it is in Debian's package 'prometheus'")
    done = subprocess.run(
        [program, *arguments], cwd=folder, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_prometheus_accepts_the_files(tmp_path: Path) -> None:
    folder = tmp_path / "prometheus"
    shutil.copytree(DEPLOY / "prometheus", folder)
    (folder / "crews.token").write_text("a token of the tests", encoding="utf-8")
    said = promtool("check", "config", "prometheus.yml", folder=folder)
    assert f"{len(RULES)} rules found" in said


def expected(rule: Json) -> Json:
    """Return the alert that a rule sends."""
    labels = LABELS.get(rule["alert"], {})
    annotations = {
        name: re.sub(r"\{\{ \$labels\.(\w+) \}\}", lambda found: labels[found[1]], text)
        for name, text in rule["annotations"].items()
    }
    return {"exp_labels": {**rule["labels"], **labels}, "exp_annotations": annotations}


def situation(name: str, changed: dict[str, str], *, fires: str | None) -> Json:
    """Return a test of promtool: exactly one alert fires after an hour, or none."""
    series = {**HEALTHY, **changed}
    return {
        "name": name,
        "interval": "1m",
        "input_series": [{"series": one, "values": values} for one, values in series.items()],
        "alert_rule_test": [
            {
                "eval_time": "59m",
                "alertname": rule["alert"],
                "exp_alerts": [expected(rule)] if rule["alert"] == fires else [],
            }
            for rule in RULES
        ],
    }


def test_each_alert_fires_alone_and_only_in_trouble(tmp_path: Path) -> None:
    cases = [situation("nothing is wrong", {}, fires=None)]
    cases += [situation(alert, series, fires=alert) for alert, series in TROUBLE.items()]
    rules = [str(DEPLOY / "prometheus/crews.rules.yml")]
    document = {"rule_files": rules, "evaluation_interval": "1m", "tests": cases}
    (tmp_path / "alerts.yml").write_text(yaml.safe_dump(document), encoding="utf-8")
    promtool("test", "rules", "alerts.yml", folder=tmp_path)
