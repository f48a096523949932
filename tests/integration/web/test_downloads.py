"""Graphs as files over HTTP."""

from __future__ import annotations

import io
import json
import zipfile

import pytest

from support.api_client import problem
from support.graphs import documents

pytestmark = pytest.mark.sqlite_enough

CHAIN = documents.chain("a", "b", tools=("say",), model="streaming")


def export(api, id, query="", **headers):
    return api("GET", f"/graphs/{id}/export{query}", headers=headers)


class TestJson:
    def test_has_the_files_and_what_they_cannot_say(self, api):
        answer = export(api, api.graph(CHAIN), "?format=crewai")
        assert (answer.status_code, answer.mimetype) == (200, "application/json")
        assert answer.json["format"] == "crewai"
        assert sorted(answer.json["files"]) == [
            *("agents/writer.jsonc", "crew.jsonc", "tools/say.py")
        ]
        assert json.loads(answer.json["files"]["crew.jsonc"])["name"] == "test crew"
        notes = [(note["pointer"], note["code"]) for note in answer.json["notes"]]
        assert notes == [
            ("/nodes/3/data/name", "registered-name"),
            ("/nodes/4/data/name", "registered-name"),
        ]

    def test_comes_back_as_it_is(self, api):
        files = export(api, api.graph(CHAIN)).json["files"]
        back = api("POST", "/graphs/import", json={"format": "crewai", "files": files})
        assert (back.status_code, back.json["notes"]) == (201, [])
        assert export(api, back.json["id"]).json["files"] == files

    @pytest.mark.parametrize(
        ("name", "file"),
        [
            ("test crew", "test_crew.json"),
            ("../../etc/passwd", "etc_passwd.json"),
            ('a"; filename="b.exe\r\nX-Evil: 1', "a_filename_b_exe_X-Evil_1.json"),
            ("💣", "crew.json"),
        ],
    )
    def test_is_saved_under_a_harmless_name(self, api, name, file):
        answer = export(api, api.graph({**CHAIN, "name": name}))
        assert answer.headers["Content-Disposition"] == f"attachment; filename={file}"
        assert "X-Evil" not in answer.headers

    def test_keeps_letters_of_other_scripts(self, api):
        answer = export(api, api.graph({**CHAIN, "name": "Möwe 鳥"}))
        assert "UTF-8''M%C3%B6we_%E9%B3%A5.json" in answer.headers["Content-Disposition"]


class TestArchive:
    def opened(self, answer):
        return zipfile.ZipFile(io.BytesIO(answer.data))

    def test_has_the_same(self, api):
        id = api.graph(CHAIN)
        told = export(api, id).json
        answer = export(api, id, Accept="application/zip")
        assert (answer.status_code, answer.mimetype) == (200, "application/zip")
        assert answer.headers["Content-Disposition"] == "attachment; filename=test_crew.zip"
        with self.opened(answer) as archive:
            texts = {name: archive.read(name).decode() for name in archive.namelist()}
        assert json.loads(texts.pop("notes.json")) == told["notes"]
        assert texts == told["files"]

    def test_is_the_same_each_time(self, api):
        id = api.graph(CHAIN)
        assert len({export(api, id, Accept="application/zip").data for _ in range(2)}) == 1

    def test_can_be_read_once_it_is_unpacked(self, api):
        with self.opened(export(api, api.graph(CHAIN), Accept="application/zip")) as archive:
            assert {entry.external_attr >> 16 for entry in archive.infolist()} == {0o644}


class TestVersions:
    def test_the_newest_or_another_one(self, api):
        id = api.graph(CHAIN)
        api("PUT", f"/graphs/{id}", json={**CHAIN, "name": "changed"})
        for query, name in (("", "changed"), ("?version=1", "test crew")):
            crew = export(api, id, query).json["files"]["crew.jsonc"]
            assert json.loads(crew)["name"] == name
        problem(export(api, id, "?version=3"), 404, "not-found")


class TestRefusals:
    @pytest.mark.parametrize("query", ["?format=pickle", "?version=0", "?path=/etc"])
    def test_of_what_it_does_not_know(self, api, query):
        told = problem(export(api, api.graph(CHAIN), query), 422, "invalid-request")
        name = query[1:].partition("=")[0]
        assert [error["pointer"] for error in told["errors"]] == [f"/{name}"]

    def test_of_strangers_and_archived_graphs(self, api, stranger):
        id = api.graph(CHAIN)
        problem(export(stranger, id), 404, "not-found")
        api("DELETE", f"/graphs/{id}")
        problem(export(api, id), 404, "not-found")

    def test_of_nobody(self, api, client):
        answer = client.get(f"/crewexec/graphs/{api.graph(CHAIN)}/export")
        problem(answer, 401, "unauthorized")
