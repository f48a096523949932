"""Downloads of exported graphs: JSON, or a ZIP archive of the files."""

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
"""Time stamp of all entries, so that the same graph always gives the same bytes."""


def respond(name: str, format: str, exported: Exported) -> Response:
    """Respond with the files of the graph *name*, and with notes on what they leave out."""
    notes = [note._asdict() for note in exported.notes]
    if request.accept_mimetypes[ZIP] > request.accept_mimetypes[_JSON]:
        content, media, suffix = _archive(exported, notes), ZIP, "zip"
    else:
        body = {"format": format, "files": dict(exported.files), "notes": notes}
        content, media, suffix = json.dumps(body).encode(), _JSON, "json"
    response = send_file(
        io.BytesIO(content),
        mimetype=media,
        as_attachment=True,
        download_name=f"{_file_name(name)}.{suffix}",
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
    """Return *name* without characters that are special in paths, headers or shells."""
    return re.sub(r"[^\w-]+", "_", name).strip("_") or "crew"
