"""What expressions of PromQL ask for, against the metrics that there are."""

from __future__ import annotations

import re
import typing as t

from flask_crewexec.statuses import ACTIVE
from flask_crewexec.statuses import PRIORITIES
from flask_crewexec.statuses import TERMINAL
from flask_crewexec.web.metric_families import EXECUTIONS
from flask_crewexec.web.metric_families import EXECUTIONS_ENDED
from flask_crewexec.web.metric_families import FAMILIES
from flask_crewexec.web.metric_families import INPUT_SECONDS
from flask_crewexec.web.metric_families import MetricFamily
from flask_crewexec.web.metric_families import NOTIFICATIONS
from flask_crewexec.web.metric_families import RUN_SECONDS

_SUFFIXES: t.Final = {
    "counter": ("_total",),
    "gauge": ("",),
    "histogram": ("_bucket", "_count", "_sum"),
}
FAMILY_OF: t.Final = {
    family.name + suffix: family for family in FAMILIES for suffix in _SUFFIXES[family.type]
}
"""By the names of their series."""

_SELECTOR: t.Final = re.compile(r"\b(crewexec_\w+)(?:\{([^}]*)\})?")
_MATCHER: t.Final = re.compile(r'(\w+)\s*(?:=~|!~|!=|=)\s*"([^"]*)"')
_GROUPING: t.Final = re.compile(r"\bby\s*\(([^)]*)\)")

_VALUES: t.Final[dict[str, set[str]]] = {
    "part": {"broker", "database"},
    "queue": {"crew_execution", "cleanup"},
    "priority": {str(priority) for priority in PRIORITIES},
    "kind": {"completion", "prompt"},
}
_VALUES_IN: t.Final[dict[MetricFamily, set[str]]] = {
    EXECUTIONS: {str(status) for status in ACTIVE},
    EXECUTIONS_ENDED: {str(status) for status in TERMINAL},
    NOTIFICATIONS: {"delivered", "failed"},
    INPUT_SECONDS: {"answered", "expired"},
    RUN_SECONDS: {"completed", "failed", "cancelled", "retrying", "timed_out"},
}
"""Those of ``status`` and ``outcome``, which differ between metrics."""


def check(expression: str) -> set[str]:
    """Return the names of the metrics of an expression, which must exist with their labels."""
    used = _SELECTOR.findall(expression)
    assert used, f"asks for no metric of ours: {expression}"
    for name, matchers in used:
        assert name in FAMILY_OF, f"{name}: {expression}"
        for label, value in _MATCHER.findall(matchers):
            _check_value(FAMILY_OF[name], label, value)
    _check_grouping(expression, {name for name, _ in used})
    return {name for name, _ in used}


def _check_value(family: MetricFamily, label: str, value: str) -> None:
    assert label in family.labels, f"{family.name} has no label {label!r}"
    known = _VALUES[label] if label in _VALUES else _VALUES_IN[family]
    unknown = {each for each in value.split("|") if each not in known}
    assert not unknown, f"{family.name} has no {label} {unknown}"


def _check_grouping(expression: str, names: set[str]) -> None:
    labels = {label for name in names for label in FAMILY_OF[name].labels}
    if any(name.endswith("_bucket") for name in names):
        labels.add("le")
    for group in _GROUPING.findall(expression):
        unknown = {label.strip() for label in group.split(",")} - labels
        assert not unknown, f"no label {unknown}: {expression}"
