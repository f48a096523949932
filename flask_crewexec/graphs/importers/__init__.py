"""Imports of crews in other formats as graph documents. Nothing here imports CrewAI."""

from __future__ import annotations

from .acceptance import require_accepted as require_accepted
from .acceptance import summarize as summarize
from .files import MAX_CHARACTERS as MAX_CHARACTERS
from .import_files import Definition as Definition
from .import_files import FORMATS as FORMATS
from .import_files import import_definition as import_definition
from .import_files import import_files as import_files
from .import_result import Imported as Imported
from .import_result import Options as Options
from .name_mapping import Names as Names
