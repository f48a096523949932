"""Exports of graph documents to other formats. Nothing here imports CrewAI."""

from __future__ import annotations

from .crewai import export_crewai as export_crewai
from .crewai import Exported as Exported

FORMATS = ("crewai",)
"""The supported formats."""
