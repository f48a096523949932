"""Graphs from elsewhere: texts in, a graph document and notes out. Nothing imports CrewAI."""

from __future__ import annotations

from .importing import Definition as Definition
from .importing import FORMATS as FORMATS
from .importing import import_definition as import_definition
from .importing import import_files as import_files
from .names import Names as Names
from .names import registered_names as registered_names
from .result import Imported as Imported
from .result import Note as Note
from .result import Options as Options
