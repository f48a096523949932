"""The environment in which CrewAI is imported."""

from __future__ import annotations

import contextlib
import logging
import os
import stat
import tempfile
import typing as t
from collections.abc import Iterator
from pathlib import Path

_SWITCHES: t.Final = {
    "CREWAI_DISABLE_TELEMETRY": "true",
    "CREWAI_TRACING_ENABLED": "false",  # else it asks at the terminal and waits for 20 s
    "CREWAI_DISABLE_VERSION_CHECK": "true",
}
_STORAGE: t.Final = "CREWAI_STORAGE_DIR"

log = logging.getLogger(__name__)


def set_switches() -> None:
    """Switch off what a server must not do."""
    os.environ.update(_SWITCHES)


def keep_files_private() -> None:
    """Let CrewAI use a folder that only this user can write to, not the home directory.

    There may be no home directory, or it may be read-only. CrewAI would not be imported, or would
    read its settings from a file of the temporary folder, which anyone may have written.
    """
    if _STORAGE not in os.environ:
        os.environ[_STORAGE] = _private_folder()
    if not _is_home_known():
        os.environ["HOME"] = os.environ[_STORAGE]
    from crewai_core import settings

    if not _can_be_written(settings.DEFAULT_CONFIG_PATH.parent):
        settings.DEFAULT_CONFIG_PATH = Path(os.environ[_STORAGE], "settings.json")


def unwritable_folders() -> list[str]:
    """Return the folders in which CrewAI keeps files that cannot be written."""
    from crewai_core import settings

    folders = (Path(os.environ[_STORAGE]), settings.DEFAULT_CONFIG_PATH.parent)
    return [str(folder) for folder in folders if not _can_be_written(folder)]


def _private_folder() -> str:
    """Return a folder in the temporary folder: the usual one, or a new one if that is not ours."""
    folder = os.path.join(tempfile.gettempdir(), f"crewexec-crewai-{os.getuid()}")
    with contextlib.suppress(FileExistsError):
        os.mkdir(folder, 0o700)
    found = os.lstat(folder)
    writable_for_others = found.st_mode & (stat.S_IWGRP | stat.S_IWOTH)
    if stat.S_ISDIR(found.st_mode) and found.st_uid == os.getuid() and not writable_for_others:
        return folder
    new = tempfile.mkdtemp(prefix=f"{os.path.basename(folder)}-")
    log.warning("Others can write to '%s', so CrewAI's files go to '%s'.", folder, new)
    return new


def _is_home_known() -> bool:
    try:
        Path.home()
    except RuntimeError:  # neither $HOME nor an entry in the list of users
        return False
    return True


def _can_be_written(folder: Path) -> bool:
    """Return whether CrewAI can write to *folder*, which it creates."""
    with contextlib.suppress(OSError):
        folder.mkdir(parents=True, exist_ok=True)
    return os.access(folder, os.W_OK | os.X_OK)


@contextlib.contextmanager
def without_dotenv() -> Iterator[None]:
    """Keep CrewAI from reading the nearest ``.env`` file: that is the host's decision."""
    before = os.environ.get("PYTHON_DOTENV_DISABLED")
    os.environ["PYTHON_DOTENV_DISABLED"] = "1"
    try:
        yield
    finally:
        if before is None:
            del os.environ["PYTHON_DOTENV_DISABLED"]
        else:
            os.environ["PYTHON_DOTENV_DISABLED"] = before
