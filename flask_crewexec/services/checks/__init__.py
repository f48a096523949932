"""Checks of an installation, for ``flask crewexec check``: problems and their remedies."""
