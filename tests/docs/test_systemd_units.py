"""The units of ``deploy/systemd``, by systemd itself where it is installed."""

from __future__ import annotations

import configparser
import re
import shutil
import subprocess
from collections import defaultdict
from pathlib import Path

import pytest

from flask_crewexec.config.settings import Settings
from support.deploy_files import DEPLOY

FOLDER = DEPLOY / "systemd"
UNITS = sorted(path.name for path in FOLDER.glob("*.service"))
DROP_IN = FOLDER / "crews-.service.d/sandbox.conf"
NEEDED = ("NoNewPrivileges", "ProtectHome", "PrivateTmp", "PrivateDevices", "RestrictSUIDSGID")
MAX_EXPOSURE = 2.0
"""Of ten; a unit without any of this has 9.6."""

OF_SYSTEMD = (
    *("-.slice", "basic.target", "multi-user.target", "network-online.target"),
    *("network.target", "shutdown.target", "sysinit.target", "system.slice"),
)
"""Units that every system has."""


def settings_of(unit: str) -> dict[str, dict[str, list[str]]]:
    """Return what a unit and the drop-in say: values by section and name."""
    found: dict[str, dict[str, list[str]]] = defaultdict(lambda: defaultdict(list))
    for path in (FOLDER / unit, DROP_IN):
        parser = configparser.RawConfigParser(strict=True, comment_prefixes=("#",))
        parser.optionxform = str  # type: ignore[assignment,method-assign]
        parser.read_string(path.read_text(encoding="utf-8"))
        for section in parser.sections():
            for name, value in parser[section].items():
                found[section][name].append(value)
    return found


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A file system with the units, their programs and what systemd itself brings."""
    units = tmp_path / "etc/systemd/system"
    shutil.copytree(FOLDER, units)
    programs = {
        word
        for unit in UNITS
        for word in re.findall("(?m)^ExecStart=([^ ]+)", (FOLDER / unit).read_text("utf-8"))
    }
    for program in (*programs, "/bin/kill"):
        path = tmp_path / program.lstrip("/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("#!/bin/sh\n", encoding="utf-8")
        path.chmod(0o755)
    for name in OF_SYSTEMD:
        (units / name).write_text("[Unit]\nDefaultDependencies=no\n", encoding="utf-8")
    return tmp_path


def analyze(*arguments: str) -> str:
    """Return what ``systemd-analyze`` says, which must be content."""
    if shutil.which("systemd-analyze") is None:
        pytest.skip("systemd is not installed; Debian's package 'systemd' has systemd-analyze")
    done = subprocess.run(
        ["systemd-analyze", *arguments], capture_output=True, text=True, check=False
    )
    said = done.stdout + done.stderr
    if "unrecognized option" in said or "Unknown command" in said:
        pytest.skip(f"this systemd is too old: {said}")
    assert done.returncode == 0, said
    return said


def instance(unit: str) -> str:
    return unit.replace("@.", "@1.")


@pytest.mark.parametrize("unit", UNITS)
def test_systemd_accepts_the_unit(unit: str, root: Path) -> None:
    said = analyze("verify", f"--root={root}", "--man=no", f"/etc/systemd/system/{instance(unit)}")
    assert not said, said


@pytest.mark.parametrize("unit", UNITS)
def test_who_breaks_in_can_do_little(unit: str, root: Path) -> None:
    said = analyze("security", f"--root={root}", "--offline=yes", instance(unit))
    found = re.search(r"exposure level for \S+: ([\d.]+)", said)
    assert found is not None, said
    assert float(found[1]) <= MAX_EXPOSURE


@pytest.mark.parametrize("unit", UNITS)
def test_every_unit_is_confined_and_has_a_home(unit: str) -> None:
    service = settings_of(unit)["Service"]
    assert service["User"] == ["myapp"]
    assert service["ProtectSystem"] == ["strict"]
    assert {name: service[name] for name in NEEDED} == {name: ["yes"] for name in NEEDED}
    assert f"HOME=%S/{service['StateDirectory'][0]}" in service["Environment"]


@pytest.mark.parametrize("unit", UNITS)
def test_every_unit_stops_in_order_and_starts_with_the_system(unit: str) -> None:
    found = settings_of(unit)
    assert found["Service"]["KillMode"] == ["mixed"]
    assert found["Service"]["Restart"] == ["on-failure"]
    assert found["Install"]["WantedBy"] == ["multi-user.target"]


def test_who_drains_has_the_time_to() -> None:
    settings = Settings()
    (worker,) = settings_of("crews-worker@.service")["Service"]["TimeoutStopSec"]
    (cleanup,) = settings_of("crews-cleanup.service")["Service"]["TimeoutStopSec"]
    assert int(worker) > 2 * settings.drain_timeout
    assert int(cleanup) > settings.notification_timeout + settings.drain_timeout
