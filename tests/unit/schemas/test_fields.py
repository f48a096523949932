"""What fields take, and what OpenAPI says of them."""

from __future__ import annotations

import re

import marshmallow as ma
import pytest

from flask_crewexec.schemas import Text


@pytest.mark.parametrize("lines", [False, True])
def test_the_pattern_of_texts_is_what_is_checked(lines):
    field = Text(0, 1000, lines=lines)
    pattern = re.compile(field.metadata["pattern"].removesuffix("$") + r"\Z")
    for letter in map(chr, range(0x2100)):
        try:
            field.deserialize(f"a{letter}b")
        except ma.ValidationError:
            assert not pattern.match(f"a{letter}b")
        else:
            assert pattern.match(f"a{letter}b")
