"""Files that inputs name: opened by the host's functions, read here, kept nowhere."""

from __future__ import annotations

import contextlib
import typing as t
from collections.abc import Iterator

from ..binding import Binding
from ..errors import StorageUnavailable
from ..events import clean
from ..failures import Failure
from ..graphs.wording import quote
from ..registry import Content
from ..registry import StorageFunction
from .host_functions import in_context
from .means import Means
from .patience import AWAY

PASSING: t.Final = (StorageUnavailable, TimeoutError, ConnectionError, *AWAY)
"""What a storage raises while it cannot open any file."""
MISSING: t.Final = (FileNotFoundError, PermissionError, LookupError)


class FileUnreadable(Exception):
    """A file that an input names cannot be read."""

    def __init__(self, failure: Failure) -> None:
        super().__init__(failure.message)
        self.failure = failure


def read_file(name: str, reference: str, binding: Binding, means: Means) -> str:
    """Return the text that the input *name* refers to.

    :raises FileUnreadable: if there is none, or it is too large or no text.
    """
    storage, _, key = reference.partition(":")
    function = binding.registry.storages.get(storage)
    if function is None:
        raise _failed(name, "unknown-storage", "names a storage that this worker does not know.")
    limit = binding.settings.max_file_bytes
    with _told(name):
        content = in_context(_read, means)(function, key, means.execution.user_id, limit)
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
    return content if isinstance(content, bytes) else clean(content[:most]).encode()


@contextlib.contextmanager
def _told(name: str) -> Iterator[None]:
    """Say of the host's exceptions no more than what they mean."""
    try:
        yield
    except PASSING as error:
        demand = "cannot be read at the moment."
        raise _failed(name, StorageUnavailable.code, demand, passing=True) from error
    except MISSING as error:
        demand = "does not exist, or not for this user."
        raise _failed(name, "file-not-found", demand) from error
    except UnicodeDecodeError as error:
        raise _failed(name, "file-not-text", "is no text in UTF-8.") from error
    except FileUnreadable:
        raise
    except Exception as error:  # whatever a storage raises may quote the file
        raise _failed(name, "file-storage-failed", "could not be read.") from error


def _failed(name: str, code: str, demand: str, *, passing: bool = False) -> FileUnreadable:
    return FileUnreadable(Failure(code, f"The file of the input {quote(name)} {demand}", passing))
