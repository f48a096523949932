"""The folder of CrewAI's files, whose usual name anyone could have taken."""

from __future__ import annotations

import os
import stat
import tempfile
from pathlib import Path

import pytest

from flask_crewexec.runtime.crewai_shims.environment import _private_folder


@pytest.fixture
def usual(tmp_path, monkeypatch):
    """The usual folder; it does not exist yet."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path / f"crewexec-crewai-{os.getuid()}"


def check_that_another_is_used(usual: Path) -> None:
    folder = Path(_private_folder())
    assert folder != usual
    assert folder.parent == usual.parent
    assert stat.S_IMODE(folder.lstat().st_mode) == 0o700


def test_the_usual_one_is_created_and_used_again(usual):
    assert _private_folder() == str(usual)
    assert stat.S_IMODE(usual.stat().st_mode) == 0o700
    assert _private_folder() == str(usual)


def test_a_link_is_not_followed(usual, tmp_path):
    target = tmp_path / "elsewhere"
    target.mkdir()
    usual.symlink_to(target)
    check_that_another_is_used(usual)


def test_a_file_is_not_used(usual):
    usual.touch()
    check_that_another_is_used(usual)


def test_one_that_others_can_write_to_is_not_used(usual, caplog):
    usual.mkdir()
    usual.chmod(0o777)
    check_that_another_is_used(usual)
    assert str(usual) in caplog.text


@pytest.mark.skipif(os.getuid() != 0, reason="only root can give a folder to another user")
def test_one_of_another_user_is_not_used(usual):
    usual.mkdir(mode=0o700)
    os.chown(usual, 54_321, 54_321)
    check_that_another_is_used(usual)
