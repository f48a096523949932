"""The scripted model of the sample's crews: answers written by hand, which arrive word by word."""

from __future__ import annotations

import functools
import typing as t
from pathlib import Path

from flask_crewexec.testing import Rule

ANSWERS: t.Final = Path(__file__).parent / "answers"

_FILES: t.Final = {
    "Search the user's notes for bees": "findings",
    "Tell the story of the month": "story",
    "Give three tips for the garden": "tips",
    "Save a summary of the newsletter": "newsletter",
    "A market stall sold": "takings",
    "Last year the stall took": "comparison",
    "Write a report on the market day": "report",
    "three facts": "facts",
}
"""Names of answers by a part of the task's description."""

_SHORT_ANSWERS: t.Final = {
    "most important": "It shows the path through queue, worker and database without a model.",
    "most beautiful": "It was written before you asked.",
    "list what they say about": "No note was found.",
    "": "I am a scripted model, and know only the crews of the start page.",
}

_SUMMARY: t.Final = (
    "The hive by the apple tree is busy, and the first honey comes in three weeks. The moon garden"
    " is planted, and 42 jars of honey were sold for 252 euros."
)
_TOOL_CALLS: t.Final[dict[str, tuple[str, dict[str, str]]]] = {
    "Search the user's notes for bees": ("search_notes", {"query": "bees honey garden"}),
    "Save a summary of the newsletter": (
        "save_note",
        {"title": "Garden newsletter, May", "text": _SUMMARY},
    ),
}
"""What is called before the answer."""

_PAUSE_WORDS: t.Final = 12
"""The model thinks as long as it needs for so many words."""


def rules(word_seconds: float) -> list[Rule]:
    """Return the rules of the model.

    :param word_seconds: seconds between two words of an answer.
    """
    paced = functools.partial(Rule, delay=_PAUSE_WORDS * word_seconds, chunk_delay=word_seconds)
    texts = {part: _read(name) for part, name in _FILES.items()}
    return [
        *(paced(when=part, tool=tool, after_tool=False) for part, tool in _TOOL_CALLS.items()),
        *(paced(when=part, reply=text) for part, text in {**texts, **_SHORT_ANSWERS}.items()),
    ]


def _read(name: str) -> str:
    return (ANSWERS / f"{name}.md").read_text(encoding="utf-8").strip()
