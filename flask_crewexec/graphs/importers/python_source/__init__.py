"""Reads crews in Python as text: their syntax trees are interpreted, and nothing is run."""

from __future__ import annotations

from .crew_reader import CrewReader as CrewReader
from .project import PythonProject as PythonProject
