"""axe-core, which finds what keeps people from using a page."""

from __future__ import annotations

import typing as t

from support.npm import npm_packages
from support.servers.browser import Browser

ZOOMED: t.Final = 720
"""Width of 1440 pixels at a zoom of 200 %."""
WIDTHS: t.Final = (1440, ZOOMED, 390)
TAGS: t.Final = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "best-practice"]
RUN: t.Final = """
const done = arguments[arguments.length - 1];
const told = ({ id, nodes }) => `${id}: ${nodes[0].html.slice(0, 200)}`;
axe.run(document, { runOnly: arguments[0] }).then(
  ({ violations }) => done(violations.map(told)),
  (error) => done([String(error)]),
);
"""


def find_problems(browser: Browser) -> dict[str, list[str]]:
    """Return what is wrong with the page that is shown, by its width and colours."""
    script = npm_packages() / "axe-core" / "axe.min.js"
    browser.run(script.read_text(encoding="utf-8"))
    found = {}
    for width in WIDTHS:
        for dark in (False, True):
            browser.look(width=width, dark=dark)
            if problems := browser.driver.execute_async_script(RUN, TAGS):
                found[f"{width}{' dark' if dark else ''}"] = problems
    return found
