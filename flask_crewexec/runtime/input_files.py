"""Files that inputs name: opened by the host's functions, read here, kept nowhere."""

from __future__ import annotations

import contextlib
import typing as t
from collections.abc import Iterator

from ..app_state import AppState
from ..errors import StorageUnavailable
from ..graphs.problem_messages import quote
from ..registry.specs import Content
from ..registry.specs import StorageFunction
from ..storage.database_errors import TRANSIENT_ERRORS
from ..storage.failures import FailureReason
from ..text import replace_surrogates
from .host_callbacks import with_run_context
from .run_context import RunContext

TRANSIENT: t.Final = (StorageUnavailable, TimeoutError, ConnectionError, *TRANSIENT_ERRORS)
"""What a storage raises while it cannot open any file."""
NOT_FOUND: t.Final = (FileNotFoundError, PermissionError, LookupError)


class InputFileError(Exception):
    """A file that an input names cannot be read."""

    def __init__(self, failure: FailureReason) -> None:
        super().__init__(failure.message)
        self.failure = failure


def read_file(name: str, reference: str, app_state: AppState, run_context: RunContext) -> str:
    """Return the text that the input *name* refers to.

    :raises FileUnreadable: if there is none, or it is too large or no text.
    """
    storage, _, key = reference.partition(":")
    function = app_state.registry.storages.get(storage)
    if function is None:
        raise _failed(name, "unknown-storage", "names a storage that this worker does not know.")
    limit = app_state.settings.max_file_bytes
    with _map_storage_errors(name):
        content = with_run_context(_read, run_context)(
            function, key, run_context.execution.user_id, limit
        )
        if content is None:
            raise FileNotFoundError
        if len(content) > limit:
            raise _failed(name, "file-too-large", f"has more than {limit} bytes.")
        return content.decode("utf-8-sig").replace("\0", "")


def _read(function: StorageFunction, key: str, user_id: str, limit: int) -> bytes | None:
    """Return what the host gives, and hardly more of it than is allowed."""
    content = function(key, user_id)
    return None if content is None else _bytes_of(content, limit + 1)


def _bytes_of(content: Content, most: int) -> bytes:
    if not isinstance(content, bytes | str):
        with content:
            content = content.read(most)
    return content if isinstance(content, bytes) else replace_surrogates(content[:most]).encode()


@contextlib.contextmanager
def _map_storage_errors(name: str) -> Iterator[None]:
    """Say of the host's exceptions no more than what they mean."""
    try:
        yield
    except TRANSIENT as error:
        demand = "cannot be read at the moment."
        raise _failed(name, StorageUnavailable.code, demand, transient=True) from error
    except NOT_FOUND as error:
        demand = "does not exist, or not for this user."
        raise _failed(name, "file-not-found", demand) from error
    except UnicodeDecodeError as error:
        raise _failed(name, "file-not-text", "is no text in UTF-8.") from error
    except InputFileError:
        raise
    except Exception as error:  # whatever a storage raises may quote the file
        raise _failed(name, "file-storage-failed", "could not be read.") from error


def _failed(name: str, code: str, demand: str, *, transient: bool = False) -> InputFileError:
    return InputFileError(
        FailureReason(code, f"The file of the input {quote(name)} {demand}", transient)
    )
