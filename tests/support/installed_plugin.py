"""Test suites of applications that run in an environment where the package is installed."""

from __future__ import annotations

import configparser
import os
import subprocess
import sys
import typing as t
from pathlib import Path

from .paths import ROOT

_DEAD: t.Final = "redis://127.0.0.1:9/0"
"""A broker that is not there."""


def run_suite(folder: Path, metadata: Path, *arguments: str, **variables: str) -> str:
    """Run pytest in a folder, with what ``setup.cfg`` registers, and return what it prints.

    :param metadata: an empty folder, for what an installation would write.
    :param variables: of the environment.
    """
    _write_metadata(metadata)
    environment = {
        **os.environ,
        "CELERY_BROKER_URL": _DEAD,
        "CELERY_RESULT_BACKEND": _DEAD,
        "PYTHONPATH": os.pathsep.join([str(ROOT), str(metadata)]),
        **variables,
    }
    options = ["-p", "no:cacheprovider", "-p", "no:schemathesis", "-c", os.devnull, "--rootdir=."]
    strict = ["-o", "filterwarnings=error", "-q", "--tb=short"]
    command = [sys.executable, "-m", "pytest", *options, *strict, *arguments]
    done = subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, check=False
    )
    assert done.stderr == ""
    return done.stdout


def _write_metadata(folder: Path) -> None:
    config = configparser.ConfigParser()
    config.read(ROOT / "setup.cfg")
    groups = config["options.entry_points"]
    points = "\n".join(f"[{group}]{lines}" for group, lines in groups.items())
    info = folder / "Flask_CrewExec-0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: Flask-CrewExec\nVersion: 0\n")
    (info / "entry_points.txt").write_text(points)
