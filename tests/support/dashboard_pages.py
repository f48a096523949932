"""The dashboard as one user sees it, without a browser."""

from __future__ import annotations

import html
import re
import typing as t
from collections.abc import Mapping
from html.parser import HTMLParser

from flask.testing import FlaskClient
from werkzeug.test import encode_multipart

OURS = {"Sec-Fetch-Site": "same-origin"}


class Pages:
    """The dashboard as one user sees it."""

    def __init__(self, client: FlaskClient, user: str | None) -> None:
        self._client = client
        self.headers = {"X-User": user} if user else {}

    def get(self, path: str, **query: object) -> t.Any:
        given = {"query_string": query} if query else {}
        return self._client.get(f"/crewexec-dashboard{path}", headers=self.headers, **given)

    def read(self, path: str, **query: object) -> str:
        answer = self.get(path, **query)
        assert answer.status_code == 200, answer.text
        return t.cast(str, answer.text)

    def post(
        self, path: str, headers: Mapping[str, str] = OURS, *, large: bool = False, **form: t.Any
    ) -> t.Any:
        """Send a form; a *large* one in the encoding that its page demands."""
        options: dict[str, t.Any] = {"data": form, "headers": {**self.headers, **headers}}
        if large:
            boundary, options["data"] = encode_multipart(form)
            options["content_type"] = f'multipart/form-data; boundary="{boundary}"'
        return self._client.post(f"/crewexec-dashboard{path}", **options)


def text_of(page: str) -> str:
    """What can be read on a page, on one line."""
    return " ".join(html.unescape(re.sub(r"<[^>]*>", " ", page)).split())


def section(page: str, id: str) -> str:
    found = re.search(rf'<section id="{id}".*?</section>', page, re.DOTALL)
    assert found, page
    return found[0]


class Dangers(HTMLParser):
    """Collects elements and attributes that none of our pages has."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        names = {name for name, _ in attributes}
        if tag in ("img", "style", "iframe") or (tag == "script" and "src" not in names):
            self.found.append(tag)
        self.found += [name for name in names if name.startswith("on") or name == "style"]
        self.found += [value for _, value in attributes if value and value.startswith("java")]


def dangers(page: str) -> list[str]:
    """What a browser would run, or show as it pleases a stranger."""
    parser = Dangers()
    parser.feed(page)
    return parser.found


def is_problem(answer: t.Any, status: int, code: str) -> str:
    """Check that *answer* is a page about a problem, and return what it says."""
    assert answer.status_code == status, answer.text
    assert answer.mimetype == "text/html"
    assert f"<code>{code}</code>" in answer.text
    return text_of(answer.text)
