"""Projects that are uploaded as a ZIP archive."""

from __future__ import annotations

import io
import lzma
import posixpath
import typing as t
import zipfile
import zlib

from flask import Request

from ..errors import InvalidRequest
from ..errors import Problem

FORM: t.Final = "multipart/form-data"
_ARCHIVE: t.Final = "project"
_OPTIONS: t.Final = "options"
_ENDS: t.Final = (".py", ".yaml", ".yml", ".json", ".jsonc")
_SKIPPED: t.Final = frozenset({".git", ".venv", "venv", "__MACOSX", "__pycache__", "node_modules"})
_MAX_ENTRIES: t.Final = 5000
_MAX_FILES: t.Final = 200
_MAX_BYTES: t.Final = 4_000_000
_UNREADABLE: t.Final = (
    zipfile.BadZipFile,
    zlib.error,
    lzma.LZMAError,
    NotImplementedError,
    RuntimeError,  # it is encrypted
    EOFError,
    OSError,
)
"""What reading an archive raises, depending on what is wrong with it."""


def read_upload(request: Request) -> dict[str, t.Any]:
    """Return the body of an import from a form with an archive and its options as JSON.

    :raises InvalidRequest: if there is no archive, it is too large, or the options are not JSON.
    """
    upload = request.files.get(_ARCHIVE)
    if upload is None:
        raise _invalid("Send a ZIP archive as the file 'project'.")
    return {"format": "crewai", **_options(request), "files": read_archive(upload.read())}


def _options(request: Request) -> dict[str, t.Any]:
    text = request.form.get(_OPTIONS, "{}")
    try:
        options = request.json_module.loads(text)
    except (ValueError, RecursionError) as error:
        raise _invalid(f"'options' is not valid JSON: {error}.", _OPTIONS) from error
    if not isinstance(options, dict):
        raise _invalid("'options' must be a JSON object.", _OPTIONS)
    return options


def read_archive(content: bytes) -> dict[str, str]:
    """Return the texts of a project's files in a ZIP archive by their names.

    :raises InvalidRequest: if it cannot be read, or is too large.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            texts = _read(archive)
    except _UNREADABLE as error:
        raise _invalid(f"The file is not a ZIP archive that can be read: {error}.") from error
    root = _common_folder(texts)
    return {name.removeprefix(root): text for name, text in texts.items()}


def _read(archive: zipfile.ZipFile) -> dict[str, str]:
    entries = archive.infolist()
    if len(entries) > _MAX_ENTRIES:
        raise _invalid(f"The archive may have at most {_MAX_ENTRIES} entries.")
    wanted = [entry for entry in entries if _is_wanted(entry.filename)]
    if len(wanted) > _MAX_FILES:
        raise _invalid(f"The archive may have at most {_MAX_FILES} files of a project.")
    texts: dict[str, str] = {}
    remaining = _MAX_BYTES
    for entry in wanted:
        with archive.open(entry) as opened:
            content = opened.read(remaining + 1)
        remaining -= len(content)
        if remaining < 0:
            raise _invalid(f"The files may have at most {_MAX_BYTES} bytes together.")
        texts[entry.filename] = decode(content, entry.filename)
    return texts


def _is_wanted(name: str) -> bool:
    return name.endswith(_ENDS) and _SKIPPED.isdisjoint(name.split("/"))


def decode(content: bytes, name: str) -> str:
    """Return the text of a file in UTF-8, with or without a byte order mark.

    :raises InvalidRequest: if it is not in UTF-8.
    """
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise _invalid(f"The file {name[:100]!r} is not UTF-8. Save it as UTF-8.") from error


def _common_folder(texts: dict[str, str]) -> str:
    """Return the folder with all files, as most archives have one, and a slash."""
    folders = [posixpath.dirname(name) for name in texts]
    first = folders[0].partition("/")[0] if folders else ""
    is_common = first and all(f"{folder}/".startswith(f"{first}/") for folder in folders)
    return f"{first}/" if is_common and first not in ("src", "config", "agents") else ""


def _invalid(detail: str, part: str = _ARCHIVE) -> InvalidRequest:
    code = "invalid-archive" if part == _ARCHIVE else "invalid-json"
    return InvalidRequest(detail, [Problem(f"/{part}", code, detail)])
