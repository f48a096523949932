"""Commands for operators: ``flask crewexec …`` and ``celery … monitor``."""
