"""The group ``flask crewexec``, where sphinx-click finds it."""

from __future__ import annotations

from flask_crewexec.cli.commands import command_group

crewexec = command_group()
