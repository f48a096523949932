"""``.. metrics::`` describes every metric."""

from __future__ import annotations

from generated import entry
from generated import GeneratedDirective
from generated import Lines
from generated import literal
from generated import phrase
from sphinx.application import Sphinx

from flask_crewexec.web.metric_families import FAMILIES
from flask_crewexec.web.metric_families import MetricFamily


class MetricsDirective(GeneratedDirective):
    """Takes no content."""

    has_content = False

    def lines(self) -> Lines:
        """Yield a description of each metric."""
        for family in FAMILIES:
            suffix = "_total" if family.type == "counter" else ""
            yield from entry("metric", family.name + suffix, _describe(family))


def _describe(family: MetricFamily) -> Lines:
    yield from (phrase(family.meaning), "")
    yield f":Type: {family.type}"
    if family.labels:
        yield f":Labels: {', '.join(map(literal, family.labels))}"


def setup(app: Sphinx) -> dict[str, bool]:
    """Register the directive and the kind of objects that it describes."""
    app.add_object_type("metric", "metric", "pair: %s; metric")
    app.add_directive("metrics", MetricsDirective)
    return {"parallel_read_safe": True}
