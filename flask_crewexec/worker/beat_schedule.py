"""Celery's scheduler of periodic tasks, for folders in which beat cannot keep its file."""

from __future__ import annotations

import logging
import os
import shelve
import typing as t

from celery.beat import PersistentScheduler

log = logging.getLogger(__name__)


class BeatScheduler(PersistentScheduler):  # type: ignore[misc]  # Celery ships no types
    """Keeps the times of the last runs in memory where their file cannot be written.

    Without that file beat would end at once, while the worker that started it runs on. It is not
    put in the temporary folder instead: beat unpickles it, and anyone may write files there.
    """

    def _open_schedule(self) -> shelve.Shelf[t.Any]:
        if self._can_be_written():
            return t.cast("shelve.Shelf[t.Any]", super()._open_schedule())
        log.warning(
            "The schedule file '%s' cannot be written, so the times of the last runs are kept in"
            " memory. Pass another path with '--schedule', or set 'beat_schedule_filename'.",
            os.path.abspath(self.schedule_filename),
        )
        return shelve.Shelf({}, writeback=True)

    def _can_be_written(self) -> bool:
        """Return whether the files of the schedule can be created, changed and removed."""
        path = os.path.abspath(self.schedule_filename)
        files = [path + suffix for suffix in self.known_suffixes if os.path.exists(path + suffix)]
        return os.access(os.path.dirname(path), os.W_OK | os.X_OK) and all(
            os.access(file, os.R_OK | os.W_OK) for file in files
        )
