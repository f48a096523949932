"""Programs of Debian that tests install when they need them."""

from __future__ import annotations

import os
import shutil
import subprocess
import typing as t

_INSTALL_SECONDS: t.Final = 120


class NotInstalled(RuntimeError):
    """A program is not there, and it cannot be installed; the message says why."""


def ensure_installed(packages: dict[str, str]) -> None:
    """Install packages unless their programs are there.

    :param packages: names of packages, each with a program that it brings.
    :raises NotInstalled: if that is not possible.
    """
    if _are_there(packages):
        return
    if os.geteuid() != 0 or shutil.which("apt-get") is None:
        raise NotInstalled(f"'apt-get install {' '.join(packages)}' needs Debian and root")
    _apt_get("update")
    said = _apt_get("install", "-y", "--no-install-recommends", *packages)
    if not _are_there(packages):
        raise NotInstalled(f"apt-get could not install it: {said[-300:]}")


def program_path(program: str) -> str | None:
    """Return the path of a program, which may be one for the administrator."""
    return shutil.which(program, path=f"{os.environ.get('PATH', os.defpath)}:/usr/sbin")


def _are_there(packages: dict[str, str]) -> bool:
    return all(program_path(program) for program in packages.values())


def _apt_get(*arguments: str) -> str:
    """Run apt-get and return what it complains about."""
    command = ["apt-get", "-o", f"DPkg::Lock::Timeout={_INSTALL_SECONDS}", *arguments]
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    try:
        done = subprocess.run(
            command,
            check=False,
            capture_output=True,
            text=True,
            timeout=_INSTALL_SECONDS,
            env=environment,
        )
    except subprocess.TimeoutExpired:
        return f"'{' '.join(command)}' took too long"
    return done.stderr.strip()
