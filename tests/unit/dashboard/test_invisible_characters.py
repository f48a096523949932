"""Characters that nobody would see are shown."""

from __future__ import annotations

import pytest

from flask_crewexec.dashboard.invisible_characters import visible
from flask_crewexec.text import is_invisible

HIDDEN = {
    "a bidirectional override": "\u202e",
    "a bidirectional isolate": "\u2066",
    "a right-to-left mark": "\u200f",
    "a zero-width space": "\u200b",
    "a zero-width joiner": "\u200d",
    "a word joiner": "\u2060",
    "a byte order mark": "\ufeff",
    "a soft hyphen": "\u00ad",
    "a tag": "\U000e0041",
    "a variation selector": "\ufe0f",
    "a supplementary variation selector": "\U000e0100",
    "a Hangul filler": "\u3164",
    "a blank Braille pattern": "\u2800",
    "a combining grapheme joiner": "\u034f",
    "a line separator": "\u2028",
    "a null character": "\x00",
    "a carriage return": "\r",
    "an escape": "\x1b",
    "a private character": "\ue000",
    "an unassigned character": "\U000e0fff",
    "a lone surrogate": "\ud800",
}


@pytest.mark.parametrize("character", HIDDEN.values(), ids=HIDDEN)
def test_each_is_replaced_by_its_code_point(character: str) -> None:
    assert is_invisible(character)
    shown = visible(f"a{character}b")
    assert character not in shown
    assert f"⟨U+{ord(character):04X}⟩</mark>b" in shown


@pytest.mark.parametrize(
    "text",
    ["two\nlines\tand a tab", "für 10 €", "日本語", "עברית", "नमस्ते", "e\u0301", "no\u00a0break"],
)
def test_what_can_be_seen_stays(text: str) -> None:
    assert visible(text) == text


def test_a_symbol_in_colour_needs_no_mark() -> None:
    assert visible("❤\ufe0f") == "❤\ufe0f"
    assert visible("❤\ufe0f\ufe0f").count("<mark") == 1
    assert visible("\ufe0f").count("<mark") == 1


def test_a_mark_names_the_character() -> None:
    assert 'title="right-to-left override"' in visible("\u202e")


def test_markup_is_escaped() -> None:
    assert visible("<b>&\u200b") == (
        '&lt;b&gt;&amp;<mark class="invisible" title="zero width space">⟨U+200B⟩</mark>'
    )
