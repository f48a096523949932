"""Exported graphs as something to save: JSON, or an archive with the files in it."""

from __future__ import annotations

import io
import re
import typing as t
import zipfile

from flask import json
from flask import request
from flask import Response
from flask import send_file

from ..graphs.exporters import Exported

ZIP: t.Final = "application/zip"
_JSON: t.Final = "application/json"
_NOTES: t.Final = "notes.json"
_EPOCH: t.Final = (1980, 1, 1, 0, 0, 0)
"""The first moment that an archive can name: the same graph gives the same bytes."""


def respond(name: str, format: str, exported: Exported) -> Response:
    """Answer with the files of the graph *name*, and with what they cannot say."""
    notes = [note._asdict() for note in exported.notes]
    if request.accept_mimetypes[ZIP] > request.accept_mimetypes[_JSON]:
        content, media, end = _archive(exported, notes), ZIP, "zip"
    else:
        told = {"format": format, "files": dict(exported.files), "notes": notes}
        content, media, end = json.dumps(told).encode(), _JSON, "json"
    response = send_file(
        io.BytesIO(content),
        mimetype=media,
        as_attachment=True,
        download_name=f"{_file_name(name)}.{end}",
    )
    response.vary.add("Accept")
    return response


def _archive(exported: Exported, notes: list[dict[str, str]]) -> bytes:
    texts = {**exported.files, _NOTES: json.dumps(notes, indent=2)} if notes else exported.files
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as opened:
        for name, text in texts.items():
            entry = zipfile.ZipInfo(name, _EPOCH)
            entry.external_attr = 0o644 << 16
            opened.writestr(entry, text, zipfile.ZIP_DEFLATED)
    return archive.getvalue()


def _file_name(name: str) -> str:
    """Return *name* without what a path, a header or a shell would read something into."""
    return re.sub(r"[^\w-]+", "_", name).strip("_") or "crew"
