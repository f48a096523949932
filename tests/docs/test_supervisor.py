"""The configuration of ``deploy/supervisor``, against the units of systemd."""

from __future__ import annotations

import configparser
import shlex

import pytest

from support.deploy_files import DEPLOY

PROGRAMS = ("crews-web", "crews-worker", "crews-cleanup", "crews-beat")
UNITS = {
    "crews-worker": "crews-worker@",
    **{name: name for name in PROGRAMS if name != "crews-worker"},
}
EXPANDED = {"program_name": "crews", "process_num": 1}


def program(name: str) -> configparser.SectionProxy:
    parser = configparser.RawConfigParser(strict=True, inline_comment_prefixes=None)
    parser.read(DEPLOY / "supervisor/crews.conf", encoding="utf-8")
    return parser[f"program:{name}"]


def unit(name: str) -> dict[str, str]:
    path = DEPLOY / f"systemd/{UNITS[name]}.service"
    lines = path.read_text(encoding="utf-8").splitlines()
    return dict(line.split("=", 1) for line in lines if "=" in line and line[0] != "#")


@pytest.mark.parametrize("name", PROGRAMS)
def test_it_runs_what_systemd_runs(name: str) -> None:
    ours = shlex.split(program(name)["command"] % EXPANDED)  # as supervisor expands it
    theirs = unit(name)["ExecStart"].replace("%i", "1").replace("%%", "%")
    assert ours == shlex.split(theirs.replace("%S", "/var/lib"))


@pytest.mark.parametrize("name", PROGRAMS)
def test_it_waits_as_long(name: str) -> None:
    options = program(name)
    assert options["stopwaitsecs"] == unit(name)["TimeoutStopSec"]
    assert options["stopsignal"] == "TERM"
    assert options.getboolean("stopasgroup", fallback=False) is False


@pytest.mark.parametrize("name", PROGRAMS)
def test_it_runs_as_a_user_with_a_home(name: str) -> None:
    options = program(name)
    assert (options["user"], options["environment"]) == ("myapp", 'HOME="/var/lib/crews"')
