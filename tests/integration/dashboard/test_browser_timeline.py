"""The timeline of a long execution in a real browser."""

from __future__ import annotations

import pytest

from support import long_run
from support.servers.browser import Browser
from support.servers.sample_site import Site

pytestmark = pytest.mark.browser


@pytest.fixture
def long_page(site: Site, signed_in: Browser) -> Browser:
    signed_in.open(f"{site.url}/crewexec-dashboard/executions/{site.insert_long_run()}")
    signed_in.wait_for("#timeline")
    return signed_in


def test_fifty_steps_fit_on_one_screen(long_page: Browser) -> None:
    long_page.look(width=1440)
    height = long_page.run("return document.querySelector('.waterfall').offsetHeight")
    assert height <= 900
    long_page.take_pictures("timeline")


@pytest.mark.parametrize("width", [390, 720])
def test_nothing_leaves_its_place(long_page: Browser, width: int) -> None:
    """720 pixels are what remains of 1440 at a zoom of 200 %."""
    long_page.look(width=width)
    assert long_page.run("return document.documentElement.scrollWidth") <= width
    wide = long_page.run(
        "return [...document.querySelectorAll('.waterfall > li')]"
        ".filter((row) => row.scrollWidth > row.clientWidth + 1).length"
    )
    assert wide == 0


def test_a_line_leads_to_its_step(long_page: Browser) -> None:
    name = long_page.find("#timeline-step-31")
    assert name.text == long_run.NAMES[31]
    name.send_keys("\ue007")
    assert long_page.run("return location.hash") == "#step-31"
    top = long_page.run("return document.querySelector('#step-31').getBoundingClientRect().top")
    assert -1 <= top < 900


def test_bars_say_what_they_are(long_page: Browser) -> None:
    titles = long_page.run(
        "return [...document.querySelectorAll('#timeline rect title')].map((t) => t.textContent)"
    )
    assert any(title.startswith("Attempt 4: ") for title in titles)
    assert any(title.endswith("tool search (failed): 0.5 s") for title in titles)
