"""Where the tests, and what they test, stand."""

from __future__ import annotations

from pathlib import Path

TESTS = Path(__file__).parents[1]
"""What belongs on the path of a process that imports ``support``."""
ROOT = TESTS.parent
