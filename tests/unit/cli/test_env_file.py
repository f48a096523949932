"""Variables in files such as ``.env``: what is set, and what stays."""

from __future__ import annotations

import pytest

from flask_crewexec.cli.env_file import read_variable
from flask_crewexec.cli.env_file import write_variables


@pytest.fixture
def path(tmp_path):
    return tmp_path / ".env"


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (None, "A=1\nB=2\n"),
        ("", "A=1\nB=2\n"),
        ("OTHER=x", "OTHER=x\nA=1\nB=2\n"),
        ("# A=old\n\nexport B=old\nOTHER='A=3'\n", "# A=old\n\nB=2\nOTHER='A=3'\nA=1\n"),
        ("A=old\nA=older\n B = old\n", "A=1\nB=2\n"),
        ("AA=x\nA.B=y\n", "AA=x\nA.B=y\nA=1\nB=2\n"),
    ],
)
def test_variables_are_set_and_other_lines_stay(path, before, after):
    if before is not None:
        path.write_text(before)
    write_variables(path, {"A": "1", "B": "2"})
    assert path.read_text() == after
    assert [read_variable(path, name) for name in "AB"] == ["1", "2"]
    write_variables(path, {"A": "1", "B": "2"})
    assert path.read_text() == after


def test_a_new_file_is_for_its_owner_and_another_keeps_its_rights(path):
    write_variables(path, {"A": "1"})
    assert path.stat().st_mode & 0o777 == 0o600
    path.chmod(0o640)
    write_variables(path, {"A": "2"})
    assert path.stat().st_mode & 0o777 == 0o640


def test_a_link_stays_a_link(path, tmp_path):
    (tmp_path / "real").write_text("B=2\n")
    path.symlink_to("real")
    write_variables(path, {"A": "1"})
    assert path.is_symlink()
    assert (tmp_path / "real").read_text() == "B=2\nA=1\n"


def test_a_failure_leaves_no_file(tmp_path):
    with pytest.raises(FileNotFoundError):
        write_variables(tmp_path / "missing" / ".env", {"A": "1"})
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("text", "value"), [("A=1", "1"), ("A='1'", "1"), ("A=old\nA=1", "1"), ("#A=1", None)]
)
def test_the_last_value_is_read_without_quotes(path, text, value):
    path.write_text(text)
    assert read_variable(path, "A") == value
