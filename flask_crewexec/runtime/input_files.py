"""Files that inputs refer to: opened by the host's storage functions and never stored."""

from __future__ import annotations

import contextlib
import typing as t
from collections.abc import Iterator

from ..app_state import AppState
from ..errors import StorageUnavailable
from ..errors import UserLoaderUnavailable
from ..errors import UserMissing
from ..graphs.problem_messages import quote
from ..registry.specs import Content
from ..registry.specs import StorageFunction
from ..storage.database_errors import TRANSIENT_ERRORS
from ..storage.failures import FailureReason
from ..text import storable
from .host_callbacks import with_run_context
from .run_context import RunContext

TRANSIENT: t.Final = (StorageUnavailable, TimeoutError, ConnectionError, *TRANSIENT_ERRORS)
"""Errors of a storage that is unavailable."""
NOT_FOUND: t.Final = (FileNotFoundError, PermissionError, LookupError)


class InputFileError(Exception):
    """A file that an input names cannot be read."""

    def __init__(self, failure: FailureReason) -> None:
        super().__init__(failure.message)
        self.failure = failure


def read_file(name: str, reference: str, app_state: AppState, run_context: RunContext) -> str:
    """Return the text that the input *name* refers to.

    :raises InputFileError: if it cannot be read, is too large or is not text.
    """
    storage, _, key = reference.partition(":")
    function = app_state.registry.storages.get(storage)
    if function is None:
        problem = "is in a storage that this worker does not know."
        raise _error(name, "unknown-storage", problem, transient=True)
    limit = app_state.settings.max_file_bytes
    with _map_storage_errors(name):
        content = with_run_context(_read, run_context)(
            function, key, run_context.execution.user_id, limit
        )
        if content is None:
            raise FileNotFoundError
        if len(content) > limit:
            raise _error(name, "file-too-large", f"has more than {limit} bytes.")
        return content.decode("utf-8-sig").replace("\0", "")


def _read(function: StorageFunction, key: str, user_id: str, limit: int) -> bytes | None:
    """Return the content; if it is too large, hardly more than *limit* bytes of it."""
    content = function(key, user_id)
    return None if content is None else _bytes_of(content, limit + 1)


def _bytes_of(content: Content, size: int) -> bytes:
    if not isinstance(content, bytes | str):
        with content:
            content = content.read(size)
    return content if isinstance(content, bytes) else storable(content[:size]).encode()


@contextlib.contextmanager
def _map_storage_errors(name: str) -> Iterator[None]:
    """Map exceptions of the host to failures that quote nothing of them."""
    try:
        yield
    except TRANSIENT as error:
        problem = "cannot be read at the moment."
        raise _error(name, StorageUnavailable.code, problem, transient=True) from error
    except NOT_FOUND as error:
        problem = "does not exist, or this user may not read it."
        raise _error(name, "file-not-found", problem) from error
    except UnicodeDecodeError as error:
        raise _error(name, "file-not-text", "is not UTF-8 text.") from error
    except (InputFileError, UserLoaderUnavailable, UserMissing):
        raise
    except Exception as error:  # its message may quote the file
        raise _error(name, "file-storage-failed", "could not be read.") from error


def _error(name: str, code: str, problem: str, *, transient: bool = False) -> InputFileError:
    return InputFileError(
        FailureReason(code, f"The file of the input {quote(name)} {problem}", transient)
    )
