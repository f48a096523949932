"""The default number of model calls."""

from __future__ import annotations

import pytest

from flask_crewexec import graphs
from flask_crewexec.scheduling.run_limits import Limits
from flask_crewexec.scheduling.run_limits import with_graph_limits
from support.graphs import documents

NO_LIMITS: Limits = {
    "timeout": None,
    "max_llm_calls": None,
    "max_tool_calls": None,
    "max_tokens": None,
}


def default_of(count: int, max_iter: int) -> object:
    """Return the default for a graph of some tasks."""
    names = [f"t{number}" for number in range(count)]
    graph = graphs.parse(documents.with_data(documents.chain(*names), "writer", max_iter=max_iter))
    return with_graph_limits(NO_LIMITS, graph)["max_llm_calls"]


@pytest.mark.parametrize(
    ("tasks", "max_iter", "expected"),
    [
        (1, 1, 50),
        (1, 29, 90),
        (4, 24, 300),
        (10, 100, 1000),
        (150, 100, 1500),
    ],
)
def test_it_is_three_times_the_estimate_within_bounds(tasks, max_iter, expected):
    assert default_of(tasks, max_iter) == expected


def test_a_limit_that_is_given_stays():
    graph = graphs.parse(documents.chain("a"))
    given: Limits = {**NO_LIMITS, "max_llm_calls": 7}
    assert with_graph_limits(given, graph) == given
