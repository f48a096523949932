"""How the files of the client for JavaScript are served."""

from __future__ import annotations

import re
import shutil

import pytest

from flask_crewexec.schemas import EVENT_TYPES
from flask_crewexec.web.client_files import FOLDER
from support.npm import npx
from support.paths import ROOT
from support.paths import TESTS

pytestmark = pytest.mark.sqlite_enough

STRICT = (
    "--strict --noEmit --noUncheckedIndexedAccess --target es2022 --module esnext"
    " --moduleResolution bundler --lib es2023,dom,dom.iterable"
)


@pytest.fixture
def main_module(client) -> str:
    """The address of the module that 'client.js' leads to."""
    (name,) = re.findall(r'^export \* from "./(.*)";$', client.get("/crewexec/client.js").text)
    return f"/crewexec/{name}"


def test_everybody_may_load_them(client, main_module):
    for path in ("/crewexec/client.js", "/crewexec/client.d.ts", main_module):
        answer = client.get(path)
        assert (answer.status_code, answer.headers["X-Content-Type-Options"]) == (200, "nosniff")


def test_the_address_of_a_version_is_kept_and_the_entry_is_checked(client, main_module):
    entry = client.get("/crewexec/client.js")
    assert (entry.mimetype, entry.headers["Cache-Control"]) == ("text/javascript", "no-cache")
    assert client.get(main_module).headers["Cache-Control"].endswith("immutable")
    unchanged = {"If-None-Match": entry.headers["ETag"]}
    assert client.get("/crewexec/client.js", headers=unchanged).status_code == 304


def test_a_page_of_another_version_gets_its_modules_but_does_not_keep_them(client, main_module):
    answer = client.get(re.sub("/client/[^/]+/", "/client/0123456789abcdef/", main_module))
    assert (answer.status_code, answer.headers["Cache-Control"]) == (200, "no-cache")


@pytest.mark.parametrize("name", ["client.d.ts", "nothing.js", "..%2fclient_files.py"])
def test_nothing_else_is_there(client, main_module, name):
    assert client.get(main_module.replace("index.js", name)).status_code == 404


def test_every_import_of_a_module_is_served(client, main_module):
    for path in FOLDER.glob("*.js"):
        for name in re.findall(r'from "\./(.*)"', path.read_text("utf-8")):
            assert client.get(main_module.replace("index.js", name)).status_code == 200


def test_the_distribution_contains_them():
    assert "web/client/*" in (ROOT / "setup.cfg").read_text("utf-8")


def test_the_types_know_every_event(client):
    types = client.get("/crewexec/client.d.ts").text
    data = types.partition("export interface EventData {")[2]
    assert re.findall(r"^  (\w+): \{$", data, re.MULTILINE) == [*EVENT_TYPES]


def test_typescript_accepts_the_types_and_finds_mistakes(client, tmp_path):
    (tmp_path / "client.d.ts").write_text(client.get("/crewexec/client.d.ts").text, "utf-8")
    shutil.copy(TESTS / "typing_tests/use_client.ts", tmp_path)
    checked = npx("tsc", *STRICT.split(), "use_client.ts", folder=tmp_path)
    assert checked.returncode == 0, checked.stdout
