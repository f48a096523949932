"""axe-core finds nothing on any page, light and dark, on desktops, phones, and zoomed."""

from __future__ import annotations

import pytest

from support.axe import find_problems
from support.graphs import documents
from support.servers.browser import Browser
from support.servers.sample_site import Site

pytestmark = pytest.mark.browser


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
        "selected": "/executions?select=page&status=completed&created_after=2026-01-01T10:00",
        "several": f"/executions/several?action=cancel&ids={site.insert_long_run()}&ids={done}",
        "execution": f"/executions/{done}",
        "long": f"/executions/{site.insert_long_run()}",
        "again": f"/executions/{done}/steps/0/again",
        "calls": f"/executions/{done}/calls",
        "call": f"/executions/{done}/calls/1",
        "graphs": "/graphs",
        "archived": "/graphs?archived=yes",
        "graph": graph,
        "versions": f"{graph}/versions",
        "changes": f"{graph}/changes?from=1",
        "import": "/graphs/import",
        "inbox": "/input-requests",
        "usage": "/usage?by=model",
        "operations": "/operations",
        "missing": "/executions/nothing",
    }


PAGES = (
    "list",
    "filtered",
    "selected",
    "several",
    "execution",
    "long",
    "again",
    "calls",
    "call",
    "graphs",
    "archived",
    "graph",
    "versions",
    "changes",
    "import",
    "inbox",
    "usage",
    "operations",
    "missing",
)


@pytest.mark.parametrize("page", PAGES)
def test_nothing_is_found(
    site: Site, signed_in: Browser, places: dict[str, str], page: str
) -> None:
    signed_in.open(f"{site.url}/crewexec-dashboard{places[page]}")
    signed_in.wait_for("h1")
    assert find_problems(signed_in) == {}
