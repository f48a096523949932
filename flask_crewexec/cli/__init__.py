"""What operators see in a terminal: ``celery … monitor`` and ``flask crewexec status …``."""
