"""The screenshots of the documentation, which tests in a browser take."""

from __future__ import annotations

import io
from collections.abc import Callable

from PIL import Image

from support.paths import ROOT
from support.servers.browser import Browser

FOLDER = ROOT / "docs" / "_static"
WIDTH = 1180
MARGIN = 8
BOTTOM = """
return Math.ceil(document.querySelector(arguments[0]).getBoundingClientRect().bottom + scrollY);
"""

TakeScreenshot = Callable[..., None]


def write(browser: Browser, name: str, *, until: str, dark: bool = False) -> None:
    """Write the page that is shown, down to the end of an element, in few bytes."""
    browser.look(width=WIDTH, dark=dark)
    height = browser.run(BOTTOM, until) + MARGIN
    picture = Image.open(io.BytesIO(browser.screenshot(width=WIDTH, height=height)))
    # Our pages have few colours; the others are those of the edges of letters.
    few = picture.convert("RGB").quantize(method=Image.Quantize.MAXCOVERAGE)
    few.save(FOLDER / f"{name}.png", optimize=True)
    browser.look()
