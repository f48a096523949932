"""Packages of npm that tests need, as ``tests/npm`` locks them."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import typing as t
from collections.abc import Sequence
from pathlib import Path

import pytest

from support.installed import installed
from support.paths import TESTS

_FILES: t.Final = tuple(TESTS / "npm" / name for name in ("package.json", "package-lock.json"))
_INSTALL: t.Final = ("npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund")
_SECONDS: t.Final = 240


def npm_packages() -> Path:
    """Return the folder ``node_modules``; skip the test, and say why, where there is none."""
    if shutil.which("npm") is None:
        pytest.skip("npm is not installed")
    digest = hashlib.sha256(b"".join(path.read_bytes() for path in _FILES)).hexdigest()
    return installed(f"npm-{digest[:12]}", _install) / "node_modules"


def npx(program: str, *arguments: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """Run a program of the packages in a folder."""
    return _run([str(npm_packages() / ".bin" / program), *arguments], folder)


def _install(folder: Path) -> None:
    for path in _FILES:
        shutil.copy(path, folder)
    try:
        done = _run(_INSTALL, folder)
    except subprocess.TimeoutExpired:
        pytest.skip("npm could not install the packages in time")
    if done.returncode:
        pytest.skip(f"npm could not install the packages: {done.stderr[-500:]}")


def _run(command: Sequence[str], folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command, cwd=folder, capture_output=True, text=True, check=False, timeout=_SECONDS
    )
