"""The folder of CrewAI's files, whose usual name anyone could have taken."""

from __future__ import annotations

import os
import stat
import tempfile
from pathlib import Path

import pytest
from crewai_core import settings

from flask_crewexec.runtime.crewai_shims.environment import _private_folder
from flask_crewexec.runtime.crewai_shims.environment import keep_files_private


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


def test_settings_of_others_are_not_read_where_the_home_cannot_be_written(tmp_path, monkeypatch):
    """CrewAI would take those in the temporary folder, which anyone may have put there."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    (tmp_path / "crewai_settings.json").write_text('{"enterprise_base_url": "https://evil.test"}')
    private = tmp_path / "private"
    private.mkdir()
    monkeypatch.setenv("CREWAI_STORAGE_DIR", str(private))
    monkeypatch.setattr(settings, "DEFAULT_CONFIG_PATH", Path("/proc/home/settings.json"))
    keep_files_private()
    assert settings.get_writable_config_path() == private / "settings.json"
    assert settings.Settings().enterprise_base_url != "https://evil.test"


def test_settings_in_the_home_are_kept(tmp_path, monkeypatch):
    usual = tmp_path / "home/.config/crewai/settings.json"
    monkeypatch.setattr(settings, "DEFAULT_CONFIG_PATH", usual)
    keep_files_private()
    assert usual == settings.DEFAULT_CONFIG_PATH
