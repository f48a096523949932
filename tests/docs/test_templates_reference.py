"""The reference describes blocks, partials and custom properties of the dashboard, all of them."""

from __future__ import annotations

import re
import typing as t
from collections import Counter
from collections.abc import Iterator

from jinja2 import Environment
from jinja2 import nodes

from support.paths import ROOT

DASHBOARD: t.Final = ROOT / "flask_crewexec/dashboard"
PAGE: t.Final = (ROOT / "docs/reference/templates.rst").read_text("utf-8")
DESCRIBED: t.Final = re.findall(r"^``([^`]+)``\n    \S", PAGE, re.MULTILINE)


def parsed(template: str) -> nodes.Template:
    return Environment().parse((DASHBOARD / "templates" / template).read_text("utf-8"))


def includes(template: str) -> Iterator[str]:
    """Names of the templates that one includes, and that those include."""
    for node in parsed(template).find_all(nodes.Include):
        assert isinstance(node.template, nodes.Const)
        yield node.template.value
        yield from includes(node.template.value)


def test_each_is_described_once() -> None:
    assert [name for name, count in Counter(DESCRIBED).items() if count > 1] == []


def test_the_blocks_of_the_base() -> None:
    blocks = {block.name for block in parsed("base.html").find_all(nodes.Block)}
    assert blocks == {name for name in DESCRIBED if name.isidentifier()}


def test_the_partials_of_all_pages_and_of_an_execution() -> None:
    partials = {*includes("base.html"), *includes("execution.html")}
    described = {name for name in DESCRIBED if name.startswith("crewexec/")}
    assert described == {f"crewexec/{name}" for name in partials}


def test_the_custom_properties() -> None:
    sheet = (DASHBOARD / "static/dashboard.css").read_text("utf-8")
    used = set(re.findall(r"var\((--crewexec-[a-z-]+)", sheet))
    assert used == {name for name in DESCRIBED if name.startswith("--")}


def test_the_parts_of_an_element() -> None:
    told = (ROOT / "docs/howto/embed.rst").read_text("utf-8").partition("Its parts are")[2]
    shown = parts_of("component.html")
    shown |= {"error"}  # which the script makes
    assert shown == set(re.findall(r"``([a-z]+)``", told))


def parts_of(template: str) -> set[str]:
    names = [template, *includes(template)]
    texts = [(DASHBOARD / "templates" / name).read_text("utf-8") for name in names]
    return {part for text in texts for part in re.findall(r' part="([a-z]+)"', text)}
