"""What people enter to import a graph: files or a pasted text, their format, and options."""

from __future__ import annotations

import json
import typing as t
from collections.abc import Mapping
from collections.abc import Sequence
from dataclasses import dataclass
from dataclasses import field

from werkzeug.datastructures import FileStorage
from werkzeug.exceptions import RequestEntityTooLarge

from ..errors import InvalidRequest
from ..errors import Problem
from ..graphs import digest
from ..schemas import ImportSchema
from ..schemas import load
from ..web.archives import decode
from ..web.archives import read_archive

Json = dict[str, t.Any]
Texts = Mapping[str, str]

DOCUMENT: t.Final = "graph"
"""The format of graphs of this extension; the others are those of imports."""


class Format(t.NamedTuple):
    """A format that can be chosen."""

    title: str
    pasted: str
    """Name of the file that a pasted text becomes."""


FORMATS: t.Final[Mapping[str, Format]] = {
    DOCUMENT: Format("Graph document of this application, in JSON", "graph.json"),
    "crewai": Format("CrewAI: crew.jsonc, crew.py, or the whole project in a ZIP", "crew.jsonc"),
    "crewai-yaml": Format("CrewAI: agents.yaml and tasks.yaml", "agents.yaml"),
    "reactflow": Format("React Flow: nodes and edges in JSON", "flow.json"),
    "crewai-studio": Format("CrewAI-Studio: an exported crew", "crew.json"),
    "langflow": Format("Langflow: an exported flow", "flow.json"),
}


@dataclass(frozen=True, kw_only=True)
class ImportForm:
    """What was entered."""

    format: str = DOCUMENT
    files: Texts = field(default_factory=dict)
    """The texts of the files by name; a pasted text is one."""
    text: str = ""
    """What was pasted."""
    name: str = ""
    process: str = ""
    options: str = ""
    """JSON with further members of the API's body."""
    accepts: bool = False
    """Whether it may be stored although checks are missing."""

    @property
    def kept(self) -> str:
        """The uploaded files as JSON, for the next form; empty if the text was pasted."""
        return "" if self.text.strip() or not self.files else _as_json(self.files)

    @property
    def digest(self) -> str:
        """What tells whether the same is stored that was checked."""
        content = [self.format, {**self.files}, self.name, self.process, self.options]
        return digest(content)

    def body(self) -> Json:
        """Return the body of the import as the service takes it.

        :raises InvalidRequest: with every problem.
        """
        given = {"name": self.name, "process": self.process}
        chosen = {name: value for name, value in given.items() if value}
        body = {**_read_options(self.options), **chosen}
        return load(ImportSchema(), {**body, "format": self.format, "files": {**self.files}})


def read_import(form: Texts, uploads: Sequence[FileStorage], max_bytes: int) -> ImportForm:
    """Return what was entered; files win over a pasted text, and that over files from before.

    :param max_bytes: how large files and text may be together.
    :raises InvalidRequest: if a file cannot be read.
    :raises RequestEntityTooLarge: if they are too large.
    """
    format, text = form.get("format", DOCUMENT), form.get("text", "")
    files = _read_uploads(uploads, max_bytes)
    if len(text.encode("utf-8", "replace")) > max_bytes:
        raise RequestEntityTooLarge
    if files:
        text = ""
    elif text.strip():
        files = {FORMATS[format].pasted if format in FORMATS else "text": text}
    else:
        files = _read_kept(form.get("kept", ""))
    return ImportForm(
        format=format,
        files=files,
        text=text,
        name=form.get("name", "").strip(),
        process=form.get("process", ""),
        options=form.get("options", ""),
        accepts="accept" in form,
    )


def _read_uploads(uploads: Sequence[FileStorage], max_bytes: int) -> dict[str, str]:
    texts: dict[str, str] = {}
    for upload in uploads:
        name = upload.filename
        if not name:  # no file was chosen
            continue
        content = upload.read(max_bytes + 1)
        max_bytes -= len(content)
        if max_bytes < 0:
            raise RequestEntityTooLarge
        is_archive = name.lower().endswith(".zip")
        texts.update(read_archive(content) if is_archive else {name: decode(content, name)})
    return texts


def _read_kept(text: str) -> dict[str, str]:
    """Return the files that a form of ours has kept."""
    try:
        kept = json.loads(text) if text else {}
    except (ValueError, RecursionError):
        kept = None
    if not isinstance(kept, dict) or not all(isinstance(each, str) for each in kept.values()):
        detail = "The files of the page before are damaged. Choose them again."
        raise InvalidRequest(detail, [Problem("/kept", "invalid-json", detail)])
    return kept


def _read_options(text: str) -> Json:
    try:
        options = json.loads(text) if text.strip() else {}
    except (ValueError, RecursionError) as error:
        raise _invalid_options(f"This is not JSON: {error}.") from error
    if not isinstance(options, dict):
        raise _invalid_options('Write an object, such as {"tools": {"Search": "search"}}.')
    return options


def _invalid_options(detail: str) -> InvalidRequest:
    return InvalidRequest(detail, [Problem("/options", "invalid-json", detail)])


def _as_json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False)
