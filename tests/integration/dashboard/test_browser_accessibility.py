"""axe-core finds nothing on any page, light and dark, on desktops, phones, and zoomed."""

from __future__ import annotations

import typing as t

import pytest

from support.graphs import documents
from support.npm import npm_packages
from support.servers.browser import Browser
from support.servers.sample_site import Site

pytestmark = pytest.mark.browser

ZOOMED = 720
"""Width of 1440 pixels at a zoom of 200 %."""
TAGS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "best-practice"]
RUN = """
const done = arguments[arguments.length - 1];
const told = ({ id, nodes }) => `${id}: ${nodes[0].html.slice(0, 200)}`;
axe.run(document, { runOnly: arguments[0] }).then(
  ({ violations }) => done(violations.map(told)),
  (error) => done([String(error)]),
);
"""


@pytest.fixture(scope="module")
def axe() -> str:
    return (npm_packages() / "axe-core" / "axe.min.js").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def places(site: Site) -> dict[str, str]:
    """Paths of all kinds of pages."""
    site.model.on("Do checked", "# A title\n\n* one\n* two")
    done = site.run(documents.chain("checked"))
    graph = f"/graphs/{site.store(documents.chain('first', 'second'))}"
    site.ask("PUT", graph, json=documents.chain("first", "third"))
    return {
        "list": "/executions",
        "filtered": "/executions?status=failed",
        "execution": f"/executions/{done}",
        "long": f"/executions/{site.insert_long_run()}",
        "calls": f"/executions/{done}/calls",
        "call": f"/executions/{done}/calls/1",
        "graphs": "/graphs",
        "archived": "/graphs?archived=yes",
        "graph": graph,
        "versions": f"{graph}/versions",
        "changes": f"{graph}/changes?from=1",
        "import": "/graphs/import",
        "inbox": "/input-requests",
        "queues": "/queues",
        "missing": "/executions/nothing",
    }


PAGES = (
    "list",
    "filtered",
    "execution",
    "long",
    "calls",
    "call",
    "graphs",
    "archived",
    "graph",
    "versions",
    "changes",
    "import",
    "inbox",
    "queues",
    "missing",
)


@pytest.mark.parametrize("page", PAGES)
def test_nothing_is_found(
    site: Site, signed_in: Browser, axe: str, places: dict[str, str], page: str
) -> None:
    found: dict[str, t.Any] = {}
    signed_in.open(f"{site.url}/crewexec-dashboard{places[page]}")
    signed_in.wait_for("h1")
    signed_in.run(axe)
    for width in (1440, ZOOMED, 390):
        for dark in (False, True):
            signed_in.look(width=width, dark=dark)
            problems = signed_in.driver.execute_async_script(RUN, TAGS)
            if problems:
                found[f"{width}{' dark' if dark else ''}"] = problems
    assert found == {}
