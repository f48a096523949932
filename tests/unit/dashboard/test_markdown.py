"""Markdown from strangers is shown, and does nothing else."""

from __future__ import annotations

import re

import pytest

from flask_crewexec.dashboard.markdown import render_markdown
from support.dashboard_pages import dangers
from support.dashboard_pages import text_of

HOSTILE = [
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    '<div style="position:fixed">x</div>\n\n<!-- unseen -->',
    "![x](http://tracker.example/a.png)",
    "![x][1]\n\n[1]: http://tracker.example/a.png",
    "[x](javascript:alert(1))",
    "[x](data:text/html,<script>alert(1)</script>)",
    "[x](http://other.example 'title\" onclick=\"alert(1)')",
    "<http://other.example>",
    '```js" onload="alert(1)\nlet a\n```',
    "|a|\n|:-:|\n|<iframe src=//other.example>|",
    "&lt;script&gt;",
]


@pytest.mark.parametrize("text", HOSTILE)
def test_nothing_is_loaded_runs_or_leads_anywhere(text: str) -> None:
    html = render_markdown(text)
    assert dangers(html) == []
    assert not re.search(r"<(a|img|link|base|form)\b", html)
    assert not re.search(r"<[^>]* (href|src|style|title|id)=", html)


def test_structure_is_rendered() -> None:
    html = render_markdown("# Title\n\n- *one*\n\n3. `two`\n\n|a|\n|-|\n|b|\n\n> said")
    for tag in ("h1", "ul", "em", 'ol start="3"', "code", "td", "blockquote"):
        assert f"<{tag}>" in html


def test_columns_of_tables_keep_their_alignment_without_a_style() -> None:
    html = render_markdown("|a|b|c|d|\n|-|:-|:-:|-:|\n|1|2|3|4|")
    for cell in ("<th>a", "<th>b", '<th class="align-center">c', '<th class="align-right">d'):
        assert cell in html
    for cell in ("<td>1", "<td>2", '<td class="align-center">3', '<td class="align-right">4'):
        assert cell in html


def test_links_and_images_show_where_they_lead() -> None:
    html = render_markdown(
        "[bank](https://evil.example/%E2%80%AE?q=ä) ![logo *a*](http://i.example)"
    )
    shown = text_of(html)
    assert "bank (https://evil.example/%E2%80%AE?q=ä)" in shown
    assert "[Image: logo *a*] (http://i.example)" in shown


def test_a_link_around_an_image_shows_both_addresses() -> None:
    shown = text_of(render_markdown("[![a](http://one.example)](http://two.example)"))
    assert shown == "[Image: a] (http://one.example) (http://two.example)"


def test_characters_that_nobody_would_see_are_marked_wherever_they_are() -> None:
    html = render_markdown(
        "a\u202eb `c\u200bd` [x](http://e.example/\u2066) &#x202e;\n\n```\nf\ufeffg\n```"
    )
    assert re.findall(r"⟨(U\+\w+)⟩", html) == ["U+202E", "U+200B", "U+2066", "U+202E", "U+FEFF"]
