"""Graphs for elsewhere: a graph document in, texts and notes out. Nothing imports CrewAI."""

from __future__ import annotations

from .crewai import export_crewai as export_crewai
from .crewai import Exported as Exported

FORMATS = ("crewai",)
"""The formats that there are."""
